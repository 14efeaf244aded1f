// The body of an HTTP/1.1 answer that did not come as a whole with its head: bytes as the
// connection reads them, with backpressure onto its socket.

import { Readable } from 'node:stream';

/** What a body tells its connection. */
export interface BodySource {
  /** The reader wants more. */
  resumeBody(): void;
  /** The reader gave up: what is still to come is of no use, and neither is the connection. */
  abandonBody(): void;
}

export class AnswerBody extends Readable {
  #source: BodySource | undefined;

  constructor(source: BodySource | undefined) {
    super();
    this.#source = source;
  }

  override _read(): void {
    this.#source?.resumeBody();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const source = this.#source;
    this.#source = undefined;
    source?.abandonBody();
    done(error);
  }

  /**
   * Bytes of the body, to the reader itself where one waits: a stream of events is mostly that.
   * @returns false when the reader has enough for now
   */
  deliver(chunk: Buffer): boolean {
    if (this.readableFlowing !== true || this.readableLength > 0) return this.push(chunk);
    this.emit('data', chunk);
    // Never a pause from here: the stream asks for more only after what was pushed. A reader that
    // has just paused gets the next chunk by push, which says when to stop.
    return true;
  }

  /** The last byte has come: the connection is no longer this body's. */
  end(): void {
    this.#source = undefined;
    this.push(null);
  }

  /** The connection broke before the last byte came. */
  breakOff(error: Error): void {
    this.#source = undefined;
    this.destroy(error);
  }
}
