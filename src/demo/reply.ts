// What the scripted upstream sends back, as plain data: status, headers, and a body in one piece
// or in parts. What a reply says is up to the provider shapes.

import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export type Chunk = string | Buffer;

/** One answer. A body in parts is sent part by part, `paceMs` apart, with backpressure. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Chunk | Iterable<Chunk> | AsyncIterable<Chunk>;
  /** Pause before each part but the first, in milliseconds. */
  readonly paceMs?: number;
  /** Destroy the connection once this many parts were written: a truncated answer. */
  readonly cutAfter?: number;
}

/** A JSON answer. `indent` 2 or 4 looks like OpenAI's, 0 like Anthropic's. */
export function jsonReply(status: number, value: unknown, indent = 0): Reply {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: `${JSON.stringify(value, null, indent)}${indent > 0 ? '\n' : ''}`,
  };
}

/** An event stream: each frame is one part. Frames carry their own line ends. */
export function eventStream(frames: Iterable<Chunk>, contentType = 'text/event-stream'): Reply {
  return {
    status: 200,
    headers: { 'content-type': contentType, 'cache-control': 'no-cache' },
    body: frames,
  };
}

/**
 * Writes one reply. Resolves true when it was handed over whole, false when the other side left
 * first or the reply asked to be cut; it never rejects for a closed connection.
 */
export async function sendReply(response: ServerResponse, reply: Reply): Promise<boolean> {
  if (response.destroyed) return false;
  const { body } = reply;
  if (typeof body === 'string' || Buffer.isBuffer(body)) {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const headers = { ...reply.headers };
    // 204 and 304 have no body and therefore announce no length (RFC 9110 8.6).
    if (reply.status !== 204 && reply.status !== 304) {
      headers['content-length'] ??= String(bytes.length);
    }
    response.writeHead(reply.status, headers);
    return finish(response, bytes);
  }
  response.writeHead(reply.status, reply.headers);
  response.flushHeaders();
  let parts = 0;
  for await (const part of body) {
    if (parts === reply.cutAfter) {
      response.destroy();
      return false;
    }
    if (parts > 0 && reply.paceMs !== undefined) await sleep(reply.paceMs);
    if (response.destroyed) return false;
    if (!response.write(part)) await drained(response);
    parts += 1;
  }
  return finish(response);
}

function finish(response: ServerResponse, bytes?: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    response.once('close', () => resolve(response.writableFinished));
    response.end(bytes);
  });
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.once('drain', done);
    response.once('close', done);
  });
}
