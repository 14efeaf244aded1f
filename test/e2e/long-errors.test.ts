// Errors longer than what is held of them, in every coding, and errors in UTF-16: the leased key
// does not leave in them, all else does, and what breaks looks broken.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { connectRaw, type RawAnswer, rawRequest, requestBytes } from '../support/raw-client.ts';
import { rawAnswer } from '../support/raw-faults.ts';
import { startRawUpstream } from '../support/raw-upstream.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const KEY = 'sk-leased-0123456789abcdefghij';

const chat = (fields: readonly string[] = []) =>
  requestBytes('POST /v1/chat/completions', fields, '{"model":"m"}');
const withCoding = (coding: string, body: Buffer) =>
  Buffer.concat([
    Buffer.from(
      `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\n\r\n`,
    ),
    body,
  ]);

/** Text that hardly compresses, with the key now and then: far more than what is held. */
const LONG = Array.from(
  { length: 40 },
  (_, i) => `${randomBytes(4_000 + i).toString('base64')} ${KEY} `,
).join('');
const MASKED = LONG.replaceAll(
  KEY,
  `${KEY.slice(0, 4)}${'*'.repeat(KEY.length - 8)}${KEY.slice(-4)}`,
);
const long = Buffer.from(LONG);

const longEchoes: Readonly<Record<string, readonly [string, Buffer]>> = {
  gzip: ['gzip', zlib.gzipSync(long)],
  'gzip in two members': ['gzip', Buffer.concat([zlib.gzipSync('x'), zlib.gzipSync(long)])],
  deflate: ['deflate', zlib.deflateSync(long)],
  'raw deflate': ['deflate', zlib.deflateRawSync(long)],
  brotli: ['br', zlib.brotliCompressSync(long)],
  zstd: ['zstd', zlib.zstdCompressSync(long)],
  'gzip, then brotli': ['gzip, br', zlib.brotliCompressSync(zlib.gzipSync(long))],
};

/** A chunked error, its chunks of a length that is nobody's. */
function inChunks(coding: string, body: Buffer, end = '0\r\n\r\n'): Buffer {
  const head = `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nETag: "strong"\r\n`;
  const parts: Buffer[] = [
    Buffer.from(`${head}Content-Encoding: ${coding}\r\nTransfer-Encoding: chunked\r\n\r\n`),
  ];
  for (let at = 0; at < body.length; at += 7_001) {
    const chunk = body.subarray(at, at + 7_001);
    parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
  }
  return Buffer.concat([...parts, Buffer.from(end)]);
}

/** Asks one program again and again; each answer is what the upstream sends for it. */
async function eachThrough(
  requests: readonly (readonly [answer: Buffer, fields: readonly string[]])[],
  check: (answer: RawAnswer | undefined, i: number) => void,
): Promise<void> {
  let next = Buffer.alloc(0);
  await using upstream = await startRawUpstream(async ({ send, socket }) => {
    await send(next);
    socket.end();
  });
  await using app = await startGptLoad({ keys: [KEY], upstreams: [upstream.url] });
  for (const [i, [bytes, fields]] of requests.entries()) {
    next = Buffer.from(bytes);
    // Closed without an answer is undefined.
    const answer = await rawRequest(app.port, chat(fields)).catch(() => undefined);
    assert.ok(!answer?.head.includes(KEY) && !answer?.body.includes(KEY));
    check(answer, i);
  }
}

test('the leased key does not leave in a long encoded error, and the rest does', async () => {
  const cases = Object.entries(longEchoes).flatMap(([what, [coding, body]]) => {
    assert.ok(body.length > 128 * 1024);
    const whole = withCoding(coding, body);
    return [
      { what, bytes: whole, fields: [] },
      { what, bytes: inChunks(coding, body), fields: ['Accept-Encoding: gzip'] },
    ];
  });
  const requests = cases.map(({ bytes, fields }) => [bytes, fields] as const);
  await eachThrough(requests, (answer, i) => {
    const { what, fields } = cases[i] ?? assert.fail();
    assert.ok(answer, what);
    assert.equal(answer.status, 400);
    assert.equal(answer.complete, true, what);
    const encoding = /^content-encoding: (.*)$/im.exec(answer.head.replaceAll('\r', ''))?.[1];
    assert.equal(encoding, fields.length > 0 ? 'gzip' : undefined);
    const plain = encoding === 'gzip' ? zlib.gunzipSync(answer.body) : answer.body;
    const expected = what === 'gzip in two members' ? `x${MASKED}` : MASKED;
    assert.ok(plain.toString() === expected, what);
    // What it said of the upstream's own bytes.
    assert.doesNotMatch(answer.head, /^(etag|content-md5):/im);
  });
});

test('a long encoded error that breaks, or is no such coding in the end, looks cut', async () => {
  const body = zlib.gzipSync(long);
  const bad = Buffer.concat([body.subarray(0, 200_000), Buffer.alloc(20_000, 1)]);
  const broken = [
    inChunks('gzip', body.subarray(0, body.length - 4)),
    inChunks('gzip', bad),
    inChunks('gzip', body.subarray(0, 100_000), ''),
    withCoding('gzip', bad),
  ];
  const requests = broken.map((bytes) => [bytes, []] as const);
  await eachThrough(requests, (answer) => assert.notEqual(answer?.complete, true));
});

test('a long error with a coding that nobody knows is replaced', async () => {
  const unknown = ['rot13', 'gzip, gzip, gzip, gzip'].map((coding) => withCoding(coding, long));
  const requests = unknown.map((bytes) => [bytes, []] as const);
  await eachThrough(requests, (answer) => {
    assert.equal(JSON.parse(String(answer?.body)).error.code, 'upstream_error_unreadable');
  });
});

test('the leased key does not leave in an error in UTF-16, short or long', async () => {
  const texts = [0, 100_000].flatMap((size) => {
    const text = Buffer.from(`${'x'.repeat(size)} bad key ${KEY} !`, 'utf16le');
    return [text, Buffer.from(text).swap16()];
  });
  const head = 'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-16\r\n';
  const requests = texts.map((text) => {
    const length = Buffer.from(`${head}Content-Length: ${text.length}\r\n\r\n`);
    return [Buffer.concat([length, text]), []] as const;
  });
  await eachThrough(requests, (answer, i) => {
    assert.ok(answer?.complete);
    assert.equal(answer.body.length, texts[i]?.length);
    for (const read of [answer.body, Buffer.from(answer.body).swap16()]) {
      assert.ok(!read.toString('utf16le').includes(KEY));
    }
  });
});

test('an encoded error without a body, as HEAD gets it, is itself', async () => {
  const head = 'HTTP/1.1 404 Not Found\r\nContent-Encoding: gzip\r\nContent-Length: 500\r\n\r\n';
  await using upstream = await startRawUpstream(rawAnswer(head));
  await using app = await startGptLoad({ keys: [KEY], upstreams: [upstream.url] });
  using client = await connectRaw(app.port);
  await client.send(requestBytes('HEAD /v1/models', []));
  const answer = await client.answer('HEAD');
  assert.equal(answer.status, 404);
  assert.match(answer.head, /^content-length: 500$/im);
});
