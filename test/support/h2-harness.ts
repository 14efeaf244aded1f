// A transport with both protocols against a server of the test, and what its answers come to.

import { once } from 'node:events';
import http2, {
  type Http2SecureServer,
  type SecureServerOptions,
  type ServerHttp2Session,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type Upstream, UpstreamList } from '../../src/pool/upstreams/upstream-list.ts';
import { Deadlines, Waiter } from '../../src/upstream/deadlines.ts';
import { Dialer } from '../../src/upstream/dial/dial.ts';
import { DnsCache } from '../../src/upstream/dial/dns-cache.ts';
import { H2Transport } from '../../src/upstream/h2/transport-h2.ts';
import { Http1Transport } from '../../src/upstream/http1/transport-http1.ts';
import type { Outcome, UpstreamRequest } from '../../src/upstream/transport.ts';
import { certificate, testCa } from './tls-fixture.ts';

/**
 * A client with its clock: `advance` moves the deadlines as if time had passed, and resolves once
 * all of them have been looked at.
 */
export interface H2Client extends Disposable {
  readonly transport: H2Transport;
  readonly http1: Http1Transport;
  readonly upstream: Upstream;
  advance(ms: number): Promise<void>;
  send(request?: Partial<UpstreamRequest>): Promise<Outcome>;
}

class NextSweep extends Waiter {
  readonly #deadlines: Deadlines;
  readonly #onSweep: () => void;

  constructor(deadlines: Deadlines, onSweep: () => void) {
    super();
    this.#deadlines = deadlines;
    this.#onSweep = onSweep;
  }

  expire(): void {
    this.#deadlines.remove(this);
    this.#onSweep();
  }
}

export function h2Client(port: number, idleTimeoutMs = 60_000): H2Client {
  let offsetMs = 0;
  const deadlines = new Deadlines(() => performance.now() + offsetMs);
  const dialer = new Dialer({
    dns: new DnsCache(() => 0),
    proxies: { http: '', https: '', all: '', no: [], upstreams: [] },
    connectTimeoutMs: 5_000,
    authorities: [testCa],
  });
  const http1 = new Http1Transport(dialer, deadlines, idleTimeoutMs);
  const transport = new H2Transport({ dialer, http1, deadlines, idleTimeoutMs });
  const upstream = new UpstreamList(UpstreamList.create([`https://127.0.0.1:${port}`])).get(0);
  return {
    transport,
    http1,
    upstream,
    advance: (ms) => {
      offsetMs += ms;
      return new Promise((resolve) => {
        deadlines.add(new NextSweep(deadlines, resolve), Number.NEGATIVE_INFINITY);
      });
    },
    send: (request) => {
      deadlines.touch();
      return transport.send(upstream, h2Request(request)).outcome;
    },
    [Symbol.dispose]: () => transport.close(),
  };
}

export function h2Request(request: Partial<UpstreamRequest> = {}): UpstreamRequest {
  const chunks = request.chunks ?? [];
  return {
    method: 'GET',
    path: '/v1/models',
    fields: ['Host', 'upstream.test', 'Authorization', 'Bearer sk-test'],
    bytes: chunks.reduce((sum, chunk) => sum + chunk.length, 0),
    source: undefined,
    sourceLength: undefined,
    trailers: [],
    isTurnOver: false,
    bodyExpected: false,
    upgrade: false,
    headersTimeoutMs: 20_000,
    sendIdleTimeoutMs: 20_000,
    onInformation: undefined,
    ...request,
    chunks,
  };
}

export interface H2Server extends AsyncDisposable {
  readonly port: number;
  readonly server: Http2SecureServer;
  readonly sessions: Set<ServerHttp2Session>;
  /** Connections accepted so far, of either protocol. */
  connections: number;
}

export async function h2Server(options: SecureServerOptions = {}): Promise<H2Server> {
  const server = http2.createSecureServer({ ...certificate('server'), ...options });
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<{ destroy(): void }>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined);
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream) => stream.on('error', () => undefined));
  server.on('sessionError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const facts: H2Server = {
    port: (server.address() as AddressInfo).port,
    server,
    sessions,
    connections: 0,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  server.on('secureConnection', (socket) => {
    facts.connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  return facts;
}

/** What an attempt came to, in words: status and body, a fault's code, or where the body broke. */
export async function told(outcome: Outcome | Promise<Outcome>): Promise<string> {
  const settled = await outcome;
  if (settled.kind === 'fault') return `${settled.code}${settled.sent ? ' sent' : ''}`;
  const { body, status } = settled;
  let text = '';
  body.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  const end = await new Promise<string>((resolve) => {
    body.on('error', () => resolve('error'));
    body.on('close', () => resolve('close'));
    body.on('end', () => resolve('end'));
  });
  const shown = text.length > 40 ? `${text.length} bytes` : text;
  if (end === 'end' && settled.complete()) return `${status} ${shown}`;
  return `${status} ${shown} cut`;
}
