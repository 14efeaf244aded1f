// A TCP connection that lends what it reads instead of giving it away. For each read of any other
// socket Node allocates 64 KiB, gives back what was not filled, and wraps the rest: 2 us of 60 that
// a request costs. Here all connections of a thread read into one piece of memory. What comes in
// bulk is still read into memory of its own, so that nobody has to copy it.

import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';

/** Bytes read at once at most, as Node reads them. */
const READ_BYTES = 64 * 1024;
/** After a read of so many bytes the next one is into memory of its own. */
const BULK_BYTES = 16 * 1024;
/** It is given away when so much of it was filled; less is lent, and copied if it is kept. */
const FILLED_BYTES = READ_BYTES / 2;

/** Who reads a connection's bytes as they come. */
export interface ByteReader {
  /** More is expected. */
  readonly isReading: boolean;
  /** @param isLent the bytes are valid only until this call returns */
  read(chunk: Buffer, isLent: boolean): void;
}

/** A socket whose bytes go to its reader, and without one into the stream. */
export interface LendingSocket extends Socket {
  reader: ByteReader | undefined;
}

let shared: Buffer | undefined;

/** Like node:net's `connect`; the socket lends to whoever is made its reader. */
export function connectLending(options: TcpNetConnectOpts): LendingSocket {
  shared ??= Buffer.allocUnsafeSlow(READ_BYTES);
  const memory = new ReadMemory(shared);
  const buffer = (): Uint8Array => memory.next() as Uint8Array;
  const callback = (length: number): boolean => {
    const chunk = memory.current.subarray(0, length);
    const isLent = memory.lends(length);
    const { reader } = socket;
    if (reader === undefined) return socket.push(isLent ? Buffer.from(chunk) : chunk);
    reader.read(chunk, isLent);
    memory.prepare(length, isLent, reader.isReading);
    return true;
  };
  const socket = connect({ ...options, onread: { buffer, callback } }) as LendingSocket;
  socket.reader = undefined;
  return socket;
}

/** What one connection is read into. */
class ReadMemory {
  readonly #shared: Buffer;
  current: Buffer;
  #isTold = false;

  constructor(shared: Buffer) {
    this.#shared = shared;
    this.current = shared;
  }

  /** Whether a read of so many bytes is lent, or given away. */
  lends(length: number): boolean {
    return this.current === this.#shared || length < FILLED_BYTES;
  }

  /** Decides what the next read is into: an idle connection keeps no memory of its own. */
  prepare(length: number, wasLent: boolean, isReading: boolean): void {
    const isOwn = this.current !== this.#shared;
    if (length >= BULK_BYTES && isReading) {
      if (isOwn && wasLent) return;
      this.current = Buffer.allocUnsafeSlow(READ_BYTES);
    } else if (isOwn) this.current = this.#shared;
    else return;
    this.#isTold = false;
  }

  /** Node asks before the first read and after each one; undefined: nothing has changed. */
  next(): Buffer | undefined {
    if (this.#isTold) return undefined;
    this.#isTold = true;
    return this.current;
  }
}

/** Whether a socket can lend. */
export function isLending(socket: Socket): socket is LendingSocket {
  return 'reader' in socket;
}
