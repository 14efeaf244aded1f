// Which fields may follow a body (RFC 9110 6.5.1): not those that must be known before it is read.

/** Framing, routing, credentials, control data, and what tells how the content is to be read. */
const NEVER = new Set([
  'api-key',
  'authorization',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'expect',
  'host',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'www-authenticate',
  'x-api-key',
  'x-goog-api-key',
]);

/** The trailers of a message that go on, flat; forbidden ones are dropped (RFC 9110 6.5.1). */
export function trailerFields(flat: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string;
    if (!NEVER.has(name.toLowerCase())) kept.push(name, flat[i + 1] as string);
  }
  return kept;
}

/** The same as `addTrailers` of node:http takes them. */
export function trailerPairs(flat: readonly string[]): [string, string][] {
  const kept = trailerFields(flat);
  const pairs: [string, string][] = [];
  for (let i = 0; i < kept.length; i += 2) pairs.push([kept[i] as string, kept[i + 1] as string]);
  return pairs;
}
