// Which file the variables come from, and what wins over what.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadEnv } from '../../src/config/env-file.ts';
import { nearest } from '../../src/config/nearest.ts';
import { ConfigError } from '../../src/errors.ts';

const directory = mkdtempSync(join(tmpdir(), 'gpt-load-env-'));
after(() => rmSync(directory, { recursive: true, force: true }));

test('no .env file is fine, and leaves the environment as it is', () => {
  assert.deepEqual(loadEnv({ A: '1' }, directory, undefined), {
    env: { A: '1' },
    file: undefined,
    warnings: [],
  });
});

test('the real environment wins over the file, even where it is empty', () => {
  const file = join(directory, 'some');
  writeFileSync(file, 'PORT=1\nHOST=a\n');
  const { env } = loadEnv({ PORT: '' }, directory, file);
  assert.deepEqual({ ...env }, { PORT: '', HOST: 'a' });
});

test('an --env-file that is missing, and a .env that cannot be read, are problems', () => {
  const missing = join(directory, 'missing');
  assert.throws(() => loadEnv({}, directory, missing), ConfigError);
  const place = join(directory, 'place');
  mkdirSync(join(place, '.env'), { recursive: true });
  assert.throws(() => loadEnv({}, place, undefined), /^ConfigError: \.env: .*EISDIR/);
});

test('only a name that is nearly a known one is taken for a mistake', () => {
  const known = ['MAX_RETRIES', 'PORT', 'OPENAI_BASE_URL'];
  assert.equal(nearest('MAX_RETRY', known), 'MAX_RETRIES');
  assert.equal(nearest('port', known), 'PORT');
  assert.equal(nearest('OPENAI_BASEURL', known), 'OPENAI_BASE_URL');
  assert.equal(nearest('PATH', known), undefined);
  assert.equal(nearest('DATABASE_URL', known), undefined);
});

test('a # within a word belongs to it, and one after white space begins a comment', () => {
  const file = join(directory, 'hashes');
  const lines = [
    'AUTH_KEY=abc#def',
    'A=one#two # three',
    'export B = x#y\t# z',
    'C=#all comment',
    'D= # nothing',
    'E="quoted # and#all" # comment',
    "F='single#one'",
    'G="over',
    'H=a#b lines"',
    "I=it's#fine\\n",
    'J=plain\r',
    '# K=a#b',
  ];
  writeFileSync(file, lines.join('\n'));
  const { env } = loadEnv({}, directory, file);
  assert.deepEqual(
    { ...env },
    {
      AUTH_KEY: 'abc#def',
      A: 'one#two',
      B: 'x#y',
      C: '',
      D: '',
      E: 'quoted # and#all',
      F: 'single#one',
      G: 'over\nH=a#b lines',
      I: "it's#fine\\n",
      J: 'plain',
    },
  );
});
