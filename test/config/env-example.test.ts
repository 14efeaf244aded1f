// .env.example and the tables of docs/configuration.md are what the table of variables says: they
// cannot drift.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseEnv } from 'node:util';
import { envDocs, envExample } from '../../build/env-docs.ts';
import { parseConfig } from '../../src/config/config.ts';
import { VARIABLES } from '../../src/config/variables.ts';

const ROOT = join(import.meta.dirname, '../..');

for (const { file, text } of envDocs()) {
  test(`${file} is what \`make env-docs\` writes`, () => {
    assert.equal(readFileSync(join(ROOT, file), 'utf8'), text);
    for (const { name } of Object.values(VARIABLES)) assert.ok(text.includes(name), name);
  });
}

test('.env.example, uncommented, is the default configuration', () => {
  const env = parseEnv(envExample().replace(/^#(\w+=)/gm, '$1'));
  assert.equal(Object.keys(env).length, Object.keys(VARIABLES).length);
  assert.deepEqual(parseConfig(env), parseConfig({}));
});
