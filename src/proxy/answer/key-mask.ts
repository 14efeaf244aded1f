// Keeps a key that an upstream echoed from passing in an error that is too long to be held whole.
// The mask is as long as the key, so that framing and offsets stay; nothing else is changed.

import { Transform, type TransformCallback } from 'node:stream';
import { writtenForms } from '../../policy/redact.ts';

const ASTERISK = 0x2a;
/** Shown of the key on either side, as in its preview. */
const SHOWN_BYTES = 4;
/** Shorter keys are masked whole. */
const MIN_SHOWN_KEY_BYTES = 13;

/** A stream of bytes in which no occurrence of the key survives, wherever chunks are cut. */
export class KeyMask extends Transform {
  readonly #needles: readonly { readonly key: Buffer; readonly mask: Buffer }[];
  readonly #longest: number;
  /** The end of what has passed, as far as it may be the beginning of the key. */
  #rest: Buffer = Buffer.alloc(0);

  constructor(key: string) {
    super();
    this.#needles = writtenForms(key).map((form) => ({
      key: Buffer.from(form),
      mask: maskOf(form),
    }));
    this.#longest = Math.max(...this.#needles.map((needle) => needle.key.length));
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const bytes = Buffer.concat([this.#rest, chunk]);
    for (const { key, mask } of this.#needles) {
      for (let at = bytes.indexOf(key); at >= 0; at = bytes.indexOf(key, at)) {
        mask.copy(bytes, at);
        at += key.length;
      }
    }
    const keep = Math.min(bytes.length, this.#longest - 1);
    this.#rest = bytes.subarray(bytes.length - keep);
    done(null, bytes.subarray(0, bytes.length - keep));
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#rest);
  }
}

function maskOf(key: string): Buffer {
  const bytes = Buffer.from(key);
  const mask = Buffer.alloc(bytes.length, ASTERISK);
  if (bytes.length < MIN_SHOWN_KEY_BYTES) return mask;
  bytes.copy(mask, 0, 0, SHOWN_BYTES);
  bytes.copy(mask, bytes.length - SHOWN_BYTES, bytes.length - SHOWN_BYTES);
  return mask;
}
