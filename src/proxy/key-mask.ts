// Keeps a key that an upstream echoed from passing in an error that is too long to be held whole.
// The mask is as long as the key, so that framing and offsets stay; nothing else is changed.

import { Transform, type TransformCallback } from 'node:stream';

const ASTERISK = 0x2a;
/** Shown of the key on either side, as in its preview. */
const SHOWN_BYTES = 4;
/** Shorter keys are masked whole. */
const MIN_SHOWN_KEY_BYTES = 13;

/** A stream of bytes in which no occurrence of the key survives, wherever chunks are cut. */
export class KeyMask extends Transform {
  readonly #key: Buffer;
  readonly #mask: Buffer;
  /** The end of what has passed, as far as it may be the beginning of the key. */
  #rest: Buffer = Buffer.alloc(0);

  constructor(key: string) {
    super();
    this.#key = Buffer.from(key);
    this.#mask = Buffer.alloc(this.#key.length, ASTERISK);
    if (this.#key.length < MIN_SHOWN_KEY_BYTES) return;
    this.#key.copy(this.#mask, 0, 0, SHOWN_BYTES);
    this.#key.copy(this.#mask, this.#key.length - SHOWN_BYTES, this.#key.length - SHOWN_BYTES);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const bytes = Buffer.concat([this.#rest, chunk]);
    for (let at = bytes.indexOf(this.#key); at >= 0; at = bytes.indexOf(this.#key, at)) {
      this.#mask.copy(bytes, at);
      at += this.#key.length;
    }
    const keep = Math.min(bytes.length, this.#key.length - 1);
    this.#rest = bytes.subarray(bytes.length - keep);
    done(null, bytes.subarray(0, bytes.length - keep));
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#rest);
  }
}
