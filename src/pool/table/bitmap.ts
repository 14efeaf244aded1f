// A set of rows in shared memory that finds its next member in a few loads, however few there are.
// Three levels: one bit per row, one bit per word of those, one bit per word of these. What the
// bits mean, and when they are right, is up to their owner.

const WORD_BITS = 32;

/** Bytes that a bitmap of `capacity` rows takes; `capacity` is a multiple of 1024. */
export function bitmapBytes(capacity: number): number {
  return levelWords(capacity).reduce((sum, words) => sum + words * 4, 0);
}

function levelWords(capacity: number): [number, number, number] {
  const words = capacity / WORD_BITS;
  const summary = Math.ceil(words / WORD_BITS);
  return [words, summary, Math.ceil(summary / WORD_BITS)];
}

export class Bitmap {
  readonly #bits: Int32Array;
  readonly #summary: Int32Array;
  readonly #top: Int32Array;

  constructor(buffer: SharedArrayBuffer, byteOffset: number, capacity: number) {
    const [words, summary, top] = levelWords(capacity);
    this.#bits = new Int32Array(buffer, byteOffset, words);
    this.#summary = new Int32Array(buffer, byteOffset + words * 4, summary);
    this.#top = new Int32Array(buffer, byteOffset + (words + summary) * 4, top);
  }

  has(row: number): boolean {
    return (Atomics.load(this.#bits, row >>> 5) & (1 << (row & 31))) !== 0;
  }

  /** Adds a row. The upper levels follow the lower ones, so a member is never hidden for good. */
  add(row: number): void {
    raise(this.#bits, row);
    raise(this.#summary, row >>> 5);
    raise(this.#top, row >>> 10);
  }

  delete(row: number): void {
    if (!lower(this.#bits, row)) return;
    if (lower(this.#summary, row >>> 5)) lower(this.#top, row >>> 10);
    // Someone may have added a neighbour between our look at its word and our clearing of the
    // summary.
    if (Atomics.load(this.#bits, row >>> 5) !== 0) {
      raise(this.#summary, row >>> 5);
      raise(this.#top, row >>> 10);
    } else if (Atomics.load(this.#summary, row >>> 10) !== 0) {
      raise(this.#top, row >>> 10);
    }
  }

  /** Adds all members of `other`, which has the same capacity. */
  addAll(other: Bitmap): void {
    for (let w = 0; w < this.#bits.length; w++) {
      const members = other.#bits[w] ?? 0;
      if (members === 0) continue;
      Atomics.or(this.#bits, w, members);
      raise(this.#summary, w);
      raise(this.#top, w >>> 5);
    }
  }

  clear(): void {
    // Only words that hold something: clearing memory that was never touched would make it real.
    for (const level of [this.#top, this.#summary, this.#bits]) {
      for (let w = 0; w < level.length; w++) if (level[w] !== 0) Atomics.store(level, w, 0);
    }
  }

  /**
   * Makes every member findable again. A thread that dies within `add` or `delete` may leave a word
   * with members that the levels above do not know, and rows that nobody finds are never used.
   */
  repair(): void {
    for (let w = 0; w < this.#bits.length; w++) {
      if (Atomics.load(this.#bits, w) === 0) continue;
      raise(this.#summary, w);
      raise(this.#top, w >>> 5);
    }
  }

  /** The first member at `from` or after it, going round at the end; -1 when there is none. */
  next(from: number): number {
    const start = from >>> 5 < this.#bits.length ? from : 0;
    const found = this.#nextFrom(start);
    return found >= 0 || start === 0 ? found : this.#nextFrom(0);
  }

  #nextFrom(from: number): number {
    const word = from >>> 5;
    const here = (Atomics.load(this.#bits, word) >>> (from & 31)) << (from & 31);
    if (here !== 0) return (word << 5) | lowestBit(here);
    for (let w = this.#nextWord(word + 1); w >= 0; w = this.#nextWord(w + 1)) {
      const members = Atomics.load(this.#bits, w);
      if (members !== 0) return (w << 5) | lowestBit(members);
    }
    return -1;
  }

  /** The first word at `from` or after it that has members. */
  #nextWord(from: number): number {
    const word = from >>> 5;
    if (word >= this.#summary.length) return -1;
    const here = (Atomics.load(this.#summary, word) >>> (from & 31)) << (from & 31);
    if (here !== 0) return (word << 5) | lowestBit(here);
    // A top word covers 32 summary words, 32,768 rows: 64 of them at the most rows.
    for (let t = (word + 1) >>> 5; t < this.#top.length; t++) {
      const first = t === (word + 1) >>> 5 ? (word + 1) & 31 : 0;
      let candidates = (Atomics.load(this.#top, t) >>> first) << first;
      for (; candidates !== 0; candidates &= candidates - 1) {
        const s = (t << 5) | lowestBit(candidates);
        const words = Atomics.load(this.#summary, s);
        if (words !== 0) return (s << 5) | lowestBit(words);
      }
    }
    return -1;
  }
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

function raise(level: Int32Array, bit: number): void {
  const mask = 1 << (bit & 31);
  const word = bit >>> 5;
  if ((Atomics.load(level, word) & mask) === 0) Atomics.or(level, word, mask);
}

/** Clears a bit; true when that left its word empty. */
function lower(level: Int32Array, bit: number): boolean {
  const mask = 1 << (bit & 31);
  const before = Atomics.and(level, bit >>> 5, ~mask);
  return (before & ~mask) === 0;
}
