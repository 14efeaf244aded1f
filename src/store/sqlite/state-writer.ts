// When what was learned about keys goes to the state file: in batches, at most once a second, a
// batch that failed again later, and everything at the end. What to write comes from the pool.

import type { StateRow } from './state-store.ts';

/** Nothing older than this is lost by kill -9; and the file is written at most this often. */
export const WRITE_INTERVAL_MS = 1_000;
/**
 * How often an idle writer looks for changes, so that the first one after a pause is stored soon.
 */
const LOOK_INTERVAL_MS = 200;
/**
 * Rows kept for another try while the disk is full; then all rows are asked for when it works
 * again.
 */
export const MAX_UNSAVED_ROWS = 100_000;

/** Where rows come from. */
export interface StateSource {
  /**
   * Rows that changed since the last call; all that are worth keeping when `everything` is true.
   */
  changes(everything: boolean): Iterable<StateRow>;
}

/** Where they go: state-store.ts. */
export interface StateSink {
  readonly persistent: boolean;
  /** Raised when the file was replaced: all rows must be written again. */
  readonly era: number;
  write(rows: Iterable<StateRow>): boolean;
}

/** The time, and one pending call at a time: `timeout` returns what undoes it. */
export interface WriterClock {
  readonly now: () => number;
  readonly timeout: (act: () => void, delayMs: number) => () => void;
}

export class StateWriter {
  readonly #store: StateSink;
  readonly #source: StateSource;
  readonly #clock: WriterClock;
  #cancel: (() => void) | null = null;
  #unsaved: StateRow[] = [];
  /** The rows in the file are not the whole: it was replaced, or more failed than is kept. */
  #everything = false;
  #era: number;

  constructor(store: StateSink, source: StateSource, clock: WriterClock) {
    this.#store = store;
    this.#source = source;
    this.#clock = clock;
    this.#era = store.era;
  }

  /** Looks for changes from now on. Without a file there is nothing to do. */
  start(): void {
    if (this.#store.persistent && this.#cancel === null) this.#schedule(LOOK_INTERVAL_MS);
  }

  /** Writes all that is known, now. False: it could not be stored. */
  flush(): boolean {
    return this.#write() !== 'failed';
  }

  /**
   * The last batch, and the end of the writer. The store stays open: it is its opener's to close.
   */
  stop(): boolean {
    this.#cancel?.();
    this.#cancel = null;
    return this.flush();
  }

  #schedule(delayMs: number): void {
    this.#cancel = this.#clock.timeout(() => {
      const startedMs = this.#clock.now();
      const outcome = this.#write();
      const spentMs = this.#clock.now() - startedMs;
      // Counted from the start of the batch: a change during a slow write still waits only a
      // second.
      const waitMs = outcome === 'idle' ? LOOK_INTERVAL_MS : WRITE_INTERVAL_MS - spentMs;
      this.#schedule(Math.max(LOOK_INTERVAL_MS, waitMs));
    }, delayMs);
  }

  #write(): 'idle' | 'written' | 'failed' {
    if (this.#era !== this.#store.era) this.#everything = true;
    this.#era = this.#store.era;
    const rows = this.#everything ? [] : this.#unsaved;
    for (const row of this.#source.changes(this.#everything)) rows.push(row);
    this.#unsaved = [];
    if (rows.length === 0) return 'idle';
    if (this.#store.write(rows)) {
      this.#everything = false;
      return 'written';
    }
    if (rows.length > MAX_UNSAVED_ROWS) this.#everything = true;
    else this.#unsaved = rows;
    return 'failed';
  }
}
