// Reads a proxy's short answers from a socket and leaves every byte after them in it, for TLS or
// HTTP to read.

import type { Socket } from 'node:net';

/** Reads while it lives; disposing it takes its listeners off the socket again. */
export class SocketReader {
  readonly #socket: Socket;
  readonly #signal: AbortSignal;
  #failure: Error | null = null;
  #wake: () => void = () => undefined;

  constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
    if (signal.aborted) this.#failure = signal.reason as Error;
    socket.on('readable', this.#onReadable);
    socket.on('error', this.#onError);
    socket.on('close', this.#onEnd);
    socket.on('end', this.#onEnd);
    signal.addEventListener('abort', this.#onAbort);
  }

  /** Exactly so many bytes. */
  async exactly(count: number): Promise<Buffer | Error> {
    for (;;) {
      const bytes = this.#socket.read(count) as Buffer | null;
      if (bytes !== null && bytes.length === count) return bytes;
      const failure = await this.#more();
      if (failure !== null) return failure;
    }
  }

  /** Everything up to and with a mark, which must come within so many bytes. */
  async until(mark: string, maxBytes: number): Promise<Buffer | Error> {
    let seen = Buffer.alloc(0);
    for (;;) {
      const chunk = this.#socket.read() as Buffer | null;
      if (chunk !== null) {
        seen = Buffer.concat([seen, chunk]);
        const at = seen.indexOf(mark);
        if (at >= 0 && at + mark.length <= maxBytes) {
          const rest = seen.subarray(at + mark.length);
          if (rest.length > 0) this.#socket.unshift(rest);
          return seen.subarray(0, at + mark.length);
        }
        if (seen.length > maxBytes)
          return new Error(`no end of the answer within ${maxBytes} bytes`);
        continue;
      }
      const failure = await this.#more();
      if (failure !== null) return failure;
    }
  }

  [Symbol.dispose](): void {
    this.#socket.off('readable', this.#onReadable);
    this.#socket.off('error', this.#onError);
    this.#socket.off('close', this.#onEnd);
    this.#socket.off('end', this.#onEnd);
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  #more(): Promise<Error | null> {
    if (this.#failure !== null) return Promise.resolve(this.#failure);
    return new Promise((resolve) => {
      this.#wake = () => resolve(this.#failure);
    });
  }

  #fail(failure: Error): void {
    this.#failure ??= failure;
    this.#wake();
  }

  readonly #onReadable = (): void => this.#wake();
  readonly #onError = (error: Error): void => this.#fail(error);
  readonly #onEnd = (): void => this.#fail(new Error('the connection was closed'));
  readonly #onAbort = (): void => this.#fail(this.#signal.reason as Error);
}
