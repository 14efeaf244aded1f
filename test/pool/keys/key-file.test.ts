// What a key file may say, and what is told about one that is wrong.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type KeyFile,
  keyAt,
  MAX_PROBLEMS,
  parseKeys,
  readKeyFile,
} from '../../../src/pool/keys/key-file.ts';
import { UNLIMITED } from '../../../src/pool/limits/key-quotas.ts';

function parse(text: string | Buffer): KeyFile {
  return parseKeys(Buffer.from(text), 'keys.txt');
}

/** Key, pin and line of each entry. */
function entries(text: string | Buffer): [string, string, number][] {
  const file = parse(text);
  if (!file.ok) throw new Error(file.problems.join('\n'));
  const { keys } = file;
  return Array.from({ length: keys.count }, (_, i) => {
    const pin = keys.pins[i] ?? 0;
    return [keyAt(keys, i), pin === 0 ? '' : (keys.pinUrls[pin - 1] ?? '?'), keys.lines[i] ?? 0];
  });
}

function problems(text: string | Buffer): readonly string[] {
  const file = parse(text);
  return file.ok ? [] : file.problems;
}

test('keys, comments, blank lines, indentation, CRLF, BOM and a last line without an end', () => {
  const text =
    '\ufeff# my keys\r\n\r\nsk-one\r\n  sk-two\t\r\n   # more\nsk-three # mine\n\t\nsk-four';
  assert.deepEqual(entries(text), [
    ['sk-one', '', 3],
    ['sk-two', '', 4],
    ['sk-three', '', 6],
    ['sk-four', '', 8],
  ]);
});

test('a key may be bound to an upstream, whose address has one spelling', () => {
  const text =
    'one HTTPS://Host.test:443/v1/\ntwo\thttps://host.test/v1 # same\nthree http://b.test\nfour';
  assert.deepEqual(
    entries(text).map(([key, pin]) => [key, pin]),
    [
      ['one', 'https://host.test/v1'],
      ['two', 'https://host.test/v1'],
      ['three', 'http://b.test'],
      ['four', ''],
    ],
  );
});

test('a key that ends in = or holds a # is a key', () => {
  assert.deepEqual(
    entries('abc==\nab#c').map(([key]) => key),
    ['abc==', 'ab#c'],
  );
});

test('what is wrong is told by file and line, without the key', () => {
  const secret = 'sk-very-secret-key';
  const wrong: [string, RegExp][] = [
    [`ok\n${secret} wieght=3`, /^keys\.txt:2: unknown attribute wieght=; did you mean weight=\?$/],
    [`${secret} weight=0`, /^keys\.txt:1: weight= must be a whole number from 1 to 100$/],
    [`${secret} tier=5`, /tier= must be a whole number from 1 to 4/],
    [`${secret} rpm=${secret}`, /rpm= must be a whole number from 0 to/],
    [`${secret} rpd=1 rpd=2`, /rpd= is given twice/],
    [`${secret} proxy=ftp://x`, /proxy= must be the address of/],
    [`${secret} name=a/b`, /name= must be 1 to 64 letters/],
    [`${secret} ${secret}`, /^keys\.txt:1: unexpected text after the key; only/],
    [`${secret} http://a.test http://b.test`, /one upstream only/],
    [`${secret} ftp://a.test`, /after the key; only/],
    [`${secret} http://u:${secret}@a.test`, /after the key; only/],
    [`\n${secret}\u00e9`, /^keys\.txt:2: .*visible ASCII/],
    [`${secret}\u0007`, /visible ASCII/],
    [`${secret}\u0000`, /visible ASCII/],
    [`${secret}${'x'.repeat(5000)}`, /longer than 4096/],
    ['', /contains no keys/],
    ['# nothing\n\n', /contains no keys/],
  ];
  for (const [text, rule] of wrong) {
    const told = problems(text);
    assert.equal(told.length, 1, text);
    assert.match(told[0] ?? '', rule);
    assert.ok(!told.join().includes('very-secret'), 'the key is shown');
  }
});

test('attributes stand behind the key in any order, and a comment ends them', () => {
  const lines = [
    'sk-a http://a.test weight=3 rpm=60 tpm=90_000 rpd=1000 concurrency=2 tier=2 name=alice # x=1',
    'sk-b rpm=0 proxy=socks5h://u:p@127.0.0.1:1080',
    'sk-c',
  ];
  const file = parseKeys(Buffer.from(lines.join('\n')), 'keys.txt');
  assert.ok(file.ok);
  const { attributes, attributeSets, names } = file.keys;
  const sets = [...attributes].map((index) => attributeSets[index]);
  assert.deepEqual(sets[0], {
    weight: 3,
    tier: 2,
    quotas: { concurrency: 2, rpd: 1000, rpm: 60, tpm: 90_000 },
    proxy: '',
  });
  assert.equal(sets[1]?.quotas.rpm, UNLIMITED);
  assert.equal(sets[1]?.proxy, 'socks5h://u:p@127.0.0.1:1080');
  assert.equal(sets[2], attributeSets[0]);
  assert.deepEqual([...names], [[0, 'alice']]);
});

test('every problem is told, up to a limit', () => {
  assert.equal(problems('a b\nok\nc d').length, 2);
  assert.equal(problems('a b\n'.repeat(1000)).length, MAX_PROBLEMS);
});

test('a UTF-16 file is told to be none of ours', () => {
  assert.match(problems(Buffer.from('\ufeffsk-one\n', 'utf16le'))[0] ?? '', /visible ASCII/);
});

test('a file that is missing, a directory or not readable is an answer, not an exception', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'keys-'));
  try {
    const missing = await readKeyFile(join(folder, 'none.txt'));
    assert.match(missing.ok ? '' : (missing.problems[0] ?? ''), /none\.txt: no such file/);
    const directory = await readKeyFile(folder);
    assert.match(directory.ok ? '' : (directory.problems[0] ?? ''), /is a directory/);
    await writeFile(join(folder, 'keys.txt'), 'sk-one\n');
    assert.ok((await readKeyFile(join(folder, 'keys.txt'))).ok);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a parsed file is its lines, however they are written', () => {
  // Without what is told as a mistake: quotes, commas, a name before an equals sign.
  const key = fc.stringMatching(/^[!$-&(-+\--<>-_a-~][!#-&(-+\--<>-_a-~]{0,40}$/);
  const blank = fc.constantFrom('', ' ', '\t', '  ');
  const line = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(blank, key, blank).map(([a, k, b]) => ({ k, text: a + k + b })),
    },
    { weight: 1, arbitrary: blank.map((text) => ({ k: null, text })) },
    { weight: 1, arbitrary: key.map((k) => ({ k: null, text: `# ${k} https://x y=z` })) },
  );
  const eol = fc.constantFrom('\n', '\r\n');
  fc.assert(
    fc.property(fc.array(fc.tuple(line, eol), { minLength: 1 }), fc.boolean(), (lines, ends) => {
      const text = lines.map(([l, end], i) => l.text + (i < lines.length - 1 || ends ? end : ''));
      const expected = lines.flatMap(([l], i) => (l.k === null ? [] : [[l.k, '', i + 1]]));
      if (expected.length === 0) assert.ok(!parse(text.join('')).ok);
      else assert.deepEqual(entries(text.join('')), expected);
    }),
  );
});

test('no bytes at all make the parser throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      parse(Buffer.from(bytes));
    }),
  );
});

test('what looks like a key and is none is told by its line, without the key', () => {
  for (const [line, told] of [
    ['"sk-one-0123456789"', /in quotes/],
    ["'sk-one-0123456789',", /in quotes/],
    ['sk-one-0123456789,', /a comma after the key/],
    ['sk-one-0123456789,sk-two-0123456789', /one key per line/],
    ['OPENAI_API_KEY=sk-one-0123456789', /before the key/],
  ] as const) {
    const file = parseKeys(Buffer.from(`sk-good-0123456789\n${line}\n`), 'keys.txt');
    assert.equal(file.ok, false, line);
    const text = file.ok ? '' : file.problems.join();
    assert.match(text, told);
    assert.match(text, /^keys\.txt:2: /);
    assert.doesNotMatch(text, /sk-/);
  }
  for (const key of ['dGhpcyBpcyBhIGtleQ==', 'ABCDEFGHIJKLMNOP=', 'sk-a=b', 'key.with:signs/+~']) {
    assert.equal(parseKeys(Buffer.from(`${key}\n`), 'keys.txt').ok, true, key);
  }
});
