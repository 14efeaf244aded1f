// A client's request whose short body can be taken as it came. Node makes a stream of every body: a
// buffer, an end and a close, and four turns to tell of them. Most bodies come with their head, and
// are wanted as a whole.

import { IncomingMessage } from 'node:http';

/** What Node itself does to a request without a body (`optimizeEmptyRequests`). */
interface Inner {
  /** Neither bytes nor an end are awaited any more. */
  _dumpAndCloseReadable(): void;
}

/** A Node without it makes a stream of every body. */
const canTake = '_dumpAndCloseReadable' in IncomingMessage.prototype;

/** A request to a server of ours. */
export class ReceivedRequest extends IncomingMessage {
  #isHeld = false;
  #chunk: Buffer | undefined;
  #isOver = false;

  /**
   * The body is kept from the stream until `takeWhole` or `letGo`. To be called before anything of
   * it was read.
   */
  hold(): void {
    this.#isHeld = canTake;
  }

  /**
   * The body, if it has come as one piece of so many bytes; the stream is over then, without
   * telling. Else what came is in the stream, and the rest will be.
   */
  takeWhole(length: number): Buffer | undefined {
    const chunk = this.#chunk;
    if (this.#isHeld && this.#isOver && chunk?.length === length) {
      this.#isHeld = false;
      this.#chunk = undefined;
      (this as unknown as Inner)._dumpAndCloseReadable();
      return chunk;
    }
    return this.letGo();
  }

  override push(chunk: Buffer | null, encoding?: BufferEncoding): boolean {
    if (this.#isHeld) {
      if (chunk === null) {
        this.#isOver = true;
        return false;
      }
      if (this.#chunk === undefined) {
        this.#chunk = chunk;
        return true;
      }
      this.letGo();
    }
    return super.push(chunk, encoding);
  }

  /** It is a stream from now on. */
  letGo(): undefined {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    if (this.#chunk !== undefined) super.push(this.#chunk);
    this.#chunk = undefined;
    if (this.#isOver) super.push(null);
  }
}
