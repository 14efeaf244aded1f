// A request's header fields as HTTP/2 wants them, and an answer's as HTTP/1.1 has them: pseudo-
// header fields in and out, lower-case names, nothing that belongs to one connection (RFC 9113 8.2
// and 8.3).

import type { Upstream } from '../../pool/upstreams/upstream-list.ts';
import { http2 } from '../on-demand.ts';
import type { UpstreamRequest } from '../transport.ts';

/** Names that HTTP/2 forbids or says otherwise (RFC 9113 8.2.2, 8.3.1). */
const LEFT_OUT = new Set([
  'connection',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
]);

/**
 * Keys change from request to request: kept out of HPACK's table, where each would push out a field
 * that repeats (RFC 7541 7.1.3 recommends it for secrets anyway).
 */
const NEVER_INDEXED = ['authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'cookie'];

/** Flat, pseudo-header fields first, with Content-Length where HTTP/1.1 would have it. */
export function h2RequestFields(upstream: Upstream, request: UpstreamRequest): string[] {
  const { fields, method, path, source, sourceLength, bytes, bodyExpected, trailers } = request;
  let authority = upstream.host;
  const list: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase();
    const value = fields[i + 1] as string;
    if (name === 'host') authority = value;
    else if (name === 'te' && value.trim().toLowerCase() === 'trailers')
      list.push(name, 'trailers');
    else if (!LEFT_OUT.has(name)) list.push(name, value);
  }
  const length = source === undefined ? bytes : sourceLength;
  const announced = trailers.length === 0 && (source !== undefined || bytes > 0 || bodyExpected);
  if (length !== undefined && announced) list.push('content-length', String(length));
  const pseudo = [':method', method, ':scheme', 'https', ':authority', authority, ':path', path];
  const all = [...pseudo, ...list];
  return Object.assign(all, { [http2().sensitiveHeaders]: NEVER_INDEXED });
}

/** An answer's fields without the pseudo-header field `:status`. */
export function h2AnswerFields(rawHeaders: readonly string[]): string[] {
  const fields: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (!name.startsWith(':')) fields.push(name, rawHeaders[i + 1] as string);
  }
  return fields;
}

/** Trailers as `sendTrailers` takes them; repeated names become lists. */
export function h2Trailers(flat: readonly string[]): Record<string, string[]> {
  const trailers: Record<string, string[]> = {};
  for (let i = 0; i < flat.length; i += 2) {
    const name = (flat[i] as string).toLowerCase();
    trailers[name] = [...(trailers[name] ?? []), flat[i + 1] as string];
  }
  return trailers;
}
