// Undoes a content coding as the bytes come (RFC 9110 8.4.1), off the event loop.

import type { Transform } from 'node:stream';
import zlib from 'node:zlib';

/** zlib's format begins so: "deflate", and a checksum of these two bytes (RFC 1950 2.2). */
const ZLIB_METHOD = 8;
const ZLIB_CHECK = 31;

/**
 * A decoder for one coding.
 * @param begin the first bytes, where they are known: "deflate" may stand for two formats
 * @param strict what is cut off is an error; else it is decoded as far as it goes
 * @returns undefined for a coding that is not known
 */
export function decoderOf(coding: string, begin: Buffer, strict: boolean): Transform | undefined {
  const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, ZSTD_e_flush } = zlib.constants;
  const deflate = strict ? {} : { finishFlush: Z_SYNC_FLUSH };
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return zlib.createGunzip(deflate);
    case 'deflate':
      return isRaw(begin) ? zlib.createInflateRaw(deflate) : zlib.createInflate(deflate);
    case 'br':
      return zlib.createBrotliDecompress(strict ? {} : { finishFlush: BROTLI_OPERATION_FLUSH });
    case 'zstd':
      return zlib.createZstdDecompress(strict ? {} : { finishFlush: ZSTD_e_flush });
    default:
      return undefined;
  }
}

/** Some servers send the bare format where "deflate" means zlib's (RFC 9110 8.4.1.2). */
function isRaw(begin: Buffer): boolean {
  if (begin.length < 2) return false;
  const check = begin.readUInt16BE();
  return (check >> 8) % 16 !== ZLIB_METHOD || check % ZLIB_CHECK !== 0;
}
