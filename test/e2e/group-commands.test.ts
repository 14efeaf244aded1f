// The commands know groups: check-config shows them with their origins, validate-keys checks each.

import assert from 'node:assert/strict';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const tail = '0123456789abcdef';
const keys = [
  `sk-test-good-one-${tail}`,
  `sk-test-dead-one-${tail}`,
  `sk-test-good-two-${tail}`,
] as const;

function filesFor(url: string) {
  return {
    'gpt-load.toml': `[group.one]\nbase_url = "${url}"\nkeys_file = "one.txt"\nmodels = ["gpt-*"]\nmax_retries = 7\n[group.two]\nbase_url = "${url}"\nkeys_file = "two.txt"\n[client.ci]\nkey = "client-key-of-ci"\ngroups = ["one"]\n`,
    'one.txt': `${keys[0]}\n${keys[1]}\n`,
    'two.txt': `${keys[2]}\n`,
  };
}

/** Runs one command to its end, in a directory with the files of two groups. */
async function command(
  args: readonly string[],
  check: (text: string, at: string) => void,
  code = 0,
) {
  await using upstream = await startScriptedUpstream();
  const started = await startGptLoad({
    keys,
    upstreams: [],
    withoutKeysFile: true,
    files: filesFor(upstream.url),
    env: { MODEL_ACCESS_COOLDOWN: '77' },
    args,
    waitUntilReady: false,
  });
  assert.equal(await started.exited, code);
  try {
    check(started.output(), started.directory);
  } finally {
    // The lists of validate-keys hold keys: its leak check is not for them.
    rmSync(started.directory, { recursive: true });
  }
}

test('check-config shows each setting of each group with its origin', async () => {
  await command(['check-config'], (text) => {
    assert.match(text, /^\[group\.one\]$/m);
    assert.match(text, /^max_retries = 7 {2}# file$/m);
    assert.match(text, /^model_access_cooldown = 77 {2}# environment$/m);
    assert.match(text, /^models = \["gpt-\*"\] {2}# file$/m);
    assert.match(text, /^\[client\.ci\]\nkey = "\*{4}"\ngroups = \["one"\]$/m);
    assert.doesNotMatch(text, /client-key-of-ci/);
    assert.match(text, /^MODEL_ACCESS_COOLDOWN=77 {2}# environment; default: 600$/m);
  });
});

test('validate-keys checks every group, with lists in a folder for each', async () => {
  await command(
    ['validate-keys'],
    (text, at) => {
      assert.match(text, /checking 2 keys of group one at/);
      assert.match(text, /checking 1 key of group two at/);
      const lists = ['one', 'two'].map((name) => readdirSync(join(at, name)));
      assert.ok(lists.every((names) => names.length > 0));
    },
    1,
  );
});

test('validate-keys checks one group if it is named, and gives JSON for all', async () => {
  await command(['validate-keys', '--group', 'two'], (text) => {
    assert.doesNotMatch(text, /group one/);
  });
  await command(
    ['validate-keys', '--json'],
    (text) => {
      const json = text.slice(text.indexOf('{"groups"'), text.lastIndexOf('}') + 1);
      const cleaned = json.replace(/checking [^\n]*\n/g, '');
      assert.deepEqual(Object.keys(JSON.parse(cleaned).groups), ['one', 'two']);
    },
    1,
  );
  await command(
    ['validate-keys', '--group', 'tow'],
    (text) => assert.match(text, /--group: there is no group "tow"/),
    2,
  );
});
