// Moves an answer's body to the client: bytes as they come, backpressure both ways, no re-framing
// of events. Silence has its limits; a fault in mid-body breaks the client's connection, so that
// truncation shows.

import type { ServerResponse } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import { redactExact } from '../../policy/redact.ts';
import { trailerPairs } from '../../policy/trailers.ts';
import type { FaultCode } from '../../policy/verdict.ts';
import { passedOn } from '../../upstream/bulk-memory.ts';
import { type Deadlines, Waiter } from '../../upstream/deadlines.ts';
import type { Exchange } from '../exchange.ts';
import type { HeldAnswer } from './held-answer.ts';
import { RelayedResponse } from './relayed-response.ts';

/** The time an answer is given once it has begun, in milliseconds. */
export interface RelayLimits {
  /** Longest silence of the upstream. */
  readonly idleTimeoutMs: number;
  /** Longest time the client may leave bytes unread (SERVER_WRITE_TIMEOUT). */
  readonly writeTimeoutMs: number;
  /** When the whole answer must be complete; Infinity for streams. Coarse monotonic time. */
  readonly totalDueMs: number;
}

/**
 * One body on its way. `run` ends with the exchange; `fault` then says what broke it, if anything.
 */
export class Relay extends Waiter {
  fault: FaultCode | undefined;
  readonly #exchange: Exchange;
  readonly #held: HeldAnswer;
  readonly #response: ServerResponse;
  readonly #sink: Writable;
  readonly #deadlines: Deadlines;
  readonly #limits: RelayLimits;
  /** The leased key, which must not go out in a trailer either. */
  readonly #key: string;
  /** Bytes still to come by Content-Length; NaN when the length is not known. */
  #bytesLeft = Number.NaN;
  #lastMoveMs = 0;
  #clientSlow = false;
  #allSent = false;

  constructor(
    exchange: Exchange,
    held: HeldAnswer,
    sink: Writable,
    timing: { deadlines: Deadlines; limits: RelayLimits; key: string },
  ) {
    super();
    this.#exchange = exchange;
    this.#held = held;
    this.#response = exchange.response;
    this.#sink = sink;
    this.#deadlines = timing.deadlines;
    this.#limits = timing.limits;
    this.#key = timing.key;
  }

  /**
   * Sends what is held, then the rest, and waits until the exchange is over.
   * @param contentLength the body's length when it goes to the response as it is, else NaN
   */
  async run(contentLength: number): Promise<void> {
    this.#bytesLeft = contentLength;
    using _ = this.#exchange.whenClientLeaves(this.#onClientLeft);
    this.#sink.on('drain', this.#onDrain);
    if (!this.#exchange.clientLeft) this.#begin();
    await this.#exchange.closed;
    this.#deadlines.remove(this);
  }

  /** All has been written, and the client has not taken it all yet: it has its time for that. */
  async awaitReader(): Promise<void> {
    using _ = this.#exchange.whenClientLeaves(this.#onClientLeft);
    this.#awaitClient();
    await this.#exchange.closed;
    this.#deadlines.remove(this);
  }

  #begin(): void {
    const { ended, broken } = this.#held;
    const chunks = this.#held.takeChunks();
    for (const chunk of chunks) this.#onData(chunk);
    if (ended) this.#onEnd();
    else if (broken) this.#break('reset');
    else this.#readOn(chunks.length === 0);
  }

  #readOn(nothingSent: boolean): void {
    // A stream's client waits for the header; a document's gets it with the first bytes, in one
    // write.
    if (nothingSent && !Number.isFinite(this.#bytesLeft)) this.#response.flushHeaders();
    this.#moved();
    this.#deadlines.add(this, this.#nextDue());
    const body = this.#body;
    body.on('data', this.#onData).on('end', this.#onEnd);
    body.on('error', this.#onError).on('close', this.#onError);
    if (!this.#clientSlow) body.resume();
  }

  /** Made on demand: an answer that came as a whole has no use for it. */
  get #body(): Readable {
    return this.#held.answer.body;
  }

  readonly #onData = (chunk: Buffer): void => {
    const exchange = this.#exchange;
    if (exchange.firstByteMs < 0) {
      exchange.firstByteMs = this.#deadlines.touch() - exchange.startMs;
    }
    exchange.bytesOut += chunk.length;
    exchange.reader?.push(chunk);
    this.#lastMoveMs = this.#deadlines.nowMs;
    this.#bytesLeft -= chunk.length;
    // The last byte is known to be the last: header, body and end leave in one write.
    if (this.#bytesLeft === 0 && this.#held.answer.trailers().length === 0) this.#sink.end(chunk);
    else if (!this.#write(chunk)) {
      this.#clientSlow = true;
      if (!this.#held.ended) this.#body.pause();
    }
    passedOn(chunk.length);
  };

  #write(chunk: Buffer): boolean {
    const sink = this.#sink;
    return sink instanceof RelayedResponse ? sink.writeRelayed(chunk) : sink.write(chunk);
  }

  readonly #onDrain = (): void => {
    this.#clientSlow = false;
    this.#moved();
    if (!this.#held.ended) this.#body.resume();
  };

  readonly #onEnd = (): void => {
    if (!this.#held.replaced && !this.#held.answer.complete()) this.#break('reset');
    else {
      if (!this.#sink.writableEnded) this.#finish();
      this.#awaitClient();
    }
  };

  /** The rest is the client's to read, in SERVER_WRITE_TIMEOUT and nobody else's time. */
  #awaitClient(): void {
    if (this.#response.closed) return;
    this.#allSent = true;
    this.#clientSlow = true;
    this.#moved();
    this.#deadlines.add(this, this.#nextDue());
  }

  #finish(): void {
    const trailers = this.#held.answer.trailers();
    if (trailers.length > 0 && this.#response.chunkedEncoding)
      this.#response.addTrailers(
        trailerPairs(trailers.map((value) => redactExact(value, [this.#key]))),
      );
    this.#sink.end();
  }

  readonly #onError = (): void => {
    if (!this.#held.ended && !this.#sink.writableEnded) this.#break('reset');
  };

  readonly #onClientLeft = (): void => {
    this.#deadlines.remove(this);
    // The body broke first when a fault is already known: then the client did not leave, we hung
    // up.
    this.fault ??= 'client_left';
    if (!this.#held.ended) this.#body.destroy();
    if (this.#sink !== this.#response) this.#sink.destroy();
  };

  #break(code: FaultCode): void {
    this.fault ??= code;
    if (!this.#held.ended) this.#body.destroy();
    if (this.#response.destroyed) return;
    const { socket, chunkedEncoding } = this.#response;
    // An HTTP/1.0 body that ends with the connection must not look whole; TLS shows it by itself.
    const endsWithClose = !chunkedEncoding && Number.isNaN(this.#bytesLeft);
    if (endsWithClose && socket !== null && !('encrypted' in socket)) socket.resetAndDestroy();
    else this.#response.destroy();
  }

  #moved(): void {
    this.#lastMoveMs = this.#deadlines.nowMs;
  }

  #nextDue(): number {
    const { idleTimeoutMs, writeTimeoutMs, totalDueMs } = this.#limits;
    const silence = this.#clientSlow ? writeTimeoutMs : idleTimeoutMs;
    return this.#allSent
      ? this.#lastMoveMs + silence
      : Math.min(this.#lastMoveMs + silence, totalDueMs);
  }

  /**
   * Chunks do not move the due time, they only note theirs: the sweep looks again when it is due.
   */
  expire(nowMs: number): void {
    const due = this.#nextDue();
    if (due > nowMs) {
      this.dueMs = due;
      return;
    }
    if (this.#clientSlow) {
      this.fault = 'client_left';
      this.#break('client_left');
    } else this.#break(due === this.#limits.totalDueMs ? 'total_timeout' : 'idle_timeout');
  }
}
