// The answers that this proxy itself gives: JSON bodies, errors in OpenAI's shape. Framing only.

import type { ServerResponse } from 'node:http';
import { errorBody } from '../../errors.ts';

/** An error of our own. `type` and `code` are for programs, the message is for people. */
export interface OwnError {
  readonly status: number;
  readonly type: string;
  readonly code: string;
  readonly message: string;
  /** Whole seconds for Retry-After (RFC 9110 10.2.3). */
  readonly retryAfterSeconds?: number;
}

/** Sends a JSON body. Never cached: every answer of our own describes this moment. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: string,
  fields: readonly string[] = [],
): void {
  response.writeHead(status, [
    'Content-Type',
    'application/json; charset=utf-8',
    'Content-Length',
    String(Buffer.byteLength(body)),
    'Cache-Control',
    'no-store',
    'X-Content-Type-Options',
    'nosniff',
    ...fields,
  ]);
  response.end(body);
}

/** Sends an error in OpenAI's shape, which every SDK can read. */
export function sendError(
  response: ServerResponse,
  error: OwnError,
  fields: readonly string[] = [],
): void {
  const all = [...fields];
  if (error.retryAfterSeconds !== undefined) {
    all.push('Retry-After', String(error.retryAfterSeconds));
  }
  sendJson(response, error.status, errorBody(error.message, error.type, error.code), all);
}
