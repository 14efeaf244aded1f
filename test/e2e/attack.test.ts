// What an attack tried: keys that slip out with an upstream's words, AUTH_KEY that slips out with a
// client's, targets that climb, and pages of other origins. Each through the whole program.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { connectRaw, type RawAnswer, rawRequest, requestBytes } from '../support/raw-client.ts';
import { rawAnswer, rawOk } from '../support/raw-faults.ts';
import { type RawHandler, startRawUpstream } from '../support/raw-upstream.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const KEY = 'sk-leased-0123456789abcdefghij';
const AUTH_KEY = 'open-sesame/0123456789+xyz';

/** One request through a program of its own. */
async function through(
  handler: RawHandler,
  bytes: Buffer,
  env: Record<string, string> = {},
): Promise<{ answer: RawAnswer; text: string; heads: readonly string[]; log: string }> {
  await using upstream = await startRawUpstream(handler);
  await using app = await startGptLoad({
    keys: [KEY],
    upstreams: [`${upstream.url}${env.BASE ?? ''}`],
    env,
  });
  const answer = await rawRequest(app.port, bytes);
  const text = `${answer.head}\n${answer.body.toString('latin1')}\n${answer.trailers.join('\n')}`;
  await app.waitForLog(/POST \/v1\/chat\/completions \d{3}/);
  const { heads } = upstream;
  return { answer, text, heads: heads.map((head) => String(head)), log: app.output() };
}

const chat = (fields: readonly string[] = []) =>
  requestBytes('POST /v1/chat/completions', fields, '{"model":"m"}');
const quoted = Buffer.from(JSON.stringify({ error: { message: `bad key ${KEY}`, code: 'bad' } }));
const withCoding = (coding: string, body: Buffer) =>
  Buffer.concat([
    Buffer.from(
      `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\n\r\n`,
    ),
    body,
  ]);
const badSum = (): Buffer => {
  const body = zlib.gzipSync(quoted);
  body.writeUInt32LE(7, body.length - 8);
  return body;
};

const echoes: readonly (readonly [string, Buffer, 'masked' | 'replaced'])[] = [
  ['gzip', withCoding('gzip', zlib.gzipSync(quoted)), 'masked'],
  ['raw deflate', withCoding('deflate', zlib.deflateRawSync(quoted)), 'masked'],
  ['gzip twice', withCoding('gzip, gzip', zlib.gzipSync(zlib.gzipSync(quoted))), 'masked'],
  ['gzip, identity', withCoding('gzip, identity', zlib.gzipSync(quoted)), 'masked'],
  ['brotli', withCoding('br', zlib.brotliCompressSync(quoted)), 'masked'],
  ['zstd', withCoding('zstd', zlib.zstdCompressSync(quoted)), 'masked'],
  [
    'gzip that inflates beyond 1 MB',
    withCoding('gzip', zlib.gzipSync(Buffer.concat([Buffer.alloc(2_000_000, 32), quoted]))),
    'replaced',
  ],
  ['gzip with a bad checksum', withCoding('gzip', badSum()), 'replaced'],
  ['an unknown coding', withCoding('rot13', quoted), 'replaced'],
  ['a coding that it does not have', withCoding('gzip', quoted), 'replaced'],
];

for (const [what, answer, expected] of echoes) {
  test(`the leased key does not leave in an error with ${what}`, async () => {
    const seen = await through(rawAnswer(answer), chat());
    assert.equal(seen.answer.status, 400);
    const { body } = seen.answer;
    assert.ok(!seen.text.includes(KEY));
    for (const decode of [zlib.gunzipSync, zlib.inflateRawSync, zlib.brotliDecompressSync]) {
      try {
        assert.ok(!decode(body).includes(KEY));
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
      }
    }
    const { error } = JSON.parse(body.toString());
    if (expected === 'masked') assert.match(error.message, /^bad key sk-l\.\.\.ghij$/);
    else {
      assert.equal(error.code, 'upstream_error_unreadable');
      assert.match(seen.log, /ended=upstream_error_unreadable/);
    }
  });
}

test('an encoded error that does not quote the key passes byte for byte', async () => {
  const body = zlib.gzipSync('{"error":{"message":"no","code":"bad"}}');
  const seen = await through(rawAnswer(withCoding('gzip', body)), chat());
  assert.deepEqual(seen.answer.body, body);
});

test('a long error is masked before it is compressed', async () => {
  const spaced = Buffer.concat([Buffer.alloc(70_000, 32), quoted]);
  const bytes = Buffer.concat([
    Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n'),
    Buffer.from(`Content-Length: ${spaced.length}\r\n\r\n`),
    spaced,
  ]);
  for (const fields of [[], ['Accept-Encoding: gzip']]) {
    const seen = await through(rawAnswer(bytes), chat(fields), { ENABLE_GZIP: 'true' });
    const { body } = seen.answer;
    const plain = fields.length > 0 ? zlib.gunzipSync(body) : body;
    assert.equal(plain.length, spaced.length);
    assert.ok(!plain.includes(KEY));
    assert.ok(plain.includes('sk-l*'));
  }
});

for (const status of ['200 OK', '401 Unauthorized']) {
  test(`the leased key does not leave in a trailer of ${status}`, async () => {
    const bytes = `HTTP/1.1 ${status}\r\nTransfer-Encoding: chunked\r\nTrailer: X-Debug\r\n\r\n2\r\n{}\r\n0\r\nX-Debug: ${KEY}\r\nContent-Length: 7\r\n\r\n`;
    const seen = await through(rawAnswer(bytes), chat(), { MAX_RETRIES: '0' });
    assert.ok(!seen.text.includes(KEY));
    assert.equal(seen.answer.complete, true);
    assert.ok(!seen.answer.trailers.some((line) => /content-length/i.test(line)));
  });
}

const trailerFields: readonly (readonly [string, string])[] = [
  ['beside Content-Length', '200 OK\r\nTrailer: X-A\r\nContent-Length: 2\r\n\r\n{}'],
  ['on 204', '204 No Content\r\nTrailer: X-A\r\n\r\n'],
  ['on an error', '400 Bad Request\r\nTrailer: X-A\r\nContent-Length: 2\r\n\r\n{}'],
];

for (const [where, answer] of trailerFields) {
  test(`a Trailer field ${where} is dropped, and the answer passes`, async () => {
    const seen = await through(rawAnswer(`HTTP/1.1 ${answer}`), chat(['Trailer: X-B']));
    assert.equal(seen.answer.status, Number(answer.slice(0, 3)));
    assert.equal(seen.answer.complete, true);
    assert.ok(!/^trailer:/im.test(seen.answer.head));
    assert.ok(!/^trailer:/im.test(seen.heads[0] ?? ''));
  });
}

test('AUTH_KEY goes to no upstream and into no log, however it is spelt', async () => {
  const auth = `Authorization: Bearer ${AUTH_KEY}`;
  const encoded = encodeURIComponent(AUTH_KEY);
  const targets = [
    `?%6bey=${encoded}`,
    `?Key=${encoded}`,
    `?a=1;key=${encoded}`,
    `?%256bey=${encoded}`,
  ];
  await using upstream = await startRawUpstream(rawOk());
  await using app = await startGptLoad({
    keys: [KEY],
    upstreams: [upstream.url],
    env: { AUTH_KEY },
    waitUntilReady: true,
  });
  for (const target of targets) {
    const answer = await rawRequest(app.port, requestBytes(`GET /v1/models${target}`, [auth]));
    assert.equal(answer.status, 200, target);
  }
  using client = await connectRaw(app.port);
  await client.send(
    `POST /v1/x HTTP/1.1\r\nHost: a\r\n${auth}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX-Api-Key: ${AUTH_KEY}\r\nAuthorization: Bearer ${AUTH_KEY}\r\nX-Fine: yes\r\n\r\n`,
  );
  assert.equal((await client.answer()).status, 200);
  await app.waitForLog(/\/v1\/x 200/);
  const sent = JSON.stringify(upstream.heads.map(String));
  for (const where of [sent, app.output()]) {
    assert.ok(!where.includes(AUTH_KEY) && !where.includes(encoded), where);
  }
  assert.ok(!/key=/i.test(sent), sent);
});

test('a target whose dot segments leave the base path is refused, others stay byte for byte', async () => {
  await using upstream = await startRawUpstream(rawOk());
  await using app = await startGptLoad({ keys: [KEY], upstreams: [`${upstream.url}/tenant/v1`] });
  const refused = [
    '/../../admin',
    '/v1/../../../admin',
    '/%2e%2e/%2E%2e/admin',
    '/v1/./../..',
    '/v1/..',
    '/a/..%2f..%2f..',
    '/a/..\\..\\..',
    '/a/..%5c..%5cadmin',
    '/..;x=1/admin',
    '/%252e%252e/admin',
    '/v1/models/../../x',
  ];
  for (const target of refused) {
    const answer = await rawRequest(app.port, requestBytes(`GET ${target}`));
    assert.equal(answer.status, 400, target);
    assert.equal(JSON.parse(answer.body.toString()).error.code, 'malformed_request', target);
  }
  assert.equal(upstream.heads.length, 0);
  const passed = ['/v1/a/../b', '/v1/files/%2e', '/v1/a..b/...', '/v1/a/b/../../c'];
  for (const target of passed) {
    assert.equal((await rawRequest(app.port, requestBytes(`GET ${target}`))).status, 200, target);
  }
  assert.deepEqual(
    upstream.heads.map((head) => String(head).split(' ')[1]),
    passed.map((target) => `/tenant${target}`),
  );
  assert.equal(JSON.parse((await app.ask('/stats')).body).keys.healthy, 1);
});

const own = ['/stats', '/blacklist', '/config', '/metrics', '/reset-keys'];

test('pages of other origins, and foreign names for loopback, reach no endpoint of our own', async () => {
  await using app = await startGptLoad({ keys: [KEY], upstreams: ['http://127.0.0.1:9'] });
  const here = `127.0.0.1:${app.port}`;
  const ask = (line: string, fields: readonly string[], host = here) =>
    rawRequest(
      app.port,
      Buffer.from(
        `${line} HTTP/1.1\r\nHost: ${host}\r\n${fields.map((f) => `${f}\r\n`).join('')}\r\n`,
      ),
    );
  for (const path of own) {
    for (const method of path === '/reset-keys' ? ['GET', 'POST'] : ['GET']) {
      const line = `${method} ${path}`;
      for (const fields of [
        ['Origin: https://evil.example'],
        ['Origin: null'],
        ['Sec-Fetch-Site: cross-site'],
        ['Sec-Fetch-Site: same-site'],
      ]) {
        const answer = await ask(line, fields);
        assert.equal(answer.status, 403, `${line} ${fields}`);
        assert.equal(JSON.parse(answer.body.toString()).error.code, 'cross_site');
      }
      assert.equal((await ask(line, [], 'evil.example')).status, 403, line);
      assert.equal((await ask(line, [`Origin: http://${here}`])).status, 200, line);
      assert.equal((await ask(line, ['Sec-Fetch-Site: same-origin'])).status, 200, line);
      assert.equal((await ask(line, ['Sec-Fetch-Site: none'])).status, 200, line);
      assert.equal((await ask(line, [], `localhost:${app.port}`)).status, 200, line);
    }
  }
  assert.equal(
    (await ask('GET /health', ['Origin: https://evil.example'], 'a.example')).status,
    200,
  );
});

test('on a public HOST without AUTH_KEY, a page under a foreign name resets no keys', async () => {
  const start = (env: Record<string, string>) =>
    startGptLoad({
      keys: [KEY],
      upstreams: ['http://127.0.0.1:9'],
      env: { HOST: '0.0.0.0', ...env },
    });
  await using open = await start({});
  await using closed = await start({ AUTH_KEY: 'the-password-of-it' });
  const reset = async (
    port: number,
    method: string,
    fields: readonly string[],
    host = 'evil.example',
  ) => {
    const lines = [`${method} /reset-keys HTTP/1.1`, `Host: ${host}`, ...fields, '', ''];
    return (await rawRequest(port, Buffer.from(lines.join('\r\n')))).status;
  };
  for (const method of ['GET', 'POST']) {
    const origin = 'Origin: http://evil.example';
    assert.equal(await reset(open.port, method, [origin]), 403);
    assert.equal(await reset(open.port, method, []), 200);
    // An image of a page, over plain http: no Origin, no Sec-Fetch-Site.
    const referer = 'Referer: http://evil.example/page';
    for (const host of ['evil.example', '192.0.2.7:3000', 'localhost']) {
      assert.equal(await reset(open.port, method, [referer], host), 403, host);
    }
    assert.equal(await reset(open.port, method, ['Referer: http://localhost/'], 'localhost'), 200);
    const password = 'Authorization: Bearer the-password-of-it';
    assert.equal(await reset(closed.port, method, [origin, password]), 200);
  }
});

test('ALLOWED_HOSTS names further hosts for the endpoints on loopback', async () => {
  await using app = await startGptLoad({
    keys: [KEY],
    upstreams: ['http://127.0.0.1:9'],
    env: { ALLOWED_HOSTS: 'Ops.example' },
  });
  const ask = (host: string) =>
    rawRequest(app.port, Buffer.from(`GET /stats HTTP/1.1\r\nHost: ${host}\r\n\r\n`));
  assert.equal((await ask('ops.example')).status, 200);
  assert.equal((await ask('ops.example:8443')).status, 200);
  assert.equal((await ask('other.example')).status, 403);
});

test('a version of HTTP that is no 1.x is refused, and its connection closed', async () => {
  await using upstream = await startRawUpstream(rawOk());
  await using app = await startGptLoad({ keys: [KEY], upstreams: [upstream.url] });
  for (const version of ['0.9', '2.0']) {
    const answer = await rawRequest(
      app.port,
      Buffer.from(`GET /v1/models HTTP/${version}\r\n\r\n`),
    );
    assert.equal(answer.status, 505, version);
    assert.equal(JSON.parse(answer.body.toString()).error.code, 'unsupported_http_version');
    assert.match(answer.head, /connection: close/i);
  }
  assert.equal(upstream.heads.length, 0);
});
