// The files that people write: keys, gpt-load.toml, .env. Anything in them is taken or told as a
// problem, never thrown, and no problem repeats a secret.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseConfig } from '../../../src/config/config.ts';
import { loadEnv } from '../../../src/config/env-file.ts';
import { readGrouping } from '../../../src/config/grouping.ts';
import { shownGrouping } from '../../../src/config/grouping-view.ts';
import { ConfigError } from '../../../src/errors.ts';
import { keyAt, parseKeys } from '../../../src/pool/keys/key-file.ts';
import type { FuzzTarget } from '../fuzz-target.ts';

/** Stands where a secret stands; no problem may say it. */
const SECRET = 'Zx81SpectrumSecret';

const directory = mkdtempSync(join(tmpdir(), 'gpt-load-fuzz-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));

function assertSilent(problems: readonly string[]): void {
  for (const problem of problems) assert.ok(!problem.includes(SECRET), problem);
}

export const keyFile: FuzzTarget = {
  name: 'key-file',
  seeds: [
    `# keys\r\n\ufeff${SECRET}-1\nsk-b https://api.test/v1 weight=3 rpm=60 name=alice # note\n`,
    `${SECRET} proxy=socks5h://user:${SECRET}@127.0.0.1:1080 tier=2 concurrency=1_0\n\n`,
    `sk-a ${SECRET}\nsk-a\nOPENAI_API_KEY="${SECRET}"\n`,
  ],
  words: [
    '\n',
    '\r\n',
    ' ',
    '\t',
    '#',
    '\ufeff',
    '\0',
    '"',
    ',',
    '=',
    'rpm=',
    'proxy=http://',
    'https://',
    SECRET,
    `${SECRET}=`,
    'tpd=1',
  ],
  check: (input) => {
    const file = parseKeys(input, 'keys.txt');
    if (!file.ok) {
      assert.ok(file.problems.length > 0);
      assertSilent(file.problems);
      return;
    }
    const { keys } = file;
    const again: string[] = [];
    for (let i = 0; i < keys.count; i += 1) {
      const key = keyAt(keys, i);
      assert.match(key, /^[\x21-\x7e]+$/);
      again.push(key);
    }
    const second = parseKeys(Buffer.from(again.join('\n')), 'again');
    assert.ok(second.ok && second.keys.count === keys.count, 'what was read cannot be read again');
  },
};

/** Where it is a secret in gpt-load.toml; all else there is shown as it is, such as keys_file. */
const AS_KEY = new RegExp(`\\bkey\\s*=\\s*["']+${SECRET}`, 'g');

export const tomlFile: FuzzTarget = {
  name: 'toml',
  seeds: [
    `[group.a]\nbase_url = ["https://a.test"]\nkeys_file = "a.txt"\nmodels = ["gpt-*"]\n` +
      'fallback = ["b"]\nalias = { "x" = "y" }\nkey_rpm = 5\nmax_retries = 2\n' +
      '[group.b]\nbase_url = "https://b.test"\nkeys_file = "b.txt"\naffinity = "session"\n' +
      'set_headers = { "X-A" = "b" }\n',
    `[client.ci]\nkey = "${SECRET}"\nrpm = 60\n[client.al]\nkey = "sha256:${'0'.repeat(64)}"\n`,
    '[group."a"]\nbase_url = """https://a.test"""\n[[group.a.x]]\ny = 1979-05-27T07:32:00Z\n',
  ],
  words: [
    '[group.a]\n',
    '[[',
    ']]',
    '"',
    '"""',
    "'",
    '\\u0000',
    '=',
    '.',
    '1e999',
    'nan',
    '__proto__',
    'key = ',
    `"${SECRET}"`,
    '{',
    '\n',
    '-0',
    '1979-05-27',
  ],
  check: async (input) => {
    const path = join(directory, 'gpt-load.toml');
    writeFileSync(path, input);
    const env = { CONFIG_FILE: path, KEYS_FILE: join(directory, 'keys.txt') };
    try {
      const grouping = await readGrouping(parseConfig(env), env);
      const shown = JSON.stringify(shownGrouping(grouping));
      const isNamedOpenly = input.toString().replaceAll(AS_KEY, '').includes(SECRET);
      if (!isNamedOpenly) assertSilent([shown]);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      assert.ok(error.problems.length > 0);
      for (const problem of error.problems) assert.ok(problem.length < 2_000, 'a problem of pages');
    }
  },
};

export const envFile: FuzzTarget = {
  name: 'env',
  seeds: [
    `PORT=3000\nAUTH_KEY=${SECRET}#1 # note\nexport OPENAI_BASE_URL="https://a.test,https://b.test"\n`,
    "MAX_RETRIES='3'\r\nALLOWED_ORIGINS=`*`\nLOG_LEVEL=debug\nREQUEST_TIMEOUT=1.5\n",
    `UPSTREAM_PROXY=http://user:${SECRET}@proxy.test:3128\nMAX_RETIRES=3\n`,
  ],
  words: [
    '\n',
    '\r\n',
    '=',
    '#',
    ' #',
    '"',
    "'",
    '`',
    '\\n',
    'export ',
    '\ufeff',
    '\0',
    'PORT=',
    '$',
  ],
  check: (input) => {
    const file = join(directory, '.env');
    writeFileSync(file, input);
    const { env, warnings } = loadEnv({}, directory, undefined);
    assertSilent(warnings);
    try {
      parseConfig(env);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      assert.ok(error.problems.length > 0);
    }
  },
};
