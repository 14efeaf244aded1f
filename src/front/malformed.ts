// The answer to bytes that never became a request: malformed, too large, too late, or CONNECT. It
// is written to the socket directly, and the connection is closed after it.

import type { ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorBody } from '../errors.ts';

/** Bytes of one request's header fields together; the same as nginx's 4 large buffers. */
export const MAX_HEADER_BYTES = 32 * 1024;

/** A refused client has this long to read why and to close; then its connection is cut. */
const LINGER_MS = 2_000;

interface ParserError extends Error {
  readonly code?: string;
}

/** Answers a `clientError` of node:http. */
export function refuseMalformed(error: ParserError, socket: Duplex): void {
  // In the middle of an answer these bytes would be taken for a part of it.
  const current = (socket as { _httpMessage?: ServerResponse })._httpMessage;
  if (!socket.writable || error.code === 'ECONNRESET' || current?.headersSent === true) {
    socket.destroy();
    return;
  }
  const [status, reason] = statusFor(error.code);
  refuse(socket, status, 'malformed_request', reason);
}

/** CONNECT asks for a tunnel; this is no forward proxy. */
export function refuseConnect(socket: Duplex): void {
  socket.on('error', () => socket.destroy());
  refuse(socket, '405 Method Not Allowed', 'method_not_allowed', 'CONNECT is not supported');
}

function refuse(socket: Duplex, status: string, code: string, message: string): void {
  const body = errorBody(message, 'invalid_request_error', code);
  socket.end(
    `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(timer));
}

function statusFor(code: string | undefined): [status: string, reason: string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return [
        '431 Request Header Fields Too Large',
        `header fields exceed ${MAX_HEADER_BYTES} bytes`,
      ];
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return ['413 Content Too Large', 'chunk extensions are too long'];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['408 Request Timeout', 'the request did not arrive within SERVER_READ_TIMEOUT'];
    default:
      return ['400 Bad Request', 'the request is not well-formed HTTP/1.1'];
  }
}
