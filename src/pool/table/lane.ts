// One lane of the key table: who is available, and when the others return, for the whole account
// (lane 0) or for one model. Holds the memory and the calendar of returns; what a status means is
// key-table.ts.
//
// Nobody is woken when a rest is over. Each block of rows knows its earliest return and the lane
// the earliest of all; the lease that finds this moment passed looks through the due blocks, a few
// microseconds each, paid for by the key that it gets back. Ticks are stored inverted: zero means
// never, so that memory needs no preparation.

import { Bitmap, bitmapBytes } from './bitmap.ts';
import { MAX_TIERS } from './key-rows.ts';
import { COOLING, DEAD, NEVER_TICK, StatusWords, stateOf } from './status-word.ts';

/** Rows that share one entry in the calendar of returns. */
export const BLOCK_ROWS = 1024;
/**
 * What one lease does at most: look through so many blocks, bring back so many rows. The next do
 * the rest.
 */
const MAX_BLOCKS_PER_SWEEP = 32;
const MAX_RETURNS_PER_SWEEP = 64;
/** Places of the words that all workers write, in 32-bit words: a cache line or two apart. */
const CURSOR = 0;
const NEXT_RETURN = 32;
const HALF_OPEN_AT = 64;
const HEADER_BYTES = 512;
/** A turn is a pass times this, plus a row: as many as there can be. */
const TURN_ROWS = 2 ** 21;
/** Passes that a turn can tell apart. */
export const MAX_PASSES = 2 ** 11;

/** Bytes of one lane of `capacity` rows, a multiple of {@link BLOCK_ROWS}. */
export function laneBytes(capacity: number): number {
  return sections(capacity).end;
}

function sections(capacity: number) {
  const words = HEADER_BYTES;
  const since = words + capacity * 8;
  const tried = since + capacity * 4;
  const available = tried + capacity * 4;
  const returns = available + MAX_TIERS * bitmapBytes(capacity);
  const reasons = returns + (capacity / BLOCK_ROWS) * 4;
  const touched = reasons + capacity;
  const end = touched + capacity / BLOCK_ROWS;
  return { words, since, tried, available, returns, reasons, touched, end };
}

export class Lane {
  readonly words: StatusWords;
  /** Rows that may be used in this lane and in lane 0, those of each tier by themselves. */
  readonly tiers: readonly Bitmap[];
  /** Those of the first tier: all of them, where no key has another. */
  readonly available: Bitmap;
  /** Index in REASONS of the last change. */
  readonly reasons: Uint8Array;
  /** Tick at which the row came into its state. */
  readonly since: Uint32Array;
  /** Tick of the last failure or probe of a dead row. */
  readonly tried: Uint32Array;
  readonly #capacity: number;
  readonly #header: Int32Array;
  readonly #returns: Int32Array;
  readonly #touched: Uint8Array;
  #sweepFrom = 0;

  constructor(buffer: SharedArrayBuffer, capacity: number) {
    const at = sections(capacity);
    this.#capacity = capacity;
    this.#header = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    this.words = new StatusWords(buffer, at.words, capacity);
    this.since = new Uint32Array(buffer, at.since, capacity);
    this.tried = new Uint32Array(buffer, at.tried, capacity);
    const tier = (n: number) => {
      return new Bitmap(buffer, at.available + n * bitmapBytes(capacity), capacity);
    };
    this.available = tier(0);
    this.tiers = Array.from({ length: MAX_TIERS }, (_, n) => (n === 0 ? this.available : tier(n)));
    this.#returns = new Int32Array(buffer, at.returns, capacity / BLOCK_ROWS);
    this.reasons = new Uint8Array(buffer, at.reasons, capacity);
    this.#touched = new Uint8Array(buffer, at.touched, capacity / BLOCK_ROWS);
  }

  /** The row whose turn it is. */
  get cursor(): number {
    return rowOfTurn(this.turn);
  }

  set cursor(row: number) {
    Atomics.store(this.#header, CURSOR, row);
  }

  /** The same with the pass over the rows in which it is: see pick.ts. */
  get turn(): number {
    return Atomics.load(this.#header, CURSOR) >>> 0;
  }

  /**
   * Gives the turn to the row after `taken`; false when another thread moved on from `turn` first.
   */
  advance(turn: number, taken: number, pass = 0): boolean {
    const next = taken + 1 === this.#capacity ? 0 : taken + 1;
    const word = pass * TURN_ROWS + next;
    return Atomics.compareExchange(this.#header, CURSOR, turn | 0, word | 0) === (turn | 0);
  }

  /**
   * Lets one caller a `period` through, over all threads: at most one half-open trial at a time.
   */
  claimHalfOpen(nowTick: number, periodTicks: number): boolean {
    const last = Atomics.load(this.#header, HALF_OPEN_AT);
    const passed = nowTick - (last >>> 0);
    if (last !== 0 && passed >= 0 && passed < periodTicks) return false;
    return Atomics.compareExchange(this.#header, HALF_OPEN_AT, last, nowTick | 0) === last;
  }

  /** Something in this lane is due to return. */
  isDue(nowTick: number): boolean {
    return readTick(this.#header, NEXT_RETURN) <= nowTick;
  }

  /** Enters a return into the calendar. */
  scheduleReturn(row: number, tick: number): void {
    const block = Math.floor(row / BLOCK_ROWS);
    this.#touched[block] = 1;
    lowerTick(this.#returns, block, tick);
    lowerTick(this.#header, NEXT_RETURN, tick);
  }

  /**
   * Calls `publish`, which says whether it changed anything, with rows that are due, some at a
   * time: while there are more, the lane stays due.
   */
  sweep(nowTick: number, publish: (row: number) => boolean): void {
    // Taken first: a return entered from now on is earlier than NEVER, and so is not lost.
    Atomics.store(this.#header, NEXT_RETURN, 0);
    const blocks = this.#returns.length;
    const start = this.#sweepFrom;
    const left = { blocks: MAX_BLOCKS_PER_SWEEP, rows: MAX_RETURNS_PER_SWEEP };
    let earliest = NEVER_TICK;
    for (let i = 0; i < blocks; i++) {
      const block = (start + i) % blocks;
      let next = readTick(this.#returns, block);
      if (next <= nowTick && left.blocks > 0 && left.rows > 0) {
        left.blocks--;
        this.#sweepFrom = block;
        Atomics.store(this.#returns, block, 0);
        next = this.#sweepBlock(block, nowTick, (row) => {
          if (publish(row)) left.rows--;
          return left.rows > 0;
        });
        if (next !== NEVER_TICK) lowerTick(this.#returns, block, next);
      }
      earliest = Math.min(earliest, next);
    }
    if (earliest !== NEVER_TICK) lowerTick(this.#header, NEXT_RETURN, earliest);
  }

  /**
   * Gives due rows of a block to `take` until it has enough; the tick of the next return in the
   * block.
   */
  #sweepBlock(block: number, nowTick: number, take: (row: number) => boolean): number {
    const { halves } = this.words;
    const end = (block + 1) * BLOCK_ROWS;
    let next = NEVER_TICK;
    for (let row = block * BLOCK_ROWS; row < end; row++) {
      const state = stateOf(halves[2 * row] ?? 0);
      if (state !== COOLING && state !== DEAD) continue;
      const tick = (halves[2 * row + 1] ?? 0) >>> 0;
      if (tick > nowTick) next = Math.min(next, tick);
      else if (!take(row)) return nowTick;
    }
    return next;
  }

  /**
   * Calls `visit` with each row that may not be ready: rows of blocks in which none ever rested are
   * left out.
   */
  visitResting(rowCount: number, visit: (row: number) => void): void {
    for (let block = 0; block < this.#touched.length; block++) {
      if (this.#touched[block] === 0) continue;
      const end = Math.min(rowCount, (block + 1) * BLOCK_ROWS);
      for (let row = block * BLOCK_ROWS; row < end; row++) {
        if (stateOf(this.words.halves[2 * row] ?? 0) !== 0) visit(row);
      }
    }
  }

  /** Whether any row has yet to return. */
  hasRests(nowTick: number): boolean {
    let found = false;
    this.visitResting(this.#capacity, (row) => {
      found ||= this.words.tick(row) > nowTick;
    });
    return found;
  }

  /**
   * Forgets everything, touching only memory that was used. For a lane that no one uses any more.
   */
  wipe(): void {
    for (const tier of this.tiers) tier.clear();
    for (let block = 0; block < this.#touched.length; block++) {
      if (this.#touched[block] === 0) continue;
      const start = block * BLOCK_ROWS;
      this.words.halves.fill(0, 2 * start, 2 * (start + BLOCK_ROWS));
      this.#touched[block] = 0;
    }
    this.#returns.fill(0);
    this.#header.fill(0);
  }
}

export function rowOfTurn(turn: number): number {
  return turn % TURN_ROWS;
}

export function passOfTurn(turn: number): number {
  return Math.floor(turn / TURN_ROWS);
}

function readTick(ticks: Int32Array, index: number): number {
  return ~Atomics.load(ticks, index) >>> 0;
}

/** Lowers a stored tick to `tick` unless it is lower already. */
function lowerTick(ticks: Int32Array, index: number, tick: number): void {
  let current = Atomics.load(ticks, index);
  while (~current >>> 0 > tick) {
    const seen = Atomics.compareExchange(ticks, index, current, ~tick);
    if (seen === current) return;
    current = seen;
  }
}
