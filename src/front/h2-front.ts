// HTTP/2 from clients: each stream becomes a request on a connection of its own inside this
// process, served by the same HTTP/1.1 server as all others. So there is one request path, and
// truncation, backpressure and cancellation mean the same on both sides.

import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { type Duplex, duplexPair } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { responseFields } from '../policy/headers.ts';
import { trailerPairs } from '../policy/trailers.ts';
import { http2 } from '../upstream/on-demand.ts';

/** Streams that one client may have open; the concurrency limit refuses far fewer. */
const MAX_STREAMS = 256;
/** What a client may send ahead on one stream. */
const STREAM_WINDOW_BYTES = 256 * 1024;

/** How often it is seen whether a slow client has taken the end of an early answer. */
const LOOK_AGAIN_MS = 10;

const SESSION_OPTIONS = {
  settings: { maxConcurrentStreams: MAX_STREAMS, initialWindowSize: STREAM_WINDOW_BYTES },
  strictSingleValueFields: false,
};

/** The HTTP/2 connections of one server. */
export class H2Front {
  readonly #serve: (connection: Duplex) => void;
  readonly #idleTimeoutMs: number;
  readonly #sessions = new Set<ServerHttp2Session>();

  /**
   * @param serve takes an HTTP/1.1 connection
   * @param idleTimeoutMs connections without streams are closed after this; 0: never
   */
  constructor(serve: (connection: Duplex) => void, idleTimeoutMs: number) {
    this.#serve = serve;
    this.#idleTimeoutMs = idleTimeoutMs;
  }

  /** Takes a connection on which h2 was negotiated. */
  accept(socket: TLSSocket): void {
    const session = http2().performServerHandshake(socket, SESSION_OPTIONS);
    const { remoteAddress } = socket;
    this.#sessions.add(session);
    session.on('close', () => this.#sessions.delete(session));
    session.on('error', () => session.destroy());
    // Without a listener Node would do the same to the streams under way.
    session.setTimeout(this.#idleTimeoutMs, () => session.close());
    session.on('stream', (stream, _headers, flags, rawHeaders) => {
      const hasBody = (flags & http2().constants.NGHTTP2_FLAG_END_STREAM) === 0;
      this.#onStream(stream, rawHeaders, { hasBody, remoteAddress });
    });
  }

  /** GOAWAY: streams under way end, then their connections. */
  drain(): void {
    for (const session of this.#sessions) session.close();
  }

  #onStream(
    stream: ServerHttp2Stream,
    rawHeaders: readonly string[],
    from: { hasBody: boolean; remoteAddress: string | undefined },
  ): void {
    const { method, path, fields } = http1Head(rawHeaders, from.hasBody);
    stream.on('error', () => undefined);
    // Node's client would wait for a tunnel, and this is no forward proxy.
    if (method === 'CONNECT') {
      refuse(stream);
      return;
    }
    const [near, far] = duplexPair();
    this.#serve(Object.assign(far, { remoteAddress: from.remoteAddress, encrypted: true }));
    const request = httpRequest({ createConnection: () => near, method, path, headers: fields });
    let answer: IncomingMessage | undefined;
    stream.on('close', () => {
      // One side's end is only a FIN to the other: a client that left must be seen to have left.
      if (answer?.complete !== true) far.destroy();
      request.destroy();
    });
    request.on('information', (information: AnswerHead) => {
      if (!stream.headersSent && !stream.destroyed) stream.additionalHeaders(h2Head(information));
    });
    request.on('response', (response) => {
      answer = response;
      relay(response, stream, { isHead: method === 'HEAD', hasBody: from.hasBody });
    });
    request.on('error', (error) => stream.destroy(error));
    send(stream, request, from.hasBody);
  }
}

function refuse(stream: ServerHttp2Stream): void {
  stream.respond({ ':status': 405 }, { endStream: true });
  stream.close();
}

function send(stream: ServerHttp2Stream, request: ClientRequest, hasBody: boolean): void {
  if (!hasBody) {
    request.end();
    return;
  }
  stream.on('trailers', (_trailers, _flags, raw: string[]) => {
    request.addTrailers(trailerPairs(raw));
  });
  stream.pipe(request, { end: false });
  // To Node a stream that was reset ends like any other; its body must not pass for whole.
  stream.on('end', () => {
    if (!stream.closed) request.end();
  });
}

/** The answer; whatever ends it early resets the stream, so that truncation shows. */
function relay(
  response: IncomingMessage,
  stream: ServerHttp2Stream,
  to: { isHead: boolean; hasBody: boolean },
): void {
  if (stream.destroyed) return;
  const { statusCode = 502 } = response;
  const bodiless = to.isHead || statusCode === 204 || statusCode === 304;
  const letGo = (): void => {
    if (to.hasBody && !stream.readableEnded) setImmediate(closeOnceSent, stream);
  };
  stream.respond(h2Head(response), bodiless ? { endStream: true } : { waitForTrailers: true });
  if (bodiless) response.on('end', letGo);
  stream.on('wantTrailers', () => {
    stream.sendTrailers(response.trailers);
    letGo();
  });
  response.on('data', (chunk: Buffer) => {
    if (!stream.write(chunk)) response.pause();
  });
  stream.on('drain', () => response.resume());
  response.on('end', () => stream.end());
  response.on('error', (error) => stream.destroy(error));
}

/**
 * The rest of an upload that has been answered is not wanted, and its stream not kept (RFC 9113
 * 8.1). A reset would overtake the end of the answer: it waits until that has been sent.
 */
function closeOnceSent(stream: ServerHttp2Stream): void {
  if (stream.destroyed || stream.closed) return;
  if (stream.state.localClose === 1) stream.close(http2().constants.NGHTTP2_NO_ERROR);
  else setTimeout(closeOnceSent, LOOK_AGAIN_MS, stream);
}

/** Pseudo-header fields become the request line and Host (RFC 9113 8.3.1). */
function http1Head(rawHeaders: readonly string[], hasBody: boolean) {
  const pseudo: Record<string, string> = {};
  const fields: string[] = [];
  let framed = !hasBody;
  let host: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const [name, value] = [rawHeaders[i] as string, rawHeaders[i + 1] as string];
    if (name.startsWith(':')) pseudo[name] = value;
    else if (name === 'host') host = value;
    else {
      if (name === 'content-length') framed = true;
      fields.push(name, value);
    }
  }
  fields.push('Host', pseudo[':authority'] ?? host ?? '');
  if (!framed) fields.push('Transfer-Encoding', 'chunked');
  return { method: pseudo[':method'] ?? 'GET', path: pseudo[':path'] ?? '/', fields };
}

/** What an answer and an interim one (1xx) have in common. */
type AnswerHead = Pick<IncomingMessage, 'statusCode' | 'rawHeaders'>;

function h2Head(response: AnswerHead): Record<string, number | string[]> {
  const head: Record<string, number | string[]> = { ':status': response.statusCode ?? 502 };
  const fields = responseFields(response.rawHeaders);
  for (let i = 0; i < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase();
    const known = head[name];
    head[name] = [...(Array.isArray(known) ? known : []), fields[i + 1] as string];
  }
  return head;
}
