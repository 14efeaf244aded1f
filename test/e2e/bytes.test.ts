// Byte for byte: what the upstream and the client see on the wire when the proxy is between them.
// Both ends are bare sockets, so that nothing is tidied up before it is compared.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import {
  connectRaw,
  type RawAnswer,
  rawRequest,
  requestBytes,
  valuesOf,
} from '../support/raw-client.ts';
import { rawAnswer, rawOk } from '../support/raw-faults.ts';
import {
  fieldOf,
  type RawHandler,
  type RawUpstream,
  startRawUpstream,
} from '../support/raw-upstream.ts';
import { type GptLoad, startGptLoad } from '../support/start-gpt-load.ts';

const key = 'sk-test-bytes-0123456789abcdef';
let handler: RawHandler = rawOk();
let upstream: RawUpstream;
let proxy: GptLoad;

before(async () => {
  upstream = await startRawUpstream((exchange) => handler(exchange));
  proxy = await startGptLoad({ keys: [key], upstreams: [upstream.url] });
});

after(async () => {
  await proxy?.stop();
  await upstream?.close();
});

/** Sends a request through the proxy; returns the answer, and the head that the upstream saw. */
async function through(
  bytes: Buffer,
  answerWith: RawHandler,
): Promise<readonly [answer: RawAnswer, head: string]> {
  handler = answerWith;
  const answer = await rawRequest(proxy.port, bytes);
  proxy.leaks.add('raw answer', `${answer.head}\n${answer.body.toString('latin1')}`);
  return [answer, upstream.heads.at(-1) ?? ''];
}

test('path and query arrive as they were sent', async () => {
  const target = '/v1/models/a%2Fb%20c%c3%A9;x=1/../y?q=a+b%20c&&e=&z=%2f%2F&arr[]=1';
  const [, head] = await through(requestBytes(`GET ${target}`), rawOk());
  assert.equal(head.split('\r\n')[0], `GET ${target} HTTP/1.1`);
});

test('the credential is replaced in its place, others of the client are removed', async () => {
  const fields = ['Authorization: Bearer sk-clients-own', 'Cookie: a=b', 'X-Kept: yes'];
  const [, head] = await through(requestBytes('GET /v1/models?key=clients&a=1', fields), rawOk());
  assert.equal(fieldOf(head, 'authorization'), `Bearer ${key}`);
  assert.equal(fieldOf(head, 'cookie'), undefined);
  assert.equal(fieldOf(head, 'x-kept'), 'yes');
  assert.doesNotMatch(head, /clients/);
});

for (const name of ['x-api-key', 'api-key', 'x-goog-api-key']) {
  test(`a client that uses ${name} gets the leased key sent there, and only there`, async () => {
    const [, head] = await through(requestBytes('GET /v1/models', [`${name}: own`]), rawOk());
    assert.equal(fieldOf(head, name), key);
    assert.equal(head.split(key).length, 2, 'once');
  });
}

test('?key= is replaced where it stands, the rest of the query is untouched', async () => {
  const [, head] = await through(requestBytes('GET /v1beta/models?a=%2f&key=own&b=+'), rawOk());
  assert.equal(head.split('\r\n')[0], `GET /v1beta/models?a=%2f&key=${key}&b=+ HTTP/1.1`);
});

test('hop-by-hop fields stop here, in both directions; what Connection names does too', async () => {
  const request = requestBytes('GET /v1/models', [
    'Connection: keep-alive, X-Hop',
    'X-Hop: 1',
    'Keep-Alive: timeout=9',
    'TE: gzip',
    'Proxy-Authorization: Basic abc',
    'Upgrade: h2c',
    'X-End: 1',
  ]);
  const [answer, head] = await through(
    request,
    rawAnswer(
      'HTTP/1.1 200 OK\r\nConnection: x-up\r\nX-Up: 1\r\nKeep-Alive: timeout=3\r\nX-End: 2\r\nContent-Length: 2\r\n\r\nok',
    ),
  );
  for (const name of ['x-hop', 'keep-alive', 'te', 'proxy-authorization', 'upgrade']) {
    assert.equal(fieldOf(head, name), undefined, name);
  }
  assert.equal(fieldOf(head, 'x-end'), '1');
  assert.deepEqual(valuesOf(answer, 'x-up'), []);
  assert.notDeepEqual(valuesOf(answer, 'keep-alive'), ['timeout=3']);
  assert.deepEqual(valuesOf(answer, 'x-end'), ['2']);
});

test('repeated fields stay repeated and in order, in both directions', async () => {
  const request = requestBytes('GET /v1/models', ['X-Many: b', 'X-Many: a', 'x-many: c']);
  const [answer, head] = await through(
    request,
    rawAnswer(
      'HTTP/1.1 200 OK\r\nSet-Cookie: b=1\r\nSet-Cookie: a=2\r\nVary: A\r\nVary: B\r\nContent-Length: 0\r\n\r\n',
    ),
  );
  assert.deepEqual(head.match(/^x-many: .*$/gim), ['X-Many: b', 'X-Many: a', 'x-many: c']);
  assert.deepEqual(valuesOf(answer, 'set-cookie'), ['b=1', 'a=2']);
  assert.deepEqual(valuesOf(answer, 'vary').slice(0, 2), ['A', 'B']);
});

test('HEAD, 204 and 304 have no body and keep their fields', async () => {
  const bare = (status: string, fields = '') => rawAnswer(`HTTP/1.1 ${status}\r\n${fields}\r\n`);
  const [head] = await through(
    requestBytes('HEAD /v1/models'),
    bare('200 OK', 'Content-Length: 1234\r\n'),
  );
  assert.deepEqual([head.status, valuesOf(head, 'content-length')], [200, ['1234']]);
  const [none] = await through(requestBytes('DELETE /v1/files/a'), bare('204 No Content'));
  assert.deepEqual([none.status, valuesOf(none, 'transfer-encoding')], [204, []]);
  const [same] = await through(
    requestBytes('GET /v1/models'),
    bare('304 Not Modified', 'ETag: "1"\r\n'),
  );
  assert.deepEqual([same.status, valuesOf(same, 'etag')], [304, ['"1"']]);
});

test('the connection is still in step after HEAD, 204 and 304', async () => {
  handler = async (exchange) => {
    const status = exchange.head.startsWith('HEAD') ? '200 OK' : '304 Not Modified';
    await exchange.send(`HTTP/1.1 ${status}\r\nContent-Length: 5\r\n\r\n`);
  };
  using client = await connectRaw(proxy.port);
  for (const method of ['HEAD', 'GET', 'HEAD']) {
    await client.send(requestBytes(`${method} /v1/models`));
    assert.equal((await client.answer('HEAD')).status, method === 'HEAD' ? 200 : 304);
  }
});

test('Expect: 100-continue is answered before the body is sent, which then arrives whole', async () => {
  let body = '';
  handler = async (exchange) => {
    body = (await exchange.readBody()).toString();
    await rawOk()(exchange);
  };
  using client = await connectRaw(proxy.port);
  await client.send(
    'POST /v1/files HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n',
  );
  const interim = await client.reader.until('\r\n\r\n');
  assert.match(interim?.toString() ?? '', /^HTTP\/1\.1 100 /);
  await client.send('hello');
  assert.equal((await client.answer()).status, 200);
  assert.equal(body, 'hello');
});

test('informational answers pass', async () => {
  const [answer] = await through(
    requestBytes('GET /v1/models'),
    rawAnswer(
      'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    ),
  );
  assert.equal(answer.status, 200);
  assert.match(answer.interim[0] ?? '', /^HTTP\/1\.1 103 .*\r\nLink: <\/a>; rel=preload$/s);
});

test('trailers pass in both directions', async () => {
  let seen = '';
  const [answer] = await through(
    Buffer.from(
      'POST /v1/x HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\nTrailer: X-Up\r\n\r\n2\r\nhi\r\n0\r\nX-Up: 1\r\n\r\n',
    ),
    async (exchange) => {
      seen = (await exchange.readBody()).toString();
      await exchange.send(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n',
      );
    },
  );
  assert.equal(seen, 'hi');
  assert.equal(answer.body.toString(), 'abc');
  assert.deepEqual(answer.trailers, ['X-Sum: 9']);
});

test('an encoded body passes untouched, also to a client that does not accept gzip', async () => {
  const packed = gzipSync('{"a":1}'.repeat(1000));
  const head = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: ${packed.length}\r\n\r\n`;
  const [answer] = await through(
    requestBytes('GET /v1/models'),
    rawAnswer(Buffer.concat([Buffer.from(head), packed])),
  );
  assert.deepEqual(answer.body, packed);
  assert.deepEqual(valuesOf(answer, 'content-encoding'), ['gzip']);
});

test("an event stream's bytes are not touched: spacing, CRLF, comments, halves of characters", async () => {
  const text =
    ': hello\r\nevent: x\r\ndata: {"a" :1}\r\n\r\ndata:no space\n\n: ping\n\ndata: \u00e9\u4e16\n\n';
  const bytes = Buffer.from(text);
  const [answer] = await through(requestBytes('GET /v1/stream'), async (exchange) => {
    await exchange.send(
      'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n',
    );
    for (const byte of bytes) {
      await exchange.send(
        Buffer.concat([Buffer.from('1\r\n'), Buffer.of(byte), Buffer.from('\r\n')]),
      );
    }
    await exchange.send('0\r\n\r\n');
  });
  assert.equal(answer.body.toString(), text);
});

test('bytes_in is what came of an upload, in the log and in the trail, however it came or ended', async () => {
  handler = async ({ readBody, send }) => {
    await readBody();
    await send('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
  };
  const env = { MAX_REPLAY_BODY_MB: '1', LOG_FORMAT: 'json' };
  await using small = await startGptLoad({ keys: [key], upstreams: [upstream.url], env });
  const upload = async (id: string, framing: string, pieces: number, isWhole: boolean) => {
    using client = await connectRaw(small.port);
    const isChunked = framing.includes('chunked');
    const piece = Buffer.alloc(300_007, 'x');
    await client.send(
      `POST /v1/files HTTP/1.1\r\nHost: x\r\nX-Request-Id: ${id}\r\n${framing}\r\n\r\n`,
    );
    for (let i = 0; i < pieces; i += 1) {
      if (isChunked) await client.send(`${piece.length.toString(16)}\r\n`);
      await client.send(piece);
      if (isChunked) await client.send('\r\n');
    }
    if (isWhole && isChunked) await client.send('0\r\n\r\n');
    if (isWhole) assert.equal((await client.answer('POST')).status, 200);
    // Time for what was sent to arrive before the client leaves.
    else await sleep(1_500);
    client.destroy();
    const line = await small.waitForLog(new RegExp(`.*"id":"${id}".*`));
    const trail = JSON.parse((await small.ask(`/requests/${id}`)).body);
    return [JSON.parse(line).bytes_in, trail.bytes_in].map((bytes) => bytes / piece.length);
  };
  const chunked = 'Transfer-Encoding: chunked';
  const announced = 'Content-Length: 3000070';
  assert.deepEqual(await upload('short', chunked, 2, true), [2, 2]);
  assert.deepEqual(await upload('long', chunked, 10, true), [10, 10]);
  assert.deepEqual(await upload('told', announced, 10, true), [10, 10]);
  assert.deepEqual(await upload('short-left', chunked, 2, false), [2, 2]);
  assert.deepEqual(await upload('long-left', chunked, 5, false), [5, 5]);
  assert.deepEqual(await upload('told-left', announced, 5, false), [5, 5]);
  // Refused before anybody took it: it is read away, and its connection serves on.
  handler = rawAnswer('HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n');
  await small.ask('/v1/models');
  using client = await connectRaw(small.port);
  for (let i = 0; i < 2; i += 1) {
    await client.send(`POST /v1/files HTTP/1.1\r\nHost: x\r\n${announced}\r\n\r\n`);
    await client.send(Buffer.alloc(3_000_070));
    assert.equal((await client.answer('POST')).status, 503);
  }
});
