// gpt-load serving https and HTTP/2 itself: both protocols take one path, truncation shows in both,
// and a renewed certificate is served after SIGHUP.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import WebSocket, { WebSocketServer } from 'ws';
import { eventually } from '../support/eventually.ts';
import { type GptLoad, startGptLoad } from '../support/start-gpt-load.ts';
import { fixturePath, testCa } from '../support/tls-fixture.ts';

const KEY = 'sk-good-0123456789abcdef';

interface Rig extends AsyncDisposable {
  readonly app: GptLoad;
  readonly session: ClientHttp2Session;
  readonly cert: string;
  readonly key: string;
}

async function rig(listener: RequestListener): Promise<Rig> {
  const dir = mkdtempSync(join(tmpdir(), 'gpt-load-tls-'));
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  copyFileSync(fixturePath('server.pem'), cert);
  copyFileSync(fixturePath('server.key'), key);
  const upstream = createServer(listener).listen(0, '127.0.0.1');
  const sockets = new WebSocketServer({ server: upstream });
  sockets.on('connection', (ws) => ws.on('message', (data) => ws.send(String(data))));
  await once(upstream, 'listening');
  const app = await startGptLoad({
    keys: [KEY],
    upstreams: [`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`],
    env: { TLS_CERT_FILE: cert, TLS_KEY_FILE: key, SERVER_GRACEFUL_SHUTDOWN_TIMEOUT: '30' },
    waitUntilReady: false,
  });
  await eventually('https is served', async () => (await certificateName(app.port)) ?? undefined);
  const session = connect(`https://localhost:${app.port}`, { ca: testCa });
  await once(session, 'connect');
  session.on('error', () => undefined);
  return {
    app,
    session,
    cert,
    key,
    [Symbol.asyncDispose]: async () => {
      session.destroy();
      await app.stop();
      for (const ws of sockets.clients) ws.terminate();
      upstream.closeAllConnections();
      upstream.close();
      rmSync(dir, { recursive: true });
    },
  };
}

/** The common name in the certificate that is served; null while nobody answers. */
async function certificateName(port: number): Promise<string | null> {
  const socket = connectTls({ port, host: 'localhost', rejectUnauthorized: false });
  const connected = await Promise.race([
    once(socket, 'secureConnect').then(() => true),
    once(socket, 'close').then(() => false),
  ]).catch(() => false);
  const name = connected ? String(socket.getPeerCertificate().subject.CN) : null;
  socket.destroy();
  return name;
}

async function statusOf(stream: ClientHttp2Stream): Promise<number> {
  const [headers] = await once(stream, 'response');
  return headers[':status'];
}

test('HTTP/2 clients get the same answers as HTTP/1.1 clients', async () => {
  await using setup = await rig(async (request, response) => {
    assert.equal(request.headers.authorization, `Bearer ${KEY}`);
    if (request.url === '/v1/bad') response.statusCode = 400;
    response.setHeader('x-seen', `${request.method} ${request.url}`);
    response.end(request.method === 'HEAD' ? undefined : `got ${await text(request)}`);
  });
  const { session, app } = setup;
  const post = session.request({ ':method': 'POST', ':path': '/v1/chat', 'x-a': '1' });
  post.end('a body');
  const [headers] = await once(post, 'response');
  assert.deepEqual([headers[':status'], headers['x-seen']], [200, 'POST /v1/chat']);
  assert.equal(await text(post), 'got a body');

  const head = session.request({ ':method': 'HEAD', ':path': '/v1/models' });
  assert.equal(await statusOf(head), 200);
  assert.equal(await text(head), '');
  const bad = session.request({ ':path': '/v1/bad' });
  assert.equal(await statusOf(bad), 400);
  assert.equal(await text(bad), 'got ');
  const health = session.request({ ':path': '/health' });
  assert.equal(await statusOf(health), 200);
  assert.match(await text(health), /"healthy_keys": ?1/);

  const large = session.request({ ':method': 'POST', ':path': '/v1/large' });
  const body = 'x'.repeat(3_000_000);
  large.end(body);
  assert.equal((await text(large)).length, body.length + 4);

  const many = Array.from({ length: 50 }, async (_, i) => {
    const stream = session.request({ ':method': 'POST', ':path': '/v1/many' });
    stream.end(String(i));
    return text(stream);
  });
  assert.deepEqual(
    await Promise.all(many),
    Array.from({ length: 50 }, (_, i) => `got ${i}`),
  );

  const over1 = await new Promise<string>((resolve, reject) => {
    const options = { port: app.port, host: 'localhost', path: '/v1/chat', ca: testCa };
    https.get(options, (response) => text(response).then(resolve)).on('error', reject);
  });
  assert.equal(over1, 'got ');
});

test('events arrive one by one over HTTP/2, and a broken stream is reset, not ended', async () => {
  const { promise: second, resolve: sendSecond } = Promise.withResolvers<void>();
  let upstreamClosed: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => {
    upstreamClosed = resolve;
  });
  await using setup = await rig(async (request, response) => {
    response.setHeader('content-type', 'text/event-stream');
    response.write('data: {"choices":[{"delta":{"content":"a"}}]}\n\n');
    response.on('close', () => upstreamClosed());
    if (request.url === '/v1/left') return;
    await second;
    response.write('data: second\n\n');
    if (request.url === '/v1/cut') setTimeout(() => response.destroy(), 50);
    else response.end();
  });
  const { session } = setup;
  const whole = session.request({ ':path': '/v1/whole' });
  const [first] = await once(whole, 'data');
  assert.match(String(first), /content/);
  sendSecond();
  assert.match(await text(whole), /second/);

  const cut = session.request({ ':path': '/v1/cut' });
  await assert.rejects(text(cut), /INTERNAL_ERROR/);

  const left = session.request({ ':path': '/v1/left' });
  await once(left, 'data');
  left.close(8);
  await closed;
});

test('WebSocket works over TLS', async () => {
  await using setup = await rig((_request, response) => response.end());
  const ws = new WebSocket(`wss://localhost:${setup.app.port}/v1/realtime`, { ca: testCa });
  await once(ws, 'open');
  ws.send('hello');
  const [data] = await once(ws, 'message');
  assert.equal(String(data), 'hello');
  ws.close();
  await once(ws, 'close');
});

test('SIGHUP serves a renewed certificate, and SIGTERM ends HTTP/2 connections', async () => {
  await using setup = await rig((_request, response) => response.end());
  const { app, cert, key, session } = setup;
  copyFileSync(fixturePath('other.key'), key);
  copyFileSync(fixturePath('other.pem'), cert);
  app.signal('SIGHUP');
  await eventually('the new certificate', async () =>
    (await certificateName(app.port)) === 'other.test' ? true : undefined,
  );
  const ended = once(session, 'close');
  const startMs = performance.now();
  await app.stop();
  await ended;
  assert.ok(performance.now() - startMs < 12_000);
});
