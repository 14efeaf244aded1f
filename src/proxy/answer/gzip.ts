// ENABLE_GZIP: which answers are compressed for the client, and how. Only what the upstream sent
// plain, what compresses, and never event streams; everything else passes byte for byte.

import type { Gzip } from 'node:zlib';
import { fieldValue } from '../../policy/headers.ts';
import { zlib } from '../../upstream/on-demand.ts';

/** Smaller answers cost more to compress than they save. */
export const MIN_GZIP_BYTES = 1024;

const COMPRESSIBLE =
  /^(?:text\/(?!event-stream)|application\/(?:json|[\w.-]+\+json|javascript|xml|[\w.-]+\+xml)|image\/svg\+xml)/i;

/** No content, a part of it, or a word about content that the client has. */
const AS_IT_IS = new Set([204, 206, 304]);

/** Whether an answer is to be compressed; `by size` when its length is not announced. */
export function gzipChoice(
  acceptEncoding: string | undefined,
  status: number,
  fields: readonly string[],
): 'yes' | 'no' | 'by size' {
  if (acceptEncoding === undefined || status < 200 || AS_IT_IS.has(status)) return 'no';
  if (!acceptsGzip(acceptEncoding)) return 'no';
  if (!COMPRESSIBLE.test(fieldValue(fields, 'content-type') ?? '')) return 'no';
  const encoding = fieldValue(fields, 'content-encoding');
  if (encoding !== undefined) return 'no';
  // A strong validator promises these very bytes (RFC 9110 8.8.1).
  const etag = fieldValue(fields, 'etag');
  if (etag !== undefined && !etag.startsWith('W/')) return 'no';
  if (/\bno-transform\b/i.test(fieldValue(fields, 'cache-control') ?? '')) return 'no';
  const length = fieldValue(fields, 'content-length');
  if (length === undefined) return 'by size';
  return Number(length) >= MIN_GZIP_BYTES ? 'yes' : 'no';
}

/** RFC 9110 12.5.3: `gzip`, `x-gzip` or `*`, unless its weight is 0. */
function acceptsGzip(acceptEncoding: string): boolean {
  let any = false;
  for (const part of acceptEncoding.split(',')) {
    const [coding = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    const refused = parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
    if (coding === 'gzip' || coding === 'x-gzip') return !refused;
    if (coding === '*') any = !refused;
  }
  return any;
}

/** Rewrites the fields of an answer that is now compressed; its length is no longer known. */
export function markGzipped(fields: string[]): void {
  for (let i = fields.length - 2; i >= 0; i -= 2) {
    const name = (fields[i] as string).toLowerCase();
    if (name === 'content-length' || name === 'accept-ranges' || name === 'content-md5') {
      fields.splice(i, 2);
    }
  }
  fields.push('Content-Encoding', 'gzip', 'Vary', 'Accept-Encoding');
}

/** A compressor that passes on what it has after every write: a slowly growing JSON stays live. */
export function createGzip(): Gzip {
  const { constants, createGzip: create } = zlib();
  return create({ flush: constants.Z_SYNC_FLUSH });
}
