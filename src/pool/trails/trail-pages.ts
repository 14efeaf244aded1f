// The memory that trails are written into, shared by all threads: pages, each held by one worker at
// a time. Who needs a new one takes the one that was left longest ago if all of its trails are
// forgotten, else one that was never used. So usual trails fill few of the pages, and none has to
// be sent from thread to thread.

/** Requests that are remembered. */
export const MAX_TRAILS = 10_000;
/** What their trails may take in all, beside the pages that workers hold. */
export const MAX_TRAIL_BYTES = 16 * 1024 * 1024;

/** Bytes of a page: some 2,100 usual trails; of many workers each has its own, of 500. */
const PAGE_BYTES = 256 * 1024;
const SMALL_PAGE_BYTES = 64 * 1024;
const MANY_WORKERS = 8;
const WORD_BYTES = 4;
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

/** Before the pages: the last trail's number, modulo 2^32, how many had no room, a page's words. */
const NEWEST = 0;
const DROPPED = 1;
const SIZE = 2;
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
  readonly #size: number;

  constructor(buffer: SharedArrayBuffer) {
    this.#buffer = buffer;
    this.#words = new Int32Array(buffer);
    this.#size = Atomics.load(this.#words, SIZE);
    this.#count = (this.#words.length - FRONT_WORDS) / this.#size;
  }

  /** Memory that the system gives only as far as it is written on. */
  static create(workers: number): SharedArrayBuffer {
    const pageBytes = workers > MANY_WORKERS ? SMALL_PAGE_BYTES : PAGE_BYTES;
    const bytes = MAX_TRAIL_BYTES + workers * pageBytes;
    const buffer = new SharedArrayBuffer(WORD_BYTES * FRONT_WORDS + bytes);
    new Int32Array(buffer)[SIZE] = pageBytes / WORD_BYTES;
    return buffer;
  }

  /** An empty page; undefined: every one is held, or was taken by others in between. */
  take(workerId: number): Page | undefined {
    for (let tries = 0; tries < this.#count; tries += 1) {
      const index = this.#mostSpare();
      if (index < 0) return undefined;
      const at = this.#at(index);
      if (Atomics.compareExchange(this.#words, at + HOLDER, 0, workerId + 1) !== 0) continue;
      // In this order: who reads it meanwhile either finds it empty or sees that it was taken.
      Atomics.store(this.#words, at + USED, PAGE_START);
      Atomics.add(this.#words, at + TAKEN, 1);
      const from = WORD_BYTES * at;
      const words = new Uint32Array(this.#buffer, from, this.#size);
      return { index, words, bytes: Buffer.from(this.#buffer, from, WORD_BYTES * this.#size) };
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

  /** Words of a page. */
  get size(): number {
    return this.#size;
  }

  /** The number of the next trail, of all workers; it is to be published at once. */
  nextNumber(): number {
    return Atomics.add(this.#words, NEWEST, 1) + 1;
  }

  /** From now on the page can be read up to `used`, where its last trail ends. */
  publish({ index }: Page, used: number, number: number): void {
    const at = this.#at(index);
    // Whoever sees what was stored below sees this too, and what stands on the page.
    this.#words[at + LAST] = number;
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
      // Adding nothing, since a mere load might be done before the copy is.
      if (Atomics.add(this.#words, at + TAKEN, 0) === taken) copies.push(copy);
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
      // Others may have written meanwhile, and have left it.
      const age = Math.max(0, ageOf(Atomics.load(this.#words, at + LAST), newest));
      if (age <= greatestAge) continue;
      greatestAge = age;
      oldest = index;
    }
    return unused < 0 || greatestAge >= MAX_TRAILS ? oldest : unused;
  }

  #at(index: number): number {
    return FRONT_WORDS + index * this.#size;
  }
}

/** How many trails came behind this one; less than 0: it came behind the newest. */
export function ageOf(number: number, newest: number): number {
  return (newest - number) | 0;
}

/** What is said to be far newer was written half of all numbers ago. */
function isForgotten(number: number, newest: number): boolean {
  const age = ageOf(number, newest);
  return age >= MAX_TRAILS || age < -MAX_TRAILS;
}
