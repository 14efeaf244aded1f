// check-config adds up what a group's keys may be asked, and reads every line of its key files.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkKeyFiles } from '../../src/cli/limit-sums.ts';
import { parseConfig } from '../../src/config/config.ts';
import { readGrouping } from '../../src/config/grouping.ts';

async function findings(lines: string, toml: string) {
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-sums-'));
  try {
    writeFileSync(join(directory, 'one.txt'), lines);
    const group = '[group.one]\nbase_url = "http://127.0.0.1:1"\nkeys_file = "one.txt"\n';
    const path = join(directory, 'gpt-load.toml');
    writeFileSync(path, group + toml);
    const config = parseConfig({ CONFIG_FILE: path });
    return await checkKeyFiles(await readGrouping(config, {}));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const clients = Array.from({ length: 100 }, (_, i) => {
  return `[client.c${i}]\nkey = "client-key-number-${i}"\n`;
}).join('');

test('keys that allow 10 requests a minute for 100 clients are worth a warning', async () => {
  const { warnings, problems } = await findings('sk-a rpm=4\nsk-b rpm=6\n', clients);
  assert.deepEqual(problems, []);
  assert.deepEqual(warnings, [
    '[group.one] its keys together allow 10 requests per minute, but 100 clients may send 100 or more',
  ]);
});

test('one key without a limit, or limits that suffice, are worth none', async () => {
  for (const lines of [
    'sk-a rpm=4\nsk-b\n',
    'sk-a rpm=60\nsk-b rpm=60\n',
    'sk-a rpm=1\nsk-b rpm=0\n',
  ]) {
    assert.deepEqual((await findings(lines, clients)).warnings, []);
  }
  assert.deepEqual((await findings('sk-a rpm=1\n', '')).warnings, []);
});

test('the limits of the group count for keys that name none', async () => {
  const own = `key_rpm = 5\n${clients}`;
  assert.equal((await findings('sk-a\nsk-b\n', own)).warnings.length, 1);
});

test('a line that cannot be used is told', async () => {
  const { problems } = await findings('sk-a\nsk-b rpm=many\n', '');
  assert.match(problems.join(), /one\.txt:2: rpm= must be a whole number from 0 to/);
});
