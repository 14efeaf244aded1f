// How HTTP/2 connections are shared: streams up to the peer's limit, windows that fill up, silence,
// idleness, and upstreams that speak HTTP/1.1.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { ServerHttp2Stream } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { eventually } from '../../support/eventually.ts';
import * as h2 from '../../support/h2-frames.ts';
import { h2Client, h2Request, h2Server, told } from '../../support/h2-harness.ts';
import { certificate } from '../../support/tls-fixture.ts';

const answer = (stream: ServerHttp2Stream, body: string | Buffer) => {
  stream.respond({ ':status': 200 });
  stream.end(body);
};

test('500 concurrent requests share a few connections', async () => {
  await using server = await h2Server({ settings: { maxConcurrentStreams: 128 } });
  const held: ServerHttp2Stream[] = [];
  let most = 0;
  server.server.on('stream', (stream) => {
    held.push(stream);
    most = Math.max(most, held.length);
    if (held.length === 500) for (const each of held) answer(each, 'ok');
  });
  using client = h2Client(server.port);
  const results = await Promise.all(Array.from({ length: 500 }, () => told(client.send())));
  assert.deepEqual([...new Set(results)], ['200 ok']);
  assert.equal(most, 500);
  assert.ok(server.connections <= 5, `${server.connections} connections`);
});

test('an upstream that allows one stream gets more connections, and every request its answer', async () => {
  await using server = await h2Server({ settings: { maxConcurrentStreams: 1 } });
  let refused = 0;
  server.server.on('stream', (stream) => {
    stream.on('close', () => {
      if (stream.rstCode !== 0) refused += 1;
    });
    setTimeout(answer, 5, stream, 'ok');
  });
  using client = h2Client(server.port);
  const results = await Promise.all(Array.from({ length: 100 }, () => told(client.send())));
  assert.deepEqual([...new Set(results)], ['200 ok']);
  assert.equal(refused, 0);
  assert.ok(server.connections <= 64, `${server.connections} connections`);
});

test('a request that is given up while it waits for a stream takes none', async () => {
  await using server = await h2Server({ settings: { maxConcurrentStreams: 1 } });
  let streams = 0;
  server.server.on('stream', (stream) => {
    streams += 1;
    setTimeout(answer, 50, stream, 'ok');
  });
  using client = h2Client(server.port);
  const first = client.send();
  const second = client.transport.send(client.upstream, h2Request());
  second.abort('client_left');
  assert.equal(await told(first), '200 ok');
  assert.equal(await told(second.outcome), 'client_left');
  assert.equal(streams, 1);
});

test('a body that nobody reads stalls its own stream alone', async () => {
  await using server = await h2Server();
  const sent = { big: 0 };
  server.server.on('stream', (stream, headers) => {
    if (headers[':path'] !== '/big') return answer(stream, 'small');
    stream.respond({ ':status': 200 });
    const more = (): void => {
      if (stream.destroyed) return;
      sent.big += 65_536;
      if (stream.write(Buffer.alloc(65_536))) setImmediate(more);
      else stream.once('drain', more);
    };
    more();
  });
  using client = h2Client(server.port);
  const big = await client.send({ path: '/big' });
  assert.ok(big.kind === 'answer');
  await sleep(200);
  assert.ok(sent.big < 2 * 1024 * 1024, `${sent.big} bytes left the server unread`);
  const others = Array.from({ length: 20 }, () => told(client.send()));
  assert.deepEqual([...new Set(await Promise.all(others))], ['200 small']);
  assert.equal(client.transport.sessionCount(client.upstream), 1);
  big.body.destroy();
});

test('an upload waits while the upstream does not read, and goes on when it does', async () => {
  await using server = await h2Server();
  let paused: ServerHttp2Stream | undefined;
  server.server.on('stream', (stream) => {
    paused = stream;
    stream.pause();
  });
  using client = h2Client(server.port);
  const source = new PassThrough();
  const outcome = client.send({ method: 'POST', source });
  let written = 0;
  let heldBack = false;
  while (!heldBack && written < 8 * 1024 * 1024) {
    written += 65_536;
    if (source.write(Buffer.alloc(65_536))) continue;
    const drained = once(source, 'drain').then(() => true);
    heldBack = !(await Promise.race([drained, sleep(200, false)]));
  }
  assert.ok(heldBack, 'the source was never held back');
  await eventually('the stream has begun', () => paused !== undefined);
  source.end();
  let received = 0;
  paused?.on('data', (chunk: Buffer) => {
    received += chunk.length;
  });
  paused?.resume();
  paused?.on('end', () => answer(paused as ServerHttp2Stream, String(received)));
  assert.equal(await told(outcome), `200 ${written}`);
});

test('a connection that no longer answers PING is given up with its streams', async () => {
  let pings = 0;
  let requests = 0;
  await using server = await h2.frameServer(({ type, flags, payload }, socket) => {
    if (type === h2.HEADERS) requests += 1;
    if (type !== h2.PING || flags === h2.ACK) return;
    pings += 1;
    if (pings === 1) socket.write(h2.frame(h2.PING, 0, payload, h2.ACK));
  });
  using client = h2Client(server.port);
  const outcome = client.send({ headersTimeoutMs: 3_600_000 });
  await eventually('the stream has begun', () => requests === 1);
  await sleep(150);
  // The peer's settings have come since the stream began; after that there is silence.
  await client.advance(21_000);
  await client.advance(21_000);
  await eventually('it is asked for a sign of life', () => pings === 1);
  await sleep(250);
  assert.equal(pings, 1);
  await client.advance(21_000);
  await eventually('it is asked again', () => pings === 2);
  await client.advance(11_000);
  assert.equal(await told(outcome), 'reset sent');
});

test('an idle connection is closed after IDLE_CONN_TIMEOUT, a used one is not', async () => {
  await using server = await h2Server();
  server.server.on('stream', (stream) => answer(stream, 'ok'));
  using client = h2Client(server.port, 9_000);
  assert.equal(await told(client.send()), '200 ok');
  void client.advance(6_000);
  assert.equal(await told(client.send()), '200 ok');
  await client.advance(6_000);
  assert.equal(client.transport.sessionCount(client.upstream), 1);
  const [session] = server.sessions;
  assert.ok(session);
  void client.advance(9_000);
  await once(session, 'close');
  assert.equal(client.transport.sessionCount(client.upstream), 0);
  assert.equal(await told(client.send()), '200 ok');
  assert.equal(server.connections, 2);
});

test('an upstream without HTTP/2 is asked once, and that connection is used', async () => {
  const server = createHttpsServer(certificate('server'), (request, response) => {
    setTimeout(() => response.end(request.httpVersion), 20);
  });
  let connections = 0;
  server.on('secureConnection', () => {
    connections += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = h2Client((server.address() as AddressInfo).port);
  const results = await Promise.all(Array.from({ length: 10 }, () => told(client.send())));
  assert.deepEqual([...new Set(results)], ['200 1.1']);
  assert.equal(connections, 10);
  assert.equal(await told(client.send()), '200 1.1');
  assert.equal(connections, 10);
  client[Symbol.dispose]();
  server.close();
});

test('an upstream that knows no ALPN speaks HTTP/1.1', async () => {
  let connections = 0;
  const server = createTlsServer(certificate('server'), (socket) => {
    connections += 1;
    socket.on('error', () => undefined);
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = h2Client((server.address() as AddressInfo).port);
  assert.equal(await told(client.send()), '200 ok');
  assert.equal(await told(client.send()), '200 ok');
  assert.equal(connections, 1);
  client[Symbol.dispose]();
  server.close();
});

test('a connection that cannot be opened fails every request that waits for it, and the next one tries again', async () => {
  const server = await h2Server();
  const { port } = server;
  await server[Symbol.asyncDispose]();
  using client = h2Client(port);
  assert.deepEqual(await Promise.all([told(client.send()), told(client.send())]), [
    'connect',
    'connect',
  ]);
  assert.equal(await told(client.send()), 'connect');
});

test('a connection that answers no PING is replaced: the request moves to one new connection', async () => {
  const served = new Map<TLSSocket, number>();
  await using server = await h2.frameServer(({ type, stream }, socket) => {
    if (type !== h2.HEADERS) return;
    const before = served.get(socket) ?? 0;
    served.set(socket, before + 1);
    // A peer that has gone away after its first answer, without a word.
    if (before === 0) {
      socket.write(h2.frame(h2.HEADERS, stream, h2.STATUS_200, h2.END_HEADERS | h2.END_STREAM));
    }
  });
  using client = h2Client(server.port);
  assert.equal(await told(client.send()), '200 ');
  await sleep(50);
  void client.advance(15_000);
  const outcome = client.send({ headersTimeoutMs: 3_600_000 });
  await eventually('it is asked in vain', () => [...served.values()][0] === 2);
  void client.advance(10_500);
  assert.equal(await told(outcome), '200 ');
  assert.deepEqual([...served.values()], [2, 1]);
});
