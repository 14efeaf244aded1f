// Reads along as an answer passes, without holding or changing a byte: keeps a copy of its
// beginning and of its end, where it says what it made and what it used. Encoded answers are
// decoded from a copy, off the event loop. What the bytes mean is the caller's affair.

import type { Transform } from 'node:stream';
import { decoderOf } from './decoder.ts';

/** Of the beginning: what a stream says first, and the id of what was made. */
const HEAD_BYTES = 4 * 1024;
/** Of the end: usage stands last, or nearly so, in documents and streams alike. */
const TAIL_BYTES = 16 * 1024;
/** Memory of readers that have finished, for the next ones: to make it costs more than its use. */
const MAX_SPARE = 64;
const spare: Buffer[] = [];
const NOTHING = Buffer.alloc(0);
/** Encoded bytes that wait to be decoded; with more the reading is given up. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** Decoded bytes of one answer; beyond it the reading is given up. */
const MAX_DECODED_BYTES = 64 * 1024 * 1024;

export class AnswerReader {
  /** The first HEAD_BYTES, and behind them the last TAIL_BYTES, going round. */
  #memory: Buffer | undefined;
  #bytes = 0;
  readonly #decoder: Transform | undefined;
  #isLost = false;

  private constructor(decoder: Transform | undefined) {
    this.#decoder = decoder;
    decoder?.on('data', (chunk: Buffer) => {
      if (this.#isLost) return;
      this.#keep(chunk);
      if (this.#bytes > MAX_DECODED_BYTES) this.#giveUp();
    });
    decoder?.on('error', () => this.#giveUp());
  }

  /** @returns undefined when the codings are not to be understood */
  static of(codings: readonly string[]): AnswerReader | undefined {
    if (codings.length === 0) return new AnswerReader(undefined);
    const decoder = codings.length === 1 ? decoderOf(codings[0] ?? '', NOTHING, false) : undefined;
    return decoder === undefined ? undefined : new AnswerReader(decoder);
  }

  /** The next bytes of the answer, as they came. */
  push(chunk: Buffer): void {
    const decoder = this.#decoder;
    if (decoder === undefined) {
      this.#keep(chunk);
      return;
    }
    if (this.#isLost) return;
    if (decoder.writableLength > MAX_WAITING_BYTES) this.#giveUp();
    else decoder.write(Buffer.from(chunk));
  }

  /** The answer is over, or broke off: `read` gets its beginning and its end, once. */
  finish(read: (head: string, tail: string) => void): void {
    const decoder = this.#decoder;
    if (decoder === undefined || this.#isLost) {
      this.#tell(read);
      return;
    }
    let isRead = false;
    const once = (): void => {
      if (isRead) return;
      isRead = true;
      this.#isLost = true;
      this.#tell(read);
      decoder.destroy();
    };
    // What was cut off is decoded as far as it goes.
    decoder.once('end', once).once('close', once);
    decoder.end();
  }

  #keep(chunk: Buffer): void {
    this.#memory ??= spare.pop() ?? Buffer.allocUnsafeSlow(HEAD_BYTES + TAIL_BYTES);
    const before = this.#bytes;
    this.#bytes += chunk.length;
    if (before < HEAD_BYTES) chunk.copy(this.#memory, before, 0, HEAD_BYTES - before);
    const last = chunk.length > TAIL_BYTES ? chunk.subarray(-TAIL_BYTES) : chunk;
    const at = (this.#bytes - last.length) % TAIL_BYTES;
    const room = TAIL_BYTES - at;
    // This costs half of what `copy` does, and few chunks need to be split.
    if (last.length <= room) this.#memory.set(last, HEAD_BYTES + at);
    else {
      last.copy(this.#memory, HEAD_BYTES + at, 0, room);
      last.copy(this.#memory, HEAD_BYTES, room);
    }
  }

  /** Tells beginning and end, and lets go of them. */
  #tell(read: (head: string, tail: string) => void): void {
    const memory = this.#memory;
    const bytes = this.#bytes;
    if (memory === undefined) {
      read('', '');
      return;
    }
    const head = memory.toString('latin1', 0, Math.min(bytes, HEAD_BYTES));
    let tail = head;
    if (bytes > TAIL_BYTES) {
      const at = HEAD_BYTES + (bytes % TAIL_BYTES);
      tail = memory.toString('latin1', at) + memory.toString('latin1', HEAD_BYTES, at);
    } else if (bytes > HEAD_BYTES) tail = memory.toString('latin1', HEAD_BYTES, HEAD_BYTES + bytes);
    this.#release();
    read(head, tail);
  }

  #release(): void {
    if (this.#memory !== undefined && spare.length < MAX_SPARE) spare.push(this.#memory);
    this.#memory = undefined;
    this.#bytes = 0;
  }

  #giveUp(): void {
    this.#isLost = true;
    this.#release();
    this.#decoder?.destroy();
  }
}
