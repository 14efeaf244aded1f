// Requests that no upstream could answer correctly: what is wrong with them, found before anything
// else is done. Who may send what is decided afterwards.

import type { IncomingMessage } from 'node:http';
import type { RequestTarget } from '../policy/request-target.ts';
import type { OwnError } from '../proxy/answer/own-answer.ts';
import { BAD_HOST, BAD_TARGET, BAD_VERSION, UNKNOWN_CODING } from '../proxy/answer/own-errors.ts';

/** What is wrong with a request's form; undefined: nothing. Such a connection is not kept. */
export function malformation(
  request: IncomingMessage,
  target: RequestTarget | undefined,
): OwnError | undefined {
  if (target === undefined) return BAD_TARGET;
  if (request.httpVersionMajor !== 1) return BAD_VERSION;
  if (request.httpVersion === '1.1' && hostFields(request.rawHeaders) !== 1) return BAD_HOST;
  const coding = request.headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return UNKNOWN_CODING;
  return undefined;
}

function hostFields(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') count += 1;
  }
  return count;
}
