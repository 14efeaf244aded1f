// A text as the bytes that it came as, to be searched for names: a byte is looked at in half the
// time that a character takes, and four of them at once in no more. Its memory is used again.

/** Stands behind the last byte; what is compared there may reach into bytes of an earlier text. */
export const END = 0;
const MAX_WORD_BYTES = 64;
const STEP = 4;

/** Bytes that are looked for, as a text has them. */
export class Word {
  readonly bytes: Buffer;
  /** Four at a time; the last ones may be counted twice. */
  readonly #steps: Int32Array;

  /** @param text 4 to 64 characters of Latin-1 */
  constructor(text: string) {
    this.bytes = Buffer.from(text, 'latin1');
    const { length } = this.bytes;
    if (length < STEP || length > MAX_WORD_BYTES) throw new RangeError(`no word: ${text}`);
    this.#steps = Int32Array.from({ length: Math.ceil(length / STEP) }, (_, step) =>
      this.bytes.readInt32LE(Math.min(step * STEP, length - STEP)),
    );
  }

  /** Whether it stands at a place of the text. */
  standsAt(text: ByteText, at: number): boolean {
    const { view } = text;
    const steps = this.#steps;
    const last = steps.length - 1;
    for (let step = 0; step < last; step += 1) {
      if (view.getInt32(at + step * STEP, true) !== steps[step]) return false;
    }
    return view.getInt32(at + this.bytes.length - STEP, true) === steps[last];
  }
}

/** One text after the other, each overwriting the one before. */
export class ByteText {
  readonly bytes: Buffer;
  /** The same memory. */
  readonly view: DataView;
  readonly #maxChars: number;
  /** Bytes that count. */
  length = 0;

  /** @param maxChars so much of a text is taken, from its beginning */
  constructor(maxChars: number) {
    this.#maxChars = maxChars;
    const memory = new ArrayBuffer(maxChars + MAX_WORD_BYTES);
    this.bytes = Buffer.from(memory);
    this.view = new DataView(memory);
  }

  /** @param text Latin-1, as which any bytes can be read */
  load(text: string): void {
    this.length = this.bytes.write(text, 0, this.#maxChars, 'latin1');
    this.bytes[this.length] = END;
  }
}
