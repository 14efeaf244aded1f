// Reading along: beginning and end of an answer of any length, in any pieces, decoded or not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import fc from 'fast-check';
import { AnswerReader } from '../../src/proxy/answer/answer-reader.ts';

const HEAD = 4 * 1024;
const TAIL = 16 * 1024;

function pieces(bytes: Buffer, size: number): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) found.push(bytes.subarray(at, at + size));
  return found;
}

function readAlong(codings: string[], chunks: readonly Buffer[]): Promise<[string, string]> {
  const reader = AnswerReader.of(codings);
  assert.ok(reader !== undefined);
  for (const chunk of chunks) reader.push(chunk);
  return new Promise((resolve) => reader.finish((head, tail) => resolve([head, tail])));
}

test('beginning and end are those of the whole, whatever the pieces', async () => {
  const length = fc.oneof(
    fc.integer({ min: 0, max: 100 }),
    fc.integer({ min: 3_000, max: 60_000 }),
  );
  await fc.assert(
    fc.asyncProperty(length, fc.integer({ min: 1, max: 40_000 }), async (bytes, size) => {
      const whole = Buffer.from(Array.from({ length: bytes }, (_, i) => 32 + ((i * 7) % 90)));
      const text = whole.toString('latin1');
      const [head, tail] = await readAlong([], pieces(whole, size));
      assert.equal(head, text.slice(0, HEAD));
      assert.equal(tail, text.slice(-TAIL));
    }),
    { numRuns: 150 },
  );
});

test('encoded answers are read as what they say, cut off ones as far as they go', async () => {
  const text = Array.from({ length: 20_000 }, (_, i) => String(i)).join(' ');
  const encoders = {
    gzip: zlib.gzipSync,
    deflate: zlib.deflateSync,
    br: zlib.brotliCompressSync,
    zstd: zlib.zstdCompressSync,
  };
  for (const [coding, encode] of Object.entries(encoders)) {
    const encoded = encode(Buffer.from(text));
    const [head, tail] = await readAlong([coding], pieces(encoded, 1_000));
    assert.equal(head, text.slice(0, HEAD), coding);
    assert.equal(tail, text.slice(-TAIL), coding);
  }
  const cut = zlib.gzipSync(Buffer.from(text)).subarray(0, 20_000);
  const [head] = await readAlong(['gzip'], [cut]);
  assert.equal(head, text.slice(0, HEAD));
});

test('what cannot be decoded is given up, and does not throw', async () => {
  assert.equal(AnswerReader.of(['gzip', 'br']), undefined);
  assert.equal(AnswerReader.of(['x-unknown']), undefined);
  const garbage = await readAlong(['gzip'], [Buffer.from('not gzip at all')]);
  assert.deepEqual(garbage, ['', '']);
});
