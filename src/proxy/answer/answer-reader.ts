// Reads along as an answer passes, without holding or changing a byte: keeps a copy of its
// beginning and of its end, where it says what it made and what it used. Encoded answers are
// decoded from a copy, off the event loop. What the bytes mean is the caller's affair.

import type { Transform } from 'node:stream';
import zlib from 'node:zlib';

/** Of the beginning: what a stream says first, and the id of what was made. */
const HEAD_BYTES = 4 * 1024;
/** Of the end: usage stands last, or nearly so, in documents and streams alike. */
const TAIL_BYTES = 16 * 1024;
/** Encoded bytes that wait to be decoded; with more the reading is given up. */
const MAX_WAITING_BYTES = 1024 * 1024;
/** Decoded bytes of one answer; beyond it the reading is given up. */
const MAX_DECODED_BYTES = 64 * 1024 * 1024;

export class AnswerReader {
  #whole: string | undefined;
  #head: Buffer | undefined;
  /** The last TAIL_BYTES, going round. */
  #ring: Buffer | undefined;
  #bytes = 0;
  readonly #decoder: Transform | undefined;
  #isLost = false;

  private constructor(decoder: Transform | undefined) {
    this.#decoder = decoder;
    decoder?.on('data', (chunk: Buffer) => {
      this.#keep(chunk);
      if (this.#bytes > MAX_DECODED_BYTES) this.#giveUp();
    });
    decoder?.on('error', () => this.#giveUp());
  }

  /** @returns undefined when the codings are not to be understood */
  static of(codings: readonly string[]): AnswerReader | undefined {
    if (codings.length === 0) return new AnswerReader(undefined);
    const decoder = codings.length === 1 ? decoderOf(codings[0] ?? '') : undefined;
    return decoder === undefined ? undefined : new AnswerReader(decoder);
  }

  /** The whole answer, as its bytes' Latin-1 text, that the caller has made anyway. */
  pushWhole(text: string): void {
    if (this.#decoder === undefined) this.#whole = text;
    else this.push(Buffer.from(text, 'latin1'));
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
    if (this.#whole !== undefined) {
      read(this.#whole, this.#whole);
      return;
    }
    const decoder = this.#decoder;
    if (decoder === undefined || this.#isLost) {
      read(this.#headText(), this.#tailText());
      return;
    }
    let isRead = false;
    const once = (): void => {
      if (isRead) return;
      isRead = true;
      read(this.#headText(), this.#tailText());
      decoder.destroy();
    };
    // What was cut off is decoded as far as it goes.
    decoder.once('end', once).once('close', once);
    decoder.end();
  }

  #keep(chunk: Buffer): void {
    const before = this.#bytes;
    this.#bytes += chunk.length;
    if (before < HEAD_BYTES) {
      const head = chunk.subarray(0, HEAD_BYTES - before);
      this.#head = this.#head === undefined ? Buffer.from(head) : Buffer.concat([this.#head, head]);
    }
    if (this.#bytes <= HEAD_BYTES) return;
    this.#ring ??= this.#newRing();
    const last = chunk.length > TAIL_BYTES ? chunk.subarray(-TAIL_BYTES) : chunk;
    const at = (this.#bytes - last.length) % TAIL_BYTES;
    const room = TAIL_BYTES - at;
    last.copy(this.#ring, at, 0, room);
    if (last.length > room) last.copy(this.#ring, 0, room);
  }

  /** What came before the ring was needed belongs to the end too. */
  #newRing(): Buffer {
    const ring = Buffer.allocUnsafeSlow(TAIL_BYTES);
    this.#head?.copy(ring);
    return ring;
  }

  #headText(): string {
    return this.#head?.toString('latin1') ?? '';
  }

  #tailText(): string {
    if (this.#ring === undefined) return this.#headText();
    if (this.#bytes <= TAIL_BYTES) return this.#ring.toString('latin1', 0, this.#bytes);
    const at = this.#bytes % TAIL_BYTES;
    return this.#ring.toString('latin1', at) + this.#ring.toString('latin1', 0, at);
  }

  #giveUp(): void {
    this.#isLost = true;
    this.#head = undefined;
    this.#ring = undefined;
    this.#bytes = 0;
    this.#decoder?.destroy();
  }
}

function decoderOf(coding: string): Transform | undefined {
  const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, ZSTD_e_flush } = zlib.constants;
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return zlib.createGunzip({ finishFlush: Z_SYNC_FLUSH });
    case 'deflate':
      return zlib.createInflate({ finishFlush: Z_SYNC_FLUSH });
    case 'br':
      return zlib.createBrotliDecompress({ finishFlush: BROTLI_OPERATION_FLUSH });
    case 'zstd':
      return zlib.createZstdDecompress({ finishFlush: ZSTD_e_flush });
    default:
      return undefined;
  }
}
