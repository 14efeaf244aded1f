// Puts a request into bytes (RFC 9112). Head and small body leave as one string in one write: two
// buffers would cost a writev, and what they are joined from is not read again.

import type { Socket } from 'node:net';
import { trailerFields } from '../../policy/trailers.ts';
import type { UpstreamRequest } from '../transport.ts';

/** Larger bodies are written from where they lie; smaller ones are cheaper to copy. */
const MAX_JOINED_BYTES = 16 * 1024;
/** What may stand in a field's value, and in a request target. */
const BAD_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const BAD_TARGET = /[^\x21-\xff]/;

/** How a request's body is delimited. */
export function isChunked({ source, sourceLength, trailers }: UpstreamRequest): boolean {
  return source === undefined ? trailers.length > 0 : sourceLength === undefined;
}

/**
 * The head, with the framing that the body needs (RFC 9112 6) and what an outgoing proxy asks for.
 * @param target the path, in absolute form for an outgoing proxy
 * @throws TypeError for a target or value that would be read as something else
 */
export function requestHead(
  request: UpstreamRequest,
  target: string,
  proxyAuthorization: string | null | undefined,
): string {
  const { method, fields, source, bytes, sourceLength, bodyExpected } = request;
  if (BAD_TARGET.test(target)) throw new TypeError('the request target has forbidden characters');
  const chunked = isChunked(request);
  let head = `${method} ${target} HTTP/1.1\r\n`;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (BAD_VALUE.test(value)) throw new TypeError(`the field ${name} has forbidden characters`);
    // Only a chunked message has a place for trailers (RFC 9110 6.6.2).
    if (!chunked && name.length === 7 && name.toLowerCase() === 'trailer') continue;
    head += `${name}: ${value}\r\n`;
  }
  if (proxyAuthorization) head += `Proxy-Authorization: ${proxyAuthorization}\r\n`;
  if (chunked) head += 'Transfer-Encoding: chunked\r\n';
  else if (source !== undefined) head += `Content-Length: ${sourceLength}\r\n`;
  else if (bytes > 0 || bodyExpected) head += `Content-Length: ${bytes}\r\n`;
  return `${head}\r\n`;
}

/** Writes a head and what there is of the body; `done` when the socket has taken it. */
export function writeRequest(
  socket: Socket,
  head: string,
  request: UpstreamRequest,
  done?: () => void,
): void {
  const { chunks, bytes, source } = request;
  const chunked = isChunked(request);
  if (!chunked && bytes <= MAX_JOINED_BYTES && chunks.length <= 1) {
    const body = chunks[0];
    socket.write(body === undefined ? head : head + body.toString('latin1'), 'latin1', done);
    return;
  }
  socket.cork();
  socket.write(head, 'latin1');
  for (const chunk of chunks) writeChunk(socket, chunk, chunked);
  // The rest of a streamed body is still to come.
  if (source === undefined && chunked) socket.write(lastChunk(request.trailers), 'latin1', done);
  else socket.write('', done);
  socket.uncork();
}

/** One piece of a body; false when the socket wants a pause. */
export function writeChunk(socket: Socket, chunk: Buffer, chunked: boolean): boolean {
  if (!chunked) return socket.write(chunk);
  if (chunk.length === 0) return true;
  socket.cork();
  socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
  socket.write(chunk);
  const wantsMore = socket.write('\r\n', 'latin1');
  socket.uncork();
  return wantsMore;
}

/** The end of a chunked body. */
export function lastChunk(trailers: readonly string[]): string {
  let end = '0\r\n';
  const fields = trailerFields(trailers);
  for (let i = 0; i < fields.length; i += 2) {
    if (!BAD_VALUE.test(fields[i + 1] as string)) end += `${fields[i]}: ${fields[i + 1]}\r\n`;
  }
  return `${end}\r\n`;
}
