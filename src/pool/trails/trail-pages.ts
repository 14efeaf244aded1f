// The memory that trails are written into, shared by all threads: pages, each held by one worker at
// a time. Who needs a new one takes that which only has trails that nobody asks for any more, else
// one that was never used, else the one that was left longest ago. So usual trails fill two of 16
// megabytes, and none has to be sent from thread to thread.

/** Requests that are remembered. */
export const MAX_TRAILS = 10_000;
/** What their trails may take in all, beside the pages that workers hold. */
export const MAX_TRAIL_BYTES = 16 * 1024 * 1024;

/** 32-bit words of a page: some 1,600 usual trails. */
export const PAGE_WORDS = 64 * 1024;
const PAGE_BYTES = 4 * PAGE_WORDS;
/** Where a page's content begins: before it stand the words below. */
export const PAGE_START = 16;

/** How many words of the page are written; what stands behind them is not finished. */
const USED = 0;
/** Who holds it, counted from 1; 0: nobody. */
const HOLDER = 1;
/** How often it was taken: who reads it sees by this that it has become another one. */
const TAKEN = 2;
/** The number of its last trail. */
const LAST = 3;

/** Before the pages: the number of the last trail, modulo 2^32, and how many had no room. */
const NEWEST = 0;
const DROPPED = 1;
const FRONT_WORDS = 16;

/** A page of one worker, to be written on. */
export interface Page {
  readonly index: number;
  readonly words: Uint32Array<SharedArrayBuffer>;
  /** The same memory. */
  readonly bytes: Buffer;
}

export class TrailPages {
  readonly #words: Int32Array;
  readonly #buffer: SharedArrayBuffer;
  readonly #count: number;

  constructor(buffer: SharedArrayBuffer) {
    this.#buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#count = (this.#words.length - FRONT_WORDS) / PAGE_WORDS;
  }

  /** Memory that the system gives only as far as it is written on. */
  static create(workers: number): SharedArrayBuffer {
    const bytes = MAX_TRAIL_BYTES + workers * PAGE_BYTES;
    return new SharedArrayBuffer(4 * FRONT_WORDS + bytes);
  }

  /** An empty page; undefined: every one is held. */
  take(workerId: number): Page | undefined {
    for (let tries = 0; tries < this.#count; tries += 1) {
      const index = this.#mostSpare();
      if (index < 0) return undefined;
      const at = this.#at(index);
      if (Atomics.compareExchange(this.#words, at + HOLDER, 0, workerId + 1) !== 0) continue;
      Atomics.add(this.#words, at + TAKEN, 1);
      Atomics.store(this.#words, at + USED, PAGE_START);
      const words = new Uint32Array(this.#buffer, 4 * at, PAGE_WORDS);
      return { index, words, bytes: Buffer.from(this.#buffer, 4 * at, PAGE_BYTES) };
    }
    return undefined;
  }

  /** The page is full: others may take it when they need it. */
  leave({ index }: Page): void {
    Atomics.store(this.#words, this.#at(index) + HOLDER, 0);
  }

  /** Leaves what a dead worker held. Call it once the thread is gone. */
  reclaim(workerId: number): void {
    for (let index = 0; index < this.#count; index += 1) {
      Atomics.compareExchange(this.#words, this.#at(index) + HOLDER, workerId + 1, 0);
    }
  }

  /** The number of the next trail, of all workers; it is to be published at once. */
  nextNumber(): number {
    return Atomics.add(this.#words, NEWEST, 1) + 1;
  }

  /** From now on the page can be read up to `used`, where its last trail ends. */
  publish({ index }: Page, used: number, number: number): void {
    const at = this.#at(index);
    Atomics.store(this.#words, at + LAST, number);
    Atomics.store(this.#words, at + USED, used);
  }

  /** A trail had no room. */
  drop(): void {
    Atomics.add(this.#words, DROPPED, 1);
  }

  get newest(): number {
    return Atomics.load(this.#words, NEWEST);
  }

  get dropped(): number {
    return Atomics.load(this.#words, DROPPED) >>> 0;
  }

  /** Copies of the pages that may have one of the last trails up to number `newest`. */
  copies(newest: number): Uint32Array<ArrayBuffer>[] {
    const copies: Uint32Array<ArrayBuffer>[] = [];
    for (let index = 0; index < this.#count; index += 1) {
      const at = this.#at(index);
      const taken = Atomics.load(this.#words, at + TAKEN);
      const used = Atomics.load(this.#words, at + USED);
      if (used <= PAGE_START || isForgotten(Atomics.load(this.#words, at + LAST), newest)) continue;
      const copy = new Uint32Array(this.#words.slice(at, at + used).buffer);
      if (Atomics.load(this.#words, at + TAKEN) === taken) copies.push(copy);
    }
    return copies;
  }

  /** -1: every one is held. */
  #mostSpare(): number {
    const { newest } = this;
    let oldest = -1;
    let greatestAge = -1;
    let unused = -1;
    for (let index = 0; index < this.#count; index += 1) {
      const at = this.#at(index);
      if (Atomics.load(this.#words, at + HOLDER) !== 0) continue;
      if (Atomics.load(this.#words, at + TAKEN) === 0) {
        if (unused < 0) unused = index;
        continue;
      }
      const last = Atomics.load(this.#words, at + LAST);
      if (isForgotten(last, newest)) return index;
      const age = (newest - last) >>> 0;
      if (age <= greatestAge) continue;
      greatestAge = age;
      oldest = index;
    }
    return unused < 0 ? oldest : unused;
  }

  #at(index: number): number {
    return FRONT_WORDS + index * PAGE_WORDS;
  }
}

/** Whether a trail is older than those that are remembered. */
export function isForgotten(number: number, newest: number): boolean {
  const age = (newest - number) | 0;
  return age >= MAX_TRAILS || age < -MAX_TRAILS;
}
