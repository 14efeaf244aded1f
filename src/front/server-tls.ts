// The listening side over TLS: HTTP/1.1 as without it, and HTTP/2 for clients that ask for it. The
// certificate can be exchanged while it runs (`setSecureContext`, see tls-files.ts).

import type { Server } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { TlsMaterial } from '../upstream/dial/tls-files.ts';
import { https } from '../upstream/on-demand.ts';
import { H2Front } from './h2-front.ts';
import { type Handler, prepared, type ServerLimits, serverOptions } from './server.ts';

/** A client that does not finish its handshake is cut off after this. */
const HANDSHAKE_TIMEOUT_MS = 10_000;

/** A server that does not listen yet. */
export interface TlsServer {
  readonly server: Server;
  /** Tells HTTP/2 clients to open no more streams. */
  drain(): void;
}

/** Serves both protocols with one handler; HTTP/2 streams look like HTTP/1.1 requests to it. */
export function createTlsServer(
  limits: ServerLimits,
  handler: Handler,
  { cert, key }: TlsMaterial,
): TlsServer {
  const options = {
    ...serverOptions(limits),
    cert,
    key,
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  };
  const server = prepared(https().createServer(options), handler);
  // Node's own listener makes HTTP/1.1 of every connection: it gets those that negotiated nothing
  // else, and the inner ones of the HTTP/2 front.
  const serveHttp1 = server.listeners('secureConnection')[0] as (connection: Duplex) => void;
  const front = new H2Front(
    (connection) => serveHttp1.call(server, connection),
    limits.idleTimeoutMs,
  );
  server.removeAllListeners('secureConnection');
  server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.alpnProtocol === 'h2') front.accept(socket);
    else serveHttp1.call(server, socket);
  });
  return { server, drain: () => front.drain() };
}
