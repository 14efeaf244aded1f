// Keeps a key that an upstream echoed from passing in an error that is too long to be held whole.
// The mask is as long as the key, so that framing and offsets stay; nothing else is changed.

import { Transform, type TransformCallback } from 'node:stream';
import { writtenForms } from '../../policy/redact.ts';

/** Shown of the key on either side, as in its preview. */
const SHOWN_BYTES = 4;
/** Shorter keys are masked whole. */
const MIN_SHOWN_KEY_BYTES = 13;

/** One way to write the key, in bytes, and as many bytes to write in its place. */
interface Needle {
  readonly key: Buffer;
  readonly mask: Buffer;
}

/** A stream of bytes in which no occurrence of the key survives, wherever chunks are cut. */
export class KeyMask extends Transform {
  readonly #needles: readonly Needle[];
  readonly #longest: number;
  /** The end of what has passed, as far as it may be the beginning of the key. */
  #rest: Buffer = Buffer.alloc(0);

  constructor(key: string) {
    super();
    this.#needles = needlesFor(key);
    this.#longest = Math.max(...this.#needles.map((needle) => needle.key.length));
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const bytes = Buffer.concat([this.#rest, chunk]);
    maskAll(bytes, this.#needles);
    const keep = Math.min(bytes.length, this.#longest - 1);
    this.#rest = bytes.subarray(bytes.length - keep);
    done(null, bytes.subarray(0, bytes.length - keep));
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#rest);
  }
}

/** The same bytes where they do not have the key, else a copy that has its mask. */
export function masked(bytes: Buffer, key: string): Buffer {
  const needles = needlesFor(key);
  if (needles.every((needle) => !bytes.includes(needle.key))) return bytes;
  const copy = Buffer.from(bytes);
  maskAll(copy, needles);
  return copy;
}

function maskAll(bytes: Buffer, needles: readonly Needle[]): void {
  for (const { key, mask } of needles) {
    for (let at = bytes.indexOf(key); at >= 0; at = bytes.indexOf(key, at)) {
      mask.copy(bytes, at);
      at += key.length;
    }
  }
}

/** The key as it may be written, in UTF-8, and in UTF-16 of either order. */
function needlesFor(key: string): readonly Needle[] {
  return writtenForms(key).flatMap((form) => {
    const mask = maskOf(form);
    const [wideKey, wideMask] = [Buffer.from(form, 'utf16le'), Buffer.from(mask, 'utf16le')];
    return [
      { key: Buffer.from(form), mask: Buffer.from(mask) },
      { key: wideKey, mask: wideMask },
      { key: Buffer.from(wideKey).swap16(), mask: Buffer.from(wideMask).swap16() },
    ];
  });
}

/** Keys are ASCII (pool/keys/key-file): a character is a byte. */
function maskOf(key: string): string {
  if (key.length < MIN_SHOWN_KEY_BYTES) return '*'.repeat(key.length);
  const hidden = '*'.repeat(key.length - 2 * SHOWN_BYTES);
  return key.slice(0, SHOWN_BYTES) + hidden + key.slice(-SHOWN_BYTES);
}
