// Holds the beginning of an answer's body while it is decided whether the client gets it: the
// bounded prefix of an error, or a stream up to its first real event. The bytes stay as they came;
// decoding works on a copy.

import type { ZlibOptions } from 'node:zlib';
import { fieldValue } from '../../policy/headers.ts';
import { type Deadlines, Waiter } from '../../upstream/deadlines.ts';
import { zlib } from '../../upstream/on-demand.ts';
import type { UpstreamAnswer } from '../../upstream/transport.ts';

/** Bytes of an answer that are looked at, of the wire's form and of the decoded copy alike. */
const HOLD_LIMIT_BYTES = 64 * 1024;
/** An error body that has not arrived by then is judged by what is there. */
export const ERROR_BODY_WAIT_MS = 5_000;

const NO_CODINGS: readonly string[] = [];

/** An answer with the part of its body that has been read so far. */
export class HeldAnswer extends Waiter {
  readonly answer: UpstreamAnswer;
  readonly #chunks: Buffer[] = [];
  /** What is held, as Latin-1, while nobody needed it as bytes. */
  #text: string | undefined;
  #bytes = 0;
  #ended = false;
  #broken = false;
  #timedOut = false;
  /** It is an event stream. */
  readonly isStream: boolean;
  #refusal = false;
  #replaced = false;
  readonly #deadlines: Deadlines;
  #isEnough: ((chunk: Buffer) => boolean) | undefined;
  #onData: ((chunk: Buffer) => void) | undefined;
  #done: (() => void) | undefined;

  constructor(answer: UpstreamAnswer, deadlines: Deadlines, isStream = false) {
    super();
    this.answer = answer;
    this.isStream = isStream;
    this.#deadlines = deadlines;
    if (answer.text !== undefined) {
      this.#text = answer.text;
      this.#bytes = answer.text.length;
      this.#ended = true;
      return;
    }
    if (answer.whole !== undefined) {
      if (answer.whole.length > 0) this.#chunks.push(answer.whole);
      this.#bytes = answer.whole.length;
      this.#ended = true;
      return;
    }
    // They stay for good: a held answer may break while another attempt runs, and a body whose last
    // byte was read with its end in the same packet ends although it is paused.
    const onBroken = (): void => this.#broke();
    answer.body
      .on('end', () => this.#end())
      .on('error', onBroken)
      .on('close', onBroken);
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The body has ended as a whole: nothing is left to read. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The body broke off: nothing is left to read. */
  get broken(): boolean {
    return this.#broken;
  }

  /** The last hold ended because its time was up. */
  get timedOut(): boolean {
    return this.#timedOut;
  }

  /** It is an error, whatever its status: what it quotes may be the key. */
  get refusal(): boolean {
    return this.#refusal;
  }

  /** The bytes are no longer the upstream's own. */
  get replaced(): boolean {
    return this.#replaced;
  }

  /** Notes that the answer is an error, by its status or by a stream's first event. */
  markRefusal(): void {
    this.#refusal = true;
  }

  /** Hands over the held bytes, which are not kept: a stream may last for hours. */
  takeChunks(): Buffer[] {
    return this.#held.splice(0);
  }

  /** Reads until a chunk is enough, the body ends, the limit is reached or the time is up. */
  fill(isEnough: (chunk: Buffer) => boolean, waitMs: number): Promise<void> {
    if (this.#ended) {
      for (const chunk of this.#held) if (isEnough(chunk)) break;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#isEnough = isEnough;
      this.#done = resolve;
      this.#deadlines.add(this, this.#deadlines.nowMs + waitMs);
      this.#onData ??= (chunk) => this.#take(chunk);
      this.answer.body.on('data', this.#onData);
    });
  }

  /** Ends a hold early, as when the client left. */
  release(): void {
    const done = this.#done;
    if (done === undefined) return;
    this.#done = undefined;
    this.#deadlines.remove(this);
    const { body } = this.answer;
    if (this.#onData !== undefined) body.off('data', this.#onData);
    body.pause();
    done();
  }

  expire(): void {
    this.#timedOut = true;
    this.release();
  }

  #take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const enough = this.#isEnough?.(chunk) === true || this.#bytes >= HOLD_LIMIT_BYTES;
    if (enough) this.release();
  }

  #end(): void {
    this.#ended = true;
    this.release();
  }

  #broke(): void {
    if (!this.#ended) this.#broken = true;
    this.release();
  }

  get #held(): Buffer[] {
    const text = this.#text;
    this.#text = undefined;
    if (text !== undefined && text !== '') this.#chunks.push(Buffer.from(text, 'latin1'));
    return this.#chunks;
  }

  /** The held bytes, decoded by Content-Encoding as far as possible; undefined: not decodable. */
  decoded(): Buffer | undefined {
    return this.#decode(false);
  }

  /**
   * The whole body, decoded in the strict sense: nothing missing, nothing that was not understood.
   * Undefined: it cannot be known what the client would read.
   */
  decodedWhole(): Buffer | undefined {
    return this.#ended ? this.#decode(true) : undefined;
  }

  /** The codings that were applied, in that order (RFC 9110 8.4). */
  get codings(): readonly string[] {
    const field = fieldValue(this.answer.rawHeaders, 'content-encoding');
    if (field === undefined) return NO_CODINGS;
    return field
      .toLowerCase()
      .split(',')
      .map((coding) => coding.trim())
      .filter((coding) => coding !== '' && coding !== 'identity');
  }

  #decode(strict: boolean): Buffer | undefined {
    let bytes: Buffer | undefined = this.raw();
    // An answer to HEAD tells the coding of a body that it does not have.
    if (bytes.length === 0) return bytes;
    const { codings } = this;
    if (codings.length > MAX_CODINGS) return undefined;
    for (let i = codings.length - 1; i >= 0 && bytes !== undefined; i -= 1) {
      bytes = decode(bytes, codings[i] as string, strict);
    }
    return bytes;
  }

  /** The held bytes as they came. */
  raw(): Buffer {
    const held = this.#held;
    return held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held);
  }

  /** The same as Latin-1: a character for each byte. */
  latin1(): string {
    return this.#text ?? this.raw().toString('latin1');
  }

  /** Puts other bytes in place of the whole body; the upstream's rest is dropped. */
  replaceWith(body: Buffer): void {
    this.discard();
    this.#held.splice(0, Number.POSITIVE_INFINITY, body);
    this.#bytes = body.length;
    this.#ended = true;
    this.#replaced = true;
  }

  /** Gives the answer up; its connection is only kept when nothing of the body is left on it. */
  discard(): void {
    this.release();
    if (!this.#ended) this.answer.body.destroy();
  }
}

/** A decoded copy grows no larger than this; error bodies are far smaller. */
const MAX_DECODED_BYTES = 1024 * 1024;
/** Nobody encodes more often in earnest. */
export const MAX_CODINGS = 3;

/**
 * Undoes one coding of a copy.
 * @param strict false: the bytes may be cut off, and what follows the cut is simply missing
 */
function decode(raw: Buffer, coding: string, strict: boolean): Buffer | undefined {
  const { constants, brotliDecompressSync, gunzipSync, zstdDecompressSync } = zlib();
  const { Z_SYNC_FLUSH, BROTLI_OPERATION_FLUSH, ZSTD_e_flush } = constants;
  const limits = { maxOutputLength: MAX_DECODED_BYTES };
  const zlibLimits = strict ? limits : { ...limits, finishFlush: Z_SYNC_FLUSH };
  try {
    switch (coding) {
      case 'gzip':
      case 'x-gzip':
        return gunzipSync(raw, zlibLimits);
      case 'deflate':
        return inflate(raw, zlibLimits);
      case 'br':
        return brotliDecompressSync(
          raw,
          strict ? limits : { ...limits, finishFlush: BROTLI_OPERATION_FLUSH },
        );
      case 'zstd':
        return zstdDecompressSync(raw, strict ? limits : { ...limits, finishFlush: ZSTD_e_flush });
      default:
        return undefined;
    }
  } catch {
    return undefined;
  }
}

/** "deflate" means zlib's format (RFC 9110 8.4.1.2), and some servers send the bare one. */
function inflate(raw: Buffer, limits: ZlibOptions): Buffer {
  const { inflateRawSync, inflateSync } = zlib();
  try {
    return inflateSync(raw, limits);
  } catch {
    return inflateRawSync(raw, limits);
  }
}
