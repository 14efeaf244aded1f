// HTTP/2 clients that leave: whatever they were doing, the upstream request ends, permit and lease
// come back, and what they had not finished sending is never sent as if it were whole.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  type Frame,
  frame,
  frameClient,
  HEADERS,
  postFields,
  RST_STREAM,
} from '../support/h2-frames.ts';
import { rawAnswer } from '../support/raw-faults.ts';
import { startRawUpstream } from '../support/raw-upstream.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';
import { fixturePath, testCa } from '../support/tls-fixture.ts';

const KEY = 'sk-good-0123456789abcdef';
/** Beyond MAX_REPLAY_BODY_MB=1: streamed through while it is being sent. */
const STREAMED = Buffer.alloc(1_500_000);
const POST = { ':method': 'POST' };

type Begin = (session: ClientHttp2Session, path: string) => ClientHttp2Stream;

/** What a client has begun when it leaves. */
const BEGUN: Readonly<Record<string, Begin>> = {
  waits: (session, path) => session.request({ ...POST, ':path': path }).end('abc'),
  reads: (session, path) => session.request({ ...POST, ':path': `${path}?stream` }).end('abc'),
  uploads: (session, path) => {
    const stream = session.request({ ...POST, ':path': path, 'content-length': '5000' });
    stream.write('half');
    return stream;
  },
  'uploads much': (session, path) => {
    const stream = session.request({ ...POST, ':path': path });
    stream.write(STREAMED);
    return stream;
  },
};

test('an HTTP/2 client that leaves ends its request, whatever it was doing', async (t) => {
  const open = new Set<string>();
  const whole: string[] = [];
  const upstream = createServer((request, response) => {
    const url = request.url ?? '';
    open.add(url);
    response.on('close', () => open.delete(url));
    request.on('end', () => whole.push(url)).resume();
    if (url.endsWith('?stream')) {
      response.setHeader('content-type', 'text/event-stream');
      response.write('data: {"choices":[{"delta":{"content":"a"}}]}\n\n');
    }
  });
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  t.after(() => {
    upstream.closeAllConnections();
    upstream.close();
  });
  await using app = await startGptLoad({
    keys: [KEY],
    upstreams: [`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`],
    env: {
      TLS_CERT_FILE: fixturePath('server.pem'),
      TLS_KEY_FILE: fixturePath('server.key'),
      MAX_REPLAY_BODY_MB: '1',
    },
    waitUntilReady: false,
  });
  await app.waitForLog(/listening on/, 30_000);
  const dial = async (): Promise<ClientHttp2Session> => {
    const session = connect(`https://localhost:${app.port}`, { ca: testCa });
    session.on('error', () => undefined);
    await once(session, 'connect');
    return session;
  };
  const watcher = await dial();
  t.after(() => watcher.destroy());
  const inFlight = async (): Promise<number> => {
    const { requests } = JSON.parse(await text(watcher.request({ ':path': '/stats' })));
    return requests.in_flight + requests.open_leases;
  };
  for (const how of ['cancel', 'vanish']) {
    for (const [what, begin] of Object.entries(BEGUN)) {
      const path = `/v1/${how}/${what.replace(' ', '-')}`;
      const session = await dial();
      const stream = begin(session, path);
      stream.on('error', () => undefined).resume();
      const reachesUpstream = what !== 'uploads';
      await eventually('it has begun', async () => {
        const begun = reachesUpstream
          ? [...open].some((url) => url.startsWith(path))
          : (await inFlight()) > 0;
        return begun ? true : undefined;
      });
      if (how === 'cancel') stream.close(constants.NGHTTP2_CANCEL);
      else session.destroy();
      await eventually(`the end of ${path}`, async () =>
        open.size === 0 && (await inFlight()) === 0 ? true : undefined,
      );
      session.destroy();
    }
  }
  // Node's own client ends a stream that it cancels; a connection that vanishes ends nothing.
  assert.ok(!whole.includes('/v1/vanish/uploads-much'));
  assert.ok(!whole.some((url) => url.endsWith('/uploads')));
});

test('an HTTP/2 client gets the fields of Early Hints, but for those of one connection', async () => {
  await using upstream = await startRawUpstream(
    rawAnswer(
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n' +
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
    ),
  );
  await using app = await startGptLoad({
    keys: [KEY],
    upstreams: [upstream.url],
    env: { TLS_CERT_FILE: fixturePath('server.pem'), TLS_KEY_FILE: fixturePath('server.key') },
    waitUntilReady: false,
  });
  await app.waitForLog(/listening on/, 30_000);
  const session = connect(`https://localhost:${app.port}`, { ca: testCa });
  try {
    const stream = session.request({ ':path': '/v1/models' });
    const [hints] = (await once(stream, 'headers')) as [Record<string, string>];
    assert.equal(hints[':status'], 103);
    assert.equal(hints.link, '</a>, </b>');
    assert.equal(hints['x-hop'], undefined);
    assert.equal(await text(stream), 'ok');
  } finally {
    session.destroy();
  }
});

test('an HTTP/2 client whose upload is answered early gets its answer and keeps no stream', async () => {
  const size = 300_000;
  const head = `HTTP/1.1 413 Too Large\r\nContent-Length: ${size}\r\n\r\n`;
  await using upstream = await startRawUpstream(async ({ send, socket }) => {
    await send(head + 'x'.repeat(size));
    socket.resume();
  });
  await using app = await startGptLoad({
    keys: [KEY],
    upstreams: [upstream.url],
    env: {
      TLS_CERT_FILE: fixturePath('server.pem'),
      TLS_KEY_FILE: fixturePath('server.key'),
      AUTH_KEY: 'auth-0123456789abcdef',
      MAX_REPLAY_BODY_MB: '1',
    },
    waitUntilReady: false,
  });
  await app.waitForLog(/listening on/, 30_000);
  using client = await frameClient(app.port);
  // More of them than a client may have open at a time, and none ever ends its upload.
  for (let stream = 1; stream < 600; stream += 2) {
    const fields = postFields('/v1/files', 'Bearer wrong');
    client.socket.write(frame(HEADERS, stream, fields, END_HEADERS));
    client.socket.write(frame(DATA, stream, Buffer.from('the beginning')));
    const isReset = (of: Frame) => of.stream === stream && of.type === RST_STREAM;
    const reset = await client.next(`the end of stream ${stream}`, isReset);
    // NO_ERROR, after an answer that is whole: the rest is not wanted (RFC 9113 8.1).
    assert.equal(reset.payload.readUInt32BE(), 0);
    const [last, before] = client.frames.filter((of) => of.stream === stream).reverse();
    assert.equal(last, reset);
    assert.equal((before?.flags ?? 0) & END_STREAM, END_STREAM);
  }
  const session = connect(`https://localhost:${app.port}`, { ca: testCa });
  try {
    const authorization = 'Bearer auth-0123456789abcdef';
    const fields = { ...POST, ':path': '/v1/files', authorization };
    const stream = session.request({ ...fields, 'content-length': '5000000000' });
    stream.write(STREAMED);
    let bytes = 0;
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    await once(stream, 'close', { signal: AbortSignal.timeout(10_000) });
    assert.equal(bytes, size);
  } finally {
    session.destroy();
  }
});
