// Reads a socket piece by piece: up to a mark, exactly n bytes, or a chunked body. Both raw ends
// stand on it. It keeps what arrived early and knows how the connection ended; meaning is left to
// its users.

import type { Socket } from 'node:net';

export interface ChunkedBody {
  readonly body: Buffer;
  /** Trailer fields as received, one a line. */
  readonly trailers: string[];
  /** Sizes of the chunks, to see whether framing was kept. */
  readonly sizes: number[];
}

/** Thrown when the connection ended in the middle of what was asked for. */
export class EndedEarly extends Error {
  /** What had arrived. */
  readonly partial: Buffer;
  constructor(partial: Buffer, reset: boolean) {
    super(`the connection ${reset ? 'was reset' : 'ended'} after ${partial.length} bytes`);
    this.partial = partial;
  }
}

export class ByteReader {
  readonly #socket: Socket;
  #buffered: Buffer[] = [];
  #bufferedBytes = 0;
  #ended = false;
  #reset = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#buffered.push(chunk);
      this.#bufferedBytes += chunk.length;
      this.#wake();
    });
    const end = () => {
      this.#ended = true;
      this.#wake();
    };
    socket.once('error', () => {
      this.#reset = true;
    });
    socket.once('end', end);
    socket.once('close', end);
  }

  get ended(): boolean {
    return this.#ended;
  }

  get wasReset(): boolean {
    return this.#reset;
  }

  /** Stops taking bytes from the socket, so that the other side feels backpressure. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /**
   * Everything up to and including the mark; undefined when the connection ends cleanly before its
   * first byte.
   */
  async until(mark: string): Promise<Buffer | undefined> {
    for (;;) {
      const all = this.#joined();
      const at = all.indexOf(mark, 0, 'latin1');
      if (at !== -1) return this.#take(at + mark.length);
      if (this.#ended && all.length === 0 && !this.#reset) return undefined;
      await this.#more();
    }
  }

  async exactly(count: number): Promise<Buffer> {
    while (this.#bufferedBytes < count) await this.#more();
    return this.#take(count);
  }

  /** All bytes until the other side ends the connection, reset or not. */
  async rest(): Promise<Buffer> {
    while (!this.#ended) await new Promise<void>((resolve) => this.#waitFor(resolve));
    return this.#take(this.#bufferedBytes);
  }

  /** What is there now, at least one byte; empty only at the end. */
  async some(): Promise<Buffer> {
    while (this.#bufferedBytes === 0 && !this.#ended) {
      await new Promise<void>((resolve) => this.#waitFor(resolve));
    }
    return this.#take(this.#bufferedBytes);
  }

  async chunked(): Promise<ChunkedBody> {
    const parts: Buffer[] = [];
    const sizes: number[] = [];
    try {
      for (;;) {
        const size = Number.parseInt((await this.#line()).split(';')[0] ?? '', 16);
        if (size === 0) break;
        sizes.push(size);
        parts.push(await this.exactly(size));
        await this.exactly(2);
      }
      const trailers: string[] = [];
      for (let line = await this.#line(); line !== ''; line = await this.#line()) {
        trailers.push(line);
      }
      return { body: Buffer.concat(parts), trailers, sizes };
    } catch (error) {
      if (!(error instanceof EndedEarly)) throw error;
      throw new EndedEarly(Buffer.concat([...parts, error.partial]), this.#reset);
    }
  }

  async #line(): Promise<string> {
    const line = await this.until('\r\n');
    if (line === undefined) throw new EndedEarly(Buffer.alloc(0), this.#reset);
    return line.subarray(0, -2).toString('latin1');
  }

  async #more(): Promise<void> {
    if (this.#ended) throw new EndedEarly(this.#take(this.#bufferedBytes), this.#reset);
    await new Promise<void>((resolve) => this.#waitFor(resolve));
  }

  #waitFor(resolve: () => void): void {
    this.#wake = resolve;
  }

  #joined(): Buffer {
    if (this.#buffered.length > 1) this.#buffered = [Buffer.concat(this.#buffered)];
    return this.#buffered[0] ?? Buffer.alloc(0);
  }

  #take(count: number): Buffer {
    const all = this.#joined();
    const rest = all.subarray(count);
    this.#buffered = rest.length > 0 ? [rest] : [];
    this.#bufferedBytes = rest.length;
    return all.subarray(0, count);
  }
}
