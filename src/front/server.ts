// The listening side: one HTTP/1.1 server per worker with header and time limits. What a request
// means is up to the handler; draining is decided here because only the server knows its idle
// connections.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { RelayedResponse } from '../proxy/answer/relayed-response.ts';
import { ReceivedRequest } from '../proxy/received-request.ts';
import { MAX_HEADER_BYTES, refuseConnect, refuseMalformed } from './malformed.ts';
import { handshakeResponse, isWebSocketRequest } from './upgrade.ts';

/** Time limits of client connections, in milliseconds; 0: none. */
export interface ServerLimits {
  /** Receiving one whole request, body included (SERVER_READ_TIMEOUT). */
  readonly readTimeoutMs: number;
  /** Keep-alive between requests (SERVER_IDLE_TIMEOUT). */
  readonly idleTimeoutMs: number;
}

export type Handler = (request: IncomingMessage, response: RelayedResponse) => void;

/** Field lines of one request; Node drops what exceeds it, so it is far above any client's. */
const MAX_HEADER_FIELDS = 1000;
/** Receiving the header fields alone. */
const HEADERS_TIMEOUT_MS = 60_000;
/** How often Node looks for requests that exceed their time limits. */
const CONNECTIONS_CHECK_INTERVAL_MS = 5_000;

/** What every server of ours is made with, whether over TLS or not. */
export function serverOptions(limits: ServerLimits) {
  return {
    keepAlive: true,
    noDelay: true,
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: Math.min(HEADERS_TIMEOUT_MS, limits.readTimeoutMs || HEADERS_TIMEOUT_MS),
    requestTimeout: limits.readTimeoutMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    connectionsCheckingInterval: CONNECTIONS_CHECK_INTERVAL_MS,
    highWaterMark: 64 * 1024,
    // The router says it in OpenAI's shape.
    requireHostHeader: false,
    IncomingMessage: ReceivedRequest,
    // Its type is not generic, as that of Node's own is.
    ServerResponse: RelayedResponse as unknown as typeof ServerResponse,
    shouldUpgradeCallback: isWebSocketRequest,
  };
}

/** A server that answers nothing by itself but malformed requests (400) and late ones (408). */
export function createHttpServer(limits: ServerLimits, handler: Handler): Server {
  return prepared(createServer(serverOptions(limits)), handler);
}

/** Gives a server its handler, for plain requests and for WebSocket handshakes. */
export function prepared<S extends Server>(server: S, handler: Handler): S {
  server.maxHeadersCount = MAX_HEADER_FIELDS;
  server.on('request', handler);
  // The proxy says 100 Continue itself, when it is about to read the body (RFC 9110 10.1.1).
  server.on('checkContinue', handler);
  server.on('upgrade', (request: IncomingMessage, socket, head: Buffer) => {
    handler(request, handshakeResponse(request, socket, head));
  });
  server.on('connect', (_request, socket) => refuseConnect(socket));
  server.on('clientError', refuseMalformed);
  return server;
}
