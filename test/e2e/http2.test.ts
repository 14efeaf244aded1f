// gpt-load in front of an upstream that negotiates HTTP/2: rotation, streams, truncation and bursts
// as over HTTP/1.1, and UPSTREAM_HTTP2=false.

import assert from 'node:assert/strict';
import type { ServerHttp2Stream } from 'node:http2';
import { test } from 'node:test';
import { type H2Server, h2Server } from '../support/h2-harness.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';
import { fixturePath } from '../support/tls-fixture.ts';

const KEYS = ['sk-refused-0123456789abcdef', 'sk-good-0123456789abcdef'];
const BODY = '{"model":"gpt-test","messages":[]}';

function start(server: H2Server, env: Record<string, string> = {}) {
  return startGptLoad({
    keys: KEYS,
    upstreams: [`https://localhost:${server.port}`],
    env: { EXTRA_CA_FILE: fixturePath('ca.pem'), MAX_CONCURRENT_REQUESTS: '1000', ...env },
  });
}

/** Refuses the first key, serves the second, by the request's path. */
function serve(stream: ServerHttp2Stream, headers: Record<string, unknown>): void {
  if (headers.authorization !== `Bearer ${KEYS[1]}`) {
    stream.respond({ ':status': 401, 'content-type': 'application/json' });
    stream.end('{"error":{"code":"invalid_api_key","message":"Incorrect API key provided"}}');
    return;
  }
  stream.respond({ ':status': 200, 'content-type': 'text/event-stream' });
  stream.write('data: {"choices":[{"delta":{"content":"a"}}]}\n\n');
  const cut = headers[':path'] === '/v1/cut';
  setTimeout(() => {
    if (cut) stream.session?.socket.destroySoon();
    else stream.end('data: [DONE]\n\n');
  }, 50);
}

test('keys rotate and streams pass over HTTP/2 to the upstream', async () => {
  await using server = await h2Server({ settings: { maxConcurrentStreams: 128 } });
  server.server.on('stream', serve);
  await using app = await start(server);
  const post = (path: string) =>
    fetch(`${app.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: BODY,
    });
  const answer = await post('/v1/chat/completions');
  assert.equal(answer.status, 200);
  assert.match(await answer.text(), /DONE/);
  const cut = await post('/v1/cut');
  await assert.rejects(cut.text());
  const burst = Array.from({ length: 300 }, async () => (await post('/v1/x')).text());
  for (const text of await Promise.all(burst)) assert.match(text, /DONE/);
  assert.ok(server.connections <= 5, `${server.connections} connections`);
});

test('UPSTREAM_HTTP2=false keeps to HTTP/1.1', async () => {
  await using server = await h2Server({ allowHTTP1: true });
  server.server.on('request', (request, response) => response.end(request.httpVersion));
  await using app = await start(server, { UPSTREAM_HTTP2: 'false' });
  assert.equal(await (await fetch(`${app.url}/v1/models`)).text(), '1.1');
  await using other = await start(server);
  assert.equal(await (await fetch(`${other.url}/v1/models`)).text(), '2.0');
});
