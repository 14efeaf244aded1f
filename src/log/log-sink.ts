// Where log lines go: standard output or a file, one write at a time, bounded, and never thrown
// about. A disk that fails, or never answers, costs lines, never requests or the start: they are
// dropped and counted, and that is said once.

import { close, constants, open, write } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { makeDirectory } from './make-directory.ts';

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

/** How long lines wait for a file to open: a network drive that is gone never answers. */
const MAX_OPEN_MS = 2_000;

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

/** Opens a file for a sink; resolves to its descriptor. */
export type OpenFile = (path: string) => Promise<number>;

/**
 * Appends to `path`, creating it (mode 0640) and its directory, while the caller goes on. `warn`
 * hears of the first failure in a row.
 */
export function openLogFile(
  path: string,
  warn: (message: string) => void,
  openFile: OpenFile = openForAppend,
): LogSink {
  const complain = (error: Error) => warn(`log lines are lost: ${path}: ${error.message}`);
  return new Sink(undefined, () => openFile(path), complain);
}

async function openForAppend(path: string): Promise<number> {
  await makeDirectory(dirname(path));
  // Not a FileHandle, which closes itself once nobody refers to it.
  return await promisify(open)(path, APPEND, 0o640);
}

/**
 * Writes to a descriptor that somebody else opened, such as 1. A reader that has gone is not worth
 * a word.
 */
export function openLogStream(descriptor: number): LogSink {
  return new Sink(descriptor, undefined, () => {});
}

class Sink implements LogSink {
  dropped = 0;
  /** undefined: a stream, which is never opened anew. */
  readonly #open: (() => Promise<number>) | undefined;
  readonly #complain: (error: Error) => void;
  #descriptor: number | undefined;
  #queue: string[] = [];
  #queuedChars = 0;
  #busy = false;
  /** It is to be opened, anew or for the first time. */
  #stale: boolean;
  /** A call is under way that opens it: one at a time, for it may never end. */
  #opening = false;
  /** What it brought, until the write before is done. */
  #opened: number | undefined;
  #failing = false;
  #idle: (() => void)[] = [];

  constructor(
    descriptor: number | undefined,
    open: (() => Promise<number>) | undefined,
    complain: (error: Error) => void,
  ) {
    this.#descriptor = descriptor;
    this.#open = open;
    this.#stale = open !== undefined;
    this.#complain = complain;
    this.#wake();
  }

  write(line: string): void {
    if (this.#queuedChars + line.length > MAX_QUEUED_CHARS) {
      this.dropped += lineCount(line);
      return;
    }
    this.#queue.push(line);
    this.#queuedChars += line.length;
    this.#wake();
  }

  reopen(): void {
    // Never under a write in progress: its descriptor's number may already be another file's.
    this.#stale = this.#open !== undefined;
    this.#wake();
  }

  async flush(): Promise<void> {
    if (!this.#busy) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, MAX_FLUSH_MS);
    this.#idle.push(resolve);
    await promise;
    clearTimeout(timer);
  }

  #wake(): void {
    if (this.#busy || (this.#queue.length === 0 && !this.#stale)) return;
    this.#busy = true;
    setImmediate(() => this.#writeBatch());
  }

  #writeBatch(): void {
    if (this.#open !== undefined && this.#stale && !this.#opening) this.#openAnew(this.#open);
    else this.#writeQueued();
  }

  #writeQueued(): void {
    this.#takeOpened();
    const lines = this.#queue;
    this.#queue = [];
    this.#queuedChars = 0;
    if (lines.length === 0) {
      this.#rest();
    } else if (this.#descriptor === undefined) {
      this.dropped += lineCount(lines.join(''));
      if (this.#opening) this.#rest();
      else this.#later();
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
    for (const settle of this.#idle.splice(0)) settle();
    setTimeout(() => this.#writeBatch(), RETRY_MS);
  }

  /** Lines wait until it is open, or has failed, or has taken too long; until then it is busy. */
  #openAnew(open: () => Promise<number>): void {
    this.#stale = false;
    this.#opening = true;
    let isLate = false;
    const goOn = (): void => {
      if (!isLate) this.#writeQueued();
    };
    const timer = setTimeout(() => {
      this.#fail(new Error(`it did not open within ${MAX_OPEN_MS / 1000} s`));
      goOn();
      isLate = true;
    }, MAX_OPEN_MS);
    const done = (error?: Error): void => {
      clearTimeout(timer);
      this.#opening = false;
      if (error !== undefined) {
        // The old file, though renamed, still takes lines.
        this.#stale = true;
        this.#fail(error);
      }
      goOn();
    };
    open().then((descriptor) => {
      this.#opened = descriptor;
      done();
    }, done);
  }

  #takeOpened(): void {
    if (this.#opened === undefined) return;
    // Whoever does not answer would hold up the closing as well.
    if (this.#descriptor !== undefined) close(this.#descriptor, () => {});
    this.#descriptor = this.#opened;
    this.#opened = undefined;
  }

  #fail(error: Error): void {
    if (!this.#failing) this.#complain(error);
    this.#failing = true;
  }
}

const NEWLINE = 0x0a;

/** A worker sends the lines of some milliseconds as one text: what counts is how many it holds. */
function lineCount(text: string | Buffer): number {
  let count = 0;
  for (const byte of Buffer.from(text)) if (byte === NEWLINE) count += 1;
  return count;
}
