// Errors that quote the key: it does not pass, as it is or as anybody would write it in JSON or in
// a URL, wherever it is cut; the mask changes no length, and all else stays.

import assert from 'node:assert/strict';
import { redact, redactExact } from '../../../src/policy/redact.ts';
import { KeyMask } from '../../../src/proxy/answer/key-mask.ts';
import type { FuzzTarget } from '../fuzz-target.ts';
import type { Random } from '../random.ts';

const KEYS = [
  'sk-fuzz-0123456789abcdef',
  'abcdABCD/+=="efgh\\5678',
  'ababab-ababab-cd',
  'k&<1>%2F-xyz',
];

/** How a key may be written where it is quoted: by JavaScript, PHP, Go, Gson, in a URL. */
function formsOf(key: string): string[] {
  const inUrl = encodeURIComponent(key);
  const lower = inUrl.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());
  const json = JSON.stringify(key).slice(1, -1);
  const html = json.replace(/[<>&]/g, (one) => `\\u00${one.charCodeAt(0).toString(16)}`);
  const gson = html.replaceAll('=', '\\u003d');
  return [key, inUrl, lower, json, json.replaceAll('/', '\\/'), html, gson];
}

async function masked(key: string, pieces: readonly Buffer[]): Promise<Buffer> {
  const mask = new KeyMask(key);
  const out: Buffer[] = [];
  mask.on('data', (chunk: Buffer) => out.push(chunk));
  const ended = new Promise((resolve) => mask.once('end', resolve));
  for (const piece of pieces) mask.write(piece);
  mask.end();
  await ended;
  return Buffer.concat(out);
}

/** Puts one of the key's forms wherever the input has a `$`. */
function withKey(input: Buffer, key: string, random: Random): Buffer {
  const forms = formsOf(key);
  const text = input.toString('latin1').slice(0, 8_192);
  return Buffer.from(
    text.replaceAll('$', () => random.of(forms)),
    'latin1',
  );
}

export const redaction: FuzzTarget = {
  name: 'redaction',
  seeds: [
    '{"error":{"message":"Incorrect API key provided: $. You can find"}}',
    '$$$',
    'Bearer $\r\nhttps://api.test/v1?key=$&alt=$',
    'sk-fuzz-0123sk-fuzz-$9abcdef abab$abab',
  ],
  words: ['$', 'sk-fuzz-', 'abcd', 'abab', '%2F', '\\/', '"', '\\', '%', '%2', 'Bearer ', '\xff'],
  check: async (input, random) => {
    const key = random.of(KEYS);
    const bytes = withKey(input, key, random);
    const out = await masked(key, random.cut(bytes));
    assert.equal(out.length, bytes.length, 'the mask changed the length');
    const text = bytes.toString('utf8');
    const exact = redactExact(text, [key]);
    for (const form of formsOf(key)) {
      assert.ok(!out.includes(form), `the mask let ${form} pass`);
      assert.ok(!exact.includes(form), `redactExact let ${form} pass`);
    }
    if (![...formsOf(key), key.replaceAll('/', '\\/')].some((form) => bytes.includes(form))) {
      assert.ok(out.equals(bytes), 'the mask changed what is no key');
    }
    const once = redact(text);
    assert.equal(redact(once), once, 'redacting twice is not redacting once');
  },
};
