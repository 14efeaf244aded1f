// How a request's body is framed in HTTP/1.1: Content-Length where the length is known, else in
// chunks.

import type { UpstreamRequest } from '../transport.ts';

/** Adds the framing that the body needs (RFC 9112 6), and what an outgoing proxy asks for. */
export function http1Fields(
  request: UpstreamRequest,
  proxyAuthorization: string | null | undefined,
): string[] {
  const { source, bytes, sourceLength, trailers, bodyExpected } = request;
  const fields = [...request.fields];
  if (proxyAuthorization) fields.push('Proxy-Authorization', proxyAuthorization);
  if (source !== undefined) {
    if (sourceLength === undefined) fields.push('Transfer-Encoding', 'chunked');
    else fields.push('Content-Length', String(sourceLength));
  } else if (trailers.length > 0) fields.push('Transfer-Encoding', 'chunked');
  else if (bytes > 0 || bodyExpected) fields.push('Content-Length', String(bytes));
  return fields;
}

/** Trailers as `addTrailers` takes them. */
export function trailerPairs(flat: readonly string[]): [string, string][] {
  const list: [string, string][] = [];
  for (let i = 0; i < flat.length; i += 2) list.push([flat[i] as string, flat[i + 1] as string]);
  return list;
}
