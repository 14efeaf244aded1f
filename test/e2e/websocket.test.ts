// WebSocket through gpt-load, with `ws` on both ends and OpenAI's own Realtime client: keys rotate
// while the handshake fails, then bytes pass both ways until one side, silence or SIGTERM ends it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import OpenAI from 'openai';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';
import WebSocket, { WebSocketServer } from 'ws';
import { eventually } from '../support/eventually.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';
import { certificate, testCa } from '../support/tls-fixture.ts';

const KEYS = ['sk-refused-0123456789abcdef', 'sk-good-0123456789abcdef'];
const KEY_PROTOCOL = 'openai-insecure-api-key.';

interface Upstream extends AsyncDisposable {
  readonly url: string;
  readonly handshakes: IncomingMessage[];
  readonly sockets: Set<WebSocket>;
}

/** Refuses the first key as OpenAI does; with the second one it echoes. */
async function realtimeUpstream(): Promise<Upstream> {
  const handshakes: IncomingMessage[] = [];
  const server = createServer((_request, response) => response.writeHead(426).end());
  const sockets = new WebSocketServer({
    noServer: true,
    handleProtocols: (offered) =>
      [...offered].find((each) => !each.startsWith(KEY_PROTOCOL)) ?? false,
  });
  server.on('upgrade', (request, socket, head) => {
    handshakes.push(request);
    if (!keyOf(request)?.startsWith('sk-good')) {
      const body = '{"error":{"code":"invalid_api_key","message":"Incorrect API key provided"}}';
      socket.end(
        'HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n' +
          `Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
      );
      return;
    }
    sockets.handleUpgrade(request, socket, head, (ws) => {
      ws.on('message', (data, binary) => ws.send(data, { binary }));
      ws.on('error', () => undefined);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    handshakes,
    sockets: sockets.clients,
    [Symbol.asyncDispose]: async () => {
      for (const ws of sockets.clients) ws.terminate();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function keyOf({ headers }: IncomingMessage): string | undefined {
  const offer = headers['sec-websocket-protocol']?.split(',').map((each) => each.trim());
  const inOffer = offer?.find((each) => each.startsWith(KEY_PROTOCOL));
  return inOffer?.slice(KEY_PROTOCOL.length) ?? headers.authorization?.replace('Bearer ', '');
}

async function message(ws: WebSocket): Promise<string> {
  const [data] = await once(ws, 'message');
  return String(data);
}

test('a WebSocket gets the next key when the first is refused, and echoes both ways', async () => {
  await using upstream = await realtimeUpstream();
  await using app = await startGptLoad({ keys: KEYS, upstreams: [upstream.url] });
  const ws = new WebSocket(`${app.url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`, {
    headers: { Authorization: 'Bearer client' },
  });
  await once(ws, 'open');
  assert.deepEqual(upstream.handshakes.map(keyOf), KEYS);
  assert.equal(upstream.handshakes[1]?.url, '/v1/realtime?model=gpt-realtime');
  ws.send('hello');
  assert.equal(await message(ws), 'hello');
  const large = Buffer.alloc(5_000_000, 'x');
  ws.send(large);
  const [echo] = await once(ws, 'message');
  assert.ok(large.equals(echo as Buffer));
  const stats = JSON.parse((await app.ask('/stats')).body);
  assert.equal(stats.keys.blacklisted, 1);
  ws.close(1000);
  const [code] = await once(ws, 'close');
  assert.equal(code, 1000);
  await app.waitForLog(/GET \/v1\/realtime.* 101 /);
  await eventually('counted', async () => {
    const { requests } = JSON.parse((await app.ask('/stats')).body);
    return requests.success_count === 1 && requests.failure_count === 0 ? true : undefined;
  });
});

test('the Realtime client of OpenAI works, and the subprotocol form of a browser', async () => {
  await using upstream = await realtimeUpstream();
  await using app = await startGptLoad({
    keys: KEYS,
    upstreams: [upstream.url],
    env: { AUTH_KEY: 'client-auth-key-0123456789' },
  });
  // The SDK speaks wss alone: TLS ends in front of gpt-load, as behind nginx.
  const front = createTlsServer(certificate('server'), (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(connect(app.port, '127.0.0.1')).pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(front, 'listening');
  const { port } = front.address() as AddressInfo;
  const client = new OpenAI({
    apiKey: 'client-auth-key-0123456789',
    baseURL: `https://localhost:${port}/v1`,
  });
  const realtime = await OpenAIRealtimeWS.create(client, {
    model: 'gpt-realtime',
    options: { ca: testCa },
  });
  realtime.on('error', (error) => assert.fail(error));
  await once(realtime.socket, 'open');
  realtime.send({ type: 'response.create' });
  assert.match(await message(realtime.socket), /response\.create/);
  realtime.close();
  await once(realtime.socket, 'close');
  front.close();

  const address = `${app.url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`;
  const offer = ['realtime', `${KEY_PROTOCOL}client-auth-key-0123456789`];
  const browser = new WebSocket(address, offer);
  await once(browser, 'open');
  assert.equal(browser.protocol, 'realtime');
  const last = upstream.handshakes.at(-1);
  assert.equal(last?.headers['sec-websocket-protocol'], `realtime, ${KEY_PROTOCOL}${KEYS[1]}`);
  assert.equal(last?.headers.authorization, undefined);
  browser.close();

  const refused = new WebSocket(address, ['realtime', `${KEY_PROTOCOL}wrong`]);
  const [error] = await once(refused, 'error');
  assert.match(String(error), /401/);
});

test('a WebSocket holds a permit, and the next one is told 429', async () => {
  await using upstream = await realtimeUpstream();
  await using app = await startGptLoad({
    keys: [KEYS[1] as string],
    upstreams: [upstream.url],
    env: { MAX_CONCURRENT_REQUESTS: '1' },
  });
  const address = `${app.url.replace('http', 'ws')}/v1/realtime`;
  const first = new WebSocket(address);
  await once(first, 'open');
  const [error] = await once(new WebSocket(address), 'error');
  assert.match(String(error), /429/);
  first.terminate();
  await eventually('the permit is back', async () => {
    const next = new WebSocket(address);
    const event = await Promise.race([once(next, 'open').then(() => 'open'), once(next, 'error')]);
    next.terminate();
    return event === 'open' ? true : undefined;
  });
  await eventually('the upstream side closed', () =>
    upstream.sockets.size === 0 ? true : undefined,
  );
});

test('SIGTERM says 1001 to both sides, between two frames', async () => {
  await using upstream = await realtimeUpstream();
  await using app = await startGptLoad({
    keys: [KEYS[1] as string],
    upstreams: [upstream.url],
    env: { SERVER_GRACEFUL_SHUTDOWN_TIMEOUT: '30' },
  });
  const ws = new WebSocket(`${app.url.replace('http', 'ws')}/v1/realtime`);
  await once(ws, 'open');
  const [upstreamSide] = upstream.sockets;
  assert.ok(upstreamSide);
  const ends = Promise.all([once(ws, 'close'), once(upstreamSide, 'close')]);
  const startMs = performance.now();
  await app.stop();
  assert.deepEqual(
    (await ends).map(([code]) => code),
    [1001, 1001],
  );
  assert.ok(performance.now() - startMs < 12_000);
});

test('a silent WebSocket is ended after STREAM_IDLE_TIMEOUT', async () => {
  await using upstream = await realtimeUpstream();
  await using app = await startGptLoad({
    keys: [KEYS[1] as string],
    upstreams: [upstream.url],
    env: { STREAM_IDLE_TIMEOUT: '1' },
  });
  const ws = new WebSocket(`${app.url.replace('http', 'ws')}/v1/realtime`);
  await once(ws, 'open');
  const [code] = await once(ws, 'close');
  assert.equal(code, 1001);
});

test('a client that does not read holds the upstream back', async () => {
  await using upstream = await realtimeUpstream();
  await using app = await startGptLoad({ keys: [KEYS[1] as string], upstreams: [upstream.url] });
  const socket = connect(app.port, '127.0.0.1');
  socket.write(
    'GET /v1/realtime HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  await once(socket, 'data');
  socket.pause();
  const [ws] = upstream.sockets;
  assert.ok(ws);
  const chunk = Buffer.alloc(1_000_000);
  for (let i = 0; i < 64; i += 1) ws.send(chunk);
  await eventually('the upstream is held back', () =>
    ws.bufferedAmount > 20_000_000 ? true : undefined,
  );
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(ws.bufferedAmount > 20_000_000, `${ws.bufferedAmount} bytes are waiting`);
  socket.destroy();
  await once(ws, 'close');
});

test('an offer of h2c is declined and the request answered', async () => {
  await using upstream = await realtimeUpstream();
  await using app = await startGptLoad({ keys: [KEYS[1] as string], upstreams: [upstream.url] });
  const socket = connect(app.port, '127.0.0.1');
  socket.write(
    'GET /health HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n' +
      'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n',
  );
  const [answer] = await once(socket, 'data');
  assert.match(String(answer), /^HTTP\/1\.1 200 OK/);
  socket.destroy();
});

/** An http proxy as most are: CONNECT opens a tunnel, other requests lose what is hop by hop. */
async function forwardProxy(): Promise<{ url: string; asked: string[] } & AsyncDisposable> {
  const asked: string[] = [];
  const tunnels = new Set<Socket>();
  const proxy = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    const { upgrade: _u, connection: _c, ...headers } = request.headers;
    const onward = httpRequest(request.url ?? '', { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 0, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy()).end();
  });
  proxy.on('connect', (request, socket: Socket) => {
    asked.push(`${request.method} ${request.url} ${request.headers['proxy-authorization']}`);
    const onward = connect(Number(request.url?.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    for (const one of [socket, onward]) tunnels.add(one.on('error', () => onward.destroy()));
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    url: `http://me:s3cret@127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      for (const one of tunnels) one.destroy();
      proxy.closeAllConnections();
      proxy.close();
      await once(proxy, 'close');
    },
  };
}

test('behind an http proxy a WebSocket to an http upstream goes through a tunnel of its own', async () => {
  await using upstream = await realtimeUpstream();
  await using proxy = await forwardProxy();
  const env = { http_proxy: proxy.url };
  await using app = await startGptLoad({ keys: KEYS, upstreams: [upstream.url], env });
  const { host } = new URL(upstream.url);
  // What is no upgrade goes in absolute form, as before.
  assert.equal((await app.ask('/v1/models')).status, 426);
  assert.deepEqual(proxy.asked, [`GET ${upstream.url}/v1/models`]);
  const ws = new WebSocket(`${app.url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`);
  await once(ws, 'open');
  ws.send('through the tunnel');
  assert.equal(await message(ws), 'through the tunnel');
  ws.close();
  await once(ws, 'close');
  const credentials = `Basic ${Buffer.from('me:s3cret').toString('base64')}`;
  for (const line of proxy.asked.slice(1)) assert.equal(line, `CONNECT ${host} ${credentials}`);
  assert.ok(proxy.asked.length > 1);
  // The proxy's password is the proxy's: no upstream has seen it.
  assert.ok(upstream.handshakes.every(({ headers }) => !headers['proxy-authorization']));
  assert.equal((await app.ask('/v1/models')).status, 426);
  assert.equal(proxy.asked.at(-1), `GET ${upstream.url}/v1/models`);
});
