// Undoes a content coding as the bytes come (RFC 9110 8.4.1), off the event loop.

import type { Transform } from 'node:stream';
import { zlib } from '../../upstream/on-demand.ts';

/** zlib's format begins so: "deflate", and a checksum of these two bytes (RFC 1950 2.2). */
const ZLIB_METHOD = 8;
const ZLIB_CHECK = 31;

type Zlib = ReturnType<typeof zlib>;
type MakeDecoder = (from: Zlib, begin: Buffer, strict: boolean) => Transform;

const flushed = (strict: boolean, finishFlush: number) => (strict ? {} : { finishFlush });
const gunzip: MakeDecoder = ({ constants, createGunzip }, _, strict) =>
  createGunzip(flushed(strict, constants.Z_SYNC_FLUSH));

const DECODERS = new Map<string, MakeDecoder>([
  ['gzip', gunzip],
  ['x-gzip', gunzip],
  [
    'deflate',
    ({ constants, createInflate, createInflateRaw }, begin, strict) => {
      const options = flushed(strict, constants.Z_SYNC_FLUSH);
      return isRaw(begin) ? createInflateRaw(options) : createInflate(options);
    },
  ],
  [
    'br',
    ({ constants, createBrotliDecompress }, _, strict) =>
      createBrotliDecompress(flushed(strict, constants.BROTLI_OPERATION_FLUSH)),
  ],
  [
    'zstd',
    ({ constants, createZstdDecompress }, _, strict) =>
      createZstdDecompress(flushed(strict, constants.ZSTD_e_flush)),
  ],
]);

/** Whether there is a decoder for a coding. */
export function isDecodable(coding: string): boolean {
  return DECODERS.has(coding);
}

/**
 * A decoder for one coding.
 * @param begin the first bytes, where they are known: "deflate" may stand for two formats
 * @param strict what is cut off is an error; else it is decoded as far as it goes
 * @returns undefined for a coding that is not known
 */
export function decoderOf(coding: string, begin: Buffer, strict: boolean): Transform | undefined {
  return DECODERS.get(coding)?.(zlib(), begin, strict);
}

/** Some servers send the bare format where "deflate" means zlib's (RFC 9110 8.4.1.2). */
function isRaw(begin: Buffer): boolean {
  if (begin.length < 2) return false;
  const check = begin.readUInt16BE();
  return (check >> 8) % 16 !== ZLIB_METHOD || check % ZLIB_CHECK !== 0;
}
