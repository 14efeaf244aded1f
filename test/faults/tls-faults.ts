// How upstreams fail behind TLS and HTTP/2. gpt-load alone is asked: the plain reverse proxies
// check no certificates unless told to, and speak HTTP/1.1 to upstreams.

import { once } from 'node:events';
import http2, { type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import tls from 'node:tls';
import { rawOk } from '../support/raw-faults.ts';
import { startRawUpstream } from '../support/raw-upstream.ts';
import { certificate, fixturePath } from '../support/tls-fixture.ts';
import {
  chatBytes,
  JSON_BODY,
  type Line,
  recovery,
  type Scenario,
  seen,
  summed,
} from './scenario.ts';
import { blamed, startOwn } from './subject.ts';

interface TlsFault {
  readonly name: string;
  /** EXTRA_CA_FILE: one of the fixtures. */
  readonly authority?: 'ca.pem' | 'expired.pem';
  readonly server: () => Server | Http2Server;
  readonly url?: string;
}

const REQUESTS = 4;

async function run({ server: create, authority = 'ca.pem', url }: TlsFault): Promise<Line> {
  const server = create();
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('error', () => {}));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await using well = await startRawUpstream(rawOk());
  const upstreams = [url ?? `https://127.0.0.1:${port}`, well.url];
  const env = { EXTRA_CA_FILE: fixturePath(authority) };
  await using subject = await startOwn(upstreams, { env });
  try {
    const bytes = chatBytes(JSON_BODY);
    const all: string[] = [];
    for (let i = 0; i < REQUESTS; i += 1) all.push(await seen(subject.port, bytes));
    const lost = all.filter((what) => what !== '200').length;
    const who = await blamed(subject.own);
    const again = await recovery(subject.port, bytes);
    return { saw: summed(all), blamed: who, lost: `${lost} of ${REQUESTS}`, recovery: again };
  } finally {
    server.close();
    for (const socket of sockets) socket.destroy();
  }
}

/** HTTP/2 over TLS that does this with each request. */
function h2(answer: (stream: ServerHttp2Stream) => void): () => Http2Server {
  return () => {
    const server = http2.createSecureServer({ ...certificate('server') });
    server.on('sessionError', () => {}).on('session', (session) => session.on('error', () => {}));
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      stream.resume();
      answer(stream as ServerHttp2Stream);
    });
    return server;
  };
}

/** Everything passes until the first request has arrived; from then on nothing does. */
function silent(): Server {
  let isSilent = false;
  const inner = h2(() => {
    isSilent = true;
  })();
  inner.listen(0, '127.0.0.1');
  const front = createServer((socket) => {
    const { port } = inner.address() as AddressInfo;
    const behind = connect(port, '127.0.0.1').on('error', () => {});
    socket.on('data', (bytes) => isSilent || behind.write(bytes));
    behind.on('data', (bytes) => isSilent || socket.write(bytes));
    socket.on('close', () => behind.destroy());
  });
  front.on('close', () => inner.close());
  return front;
}

const { NGHTTP2_REFUSED_STREAM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_ENHANCE_YOUR_CALM } =
  http2.constants;

const FAULTS: readonly TlsFault[] = [
  { name: 'TLS: accepts but never completes the handshake', server: () => createServer(() => {}) },
  {
    name: 'TLS: resets during the handshake',
    server: () => createServer((socket) => socket.once('data', () => socket.resetAndDestroy())),
  },
  {
    name: 'TLS: speaks plain HTTP',
    server: () =>
      createServer((socket) => socket.once('data', () => socket.end('HTTP/1.1 400 B\r\n\r\n'))),
  },
  {
    name: 'TLS: expired certificate',
    authority: 'expired.pem',
    server: () => tls.createServer(certificate('expired')),
  },
  {
    name: 'TLS: certificate for another name',
    server: () => tls.createServer(certificate('other')),
  },
  {
    name: 'TLS: certificate from an unknown CA',
    server: () => tls.createServer(certificate('expired')),
  },
  {
    name: 'TLS: closes after the handshake',
    server: () => tls.createServer(certificate('server'), (socket) => socket.destroy()),
  },
  {
    name: 'DNS: unknown host name',
    server: () => createServer(),
    url: 'http://nowhere.invalid',
  },
  { name: 'HTTP/2: GOAWAY instead of an answer', server: h2((stream) => stream.session?.goaway()) },
  {
    name: 'HTTP/2: GOAWAY, then the connection closes',
    server: h2((stream) => stream.session?.destroy(undefined, NGHTTP2_INTERNAL_ERROR)),
  },
  {
    name: 'HTTP/2: refuses the stream',
    server: h2((stream) => stream.close(NGHTTP2_REFUSED_STREAM)),
  },
  {
    name: 'HTTP/2: ENHANCE_YOUR_CALM',
    server: h2((stream) => stream.close(NGHTTP2_ENHANCE_YOUR_CALM)),
  },
  {
    name: 'HTTP/2: goes silent and answers no PING',
    server: silent,
  },
  {
    name: 'HTTP/2: resets in the middle of the body',
    server: h2((stream) => {
      stream.respond({ ':status': 200, 'content-type': 'text/plain', 'content-length': '10' });
      stream.write('hello', () => stream.close(NGHTTP2_INTERNAL_ERROR));
    }),
  },
];

export const tlsFaults: readonly Scenario[] = FAULTS.map((fault) => ({
  area: 'TLS, DNS and HTTP/2',
  name: fault.name,
  run: () => run(fault),
}));
