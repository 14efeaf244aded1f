// Where log lines go: standard output or a file, one write at a time, bounded, and never thrown
// about. A disk that fails costs lines, never requests: they are dropped and counted, and that is
// said once.

import { closeSync, constants, mkdirSync, openSync, write } from 'node:fs';
import { dirname } from 'node:path';

/** Most text that waits for a slow disk or reader; beyond it lines are dropped and counted. */
export const MAX_QUEUED_CHARS = 4 * 1024 * 1024;

/**
 * How long a descriptor that takes nothing for now (EAGAIN), or a file that does not open, is left
 * alone.
 */
const RETRY_MS = 100;

/** Without waiting for the reader of a named pipe; Windows has neither. */
const APPEND =
  constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | (constants.O_NONBLOCK ?? 0);

/** How long flush() waits for a reader that does not read. */
const MAX_FLUSH_MS = 1000;

export interface LogSink {
  /**
   * Queues one line or several; returns at once, never throws. Lines of one tick are written
   * together.
   */
  write(line: string): void;
  /** Opens the file anew, after something else renamed it (SIGHUP). Nothing to do for a stream. */
  reopen(): void;
  /**
   * Settles when what is queued is written or lost, after a second at the latest. Never rejects.
   */
  flush(): Promise<void>;
  /** Lines (not writes) lost to a full queue or a failing disk. */
  readonly dropped: number;
}

/**
 * Appends to `path`, creating it (mode 0640) and its directory. `warn` hears of the first failure
 * in a row.
 */
export function openLogFile(path: string, warn: (message: string) => void): LogSink {
  const open = () => {
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, APPEND, 0o640);
  };
  const complain = (error: Error) => warn(`log lines are lost: ${path}: ${error.message}`);
  return new Sink(open, complain);
}

/**
 * Writes to a descriptor that somebody else opened, such as 1. A reader that has gone is not worth
 * a word.
 */
export function openLogStream(descriptor: number): LogSink {
  return new Sink(
    () => descriptor,
    () => {},
  );
}

class Sink implements LogSink {
  dropped = 0;
  readonly #open: () => number;
  readonly #complain: (error: Error) => void;
  #descriptor: number | undefined;
  #queue: string[] = [];
  #queuedChars = 0;
  #busy = false;
  #stale = true;
  #failing = false;
  #idle: (() => void)[] = [];

  constructor(open: () => number, complain: (error: Error) => void) {
    this.#open = open;
    this.#complain = complain;
    this.#openAnew();
  }

  write(line: string): void {
    if (this.#queuedChars + line.length > MAX_QUEUED_CHARS) {
      this.dropped += lineCount(line);
      return;
    }
    this.#queue.push(line);
    this.#queuedChars += line.length;
    if (this.#busy) return;
    this.#busy = true;
    setImmediate(() => this.#writeBatch());
  }

  reopen(): void {
    this.#stale = true;
    // Never under a write in progress: its descriptor's number may already be another file's.
    if (!this.#busy) this.#openAnew();
  }

  async flush(): Promise<void> {
    if (!this.#busy) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, MAX_FLUSH_MS);
    this.#idle.push(resolve);
    await promise;
    clearTimeout(timer);
  }

  #writeBatch(): void {
    if (this.#stale) this.#openAnew();
    const lines = this.#queue;
    this.#queue = [];
    this.#queuedChars = 0;
    if (lines.length === 0) {
      this.#rest();
    } else if (this.#descriptor === undefined) {
      this.dropped += lineCount(lines.join(''));
      this.#later();
    } else {
      this.#writeAll(this.#descriptor, Buffer.from(lines.join('')));
    }
  }

  #writeAll(descriptor: number, bytes: Buffer): void {
    write(descriptor, bytes, 0, bytes.length, null, (error, written) => {
      if (error === null) {
        this.#failing = false;
        if (written < bytes.length) this.#writeAll(descriptor, bytes.subarray(written));
        else this.#writeBatch();
      } else if (error.code === 'EAGAIN') {
        setTimeout(() => this.#writeAll(descriptor, bytes), RETRY_MS);
      } else {
        this.dropped += lineCount(bytes);
        this.#fail(error);
        this.#writeBatch();
      }
    });
  }

  /** Nothing left to write. */
  #rest(): void {
    this.#busy = false;
    for (const settle of this.#idle.splice(0)) settle();
  }

  /** The file does not open: queue for a while, then try again. */
  #later(): void {
    this.#stale = true;
    for (const settle of this.#idle.splice(0)) settle();
    setTimeout(() => this.#writeBatch(), RETRY_MS);
  }

  #openAnew(): void {
    const old = this.#descriptor;
    try {
      this.#descriptor = this.#open();
      this.#stale = false;
      if (old !== undefined && old !== this.#descriptor) closeSync(old);
    } catch (error) {
      // The old file, though renamed, still takes lines.
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    if (!this.#failing) this.#complain(error);
    this.#failing = true;
  }
}

const NEWLINE = 0x0a;

/** A worker sends the lines of one tick as one text: what counts is how many it holds. */
function lineCount(text: string | Buffer): number {
  let count = 0;
  for (const byte of Buffer.from(text)) if (byte === NEWLINE) count += 1;
  return count;
}
