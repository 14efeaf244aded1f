// How much there was in the last minute, requests or tokens, for each of a number of places, in
// shared memory: admission is exact over all workers and takes no lock. A place has a total, and
// buckets that each say which stretch of time they are about; what has left the minute is taken off
// the total by whoever first finds it, once.

const MINUTE_MS = 60_000;
/** More than this in one minute is not told apart: totals are 32-bit numbers. */
export const MAX_IN_MINUTE = 1e9;
/** Which stretch a bucket is about, modulo 2^24, above how much there was in it. */
const COUNT_BITS = 40n;
const STAMP_MASK = 0xffffff;

export class MinuteWindows {
  readonly places: number;
  readonly #bucketMs: number;
  /** The stretches that a sliding minute touches, and as many buckets. */
  readonly #buckets: number;
  readonly #words: BigInt64Array;
  readonly #totals: Int32Array;

  /**
   * @param places as many as the memory was made for
   * @param bucketMs what has left the minute is known to so many milliseconds; never too early
   */
  constructor(buffer: SharedArrayBuffer, byteOffset: number, places: number, bucketMs = 1_000) {
    this.places = places;
    this.#bucketMs = bucketMs;
    this.#buckets = bucketsOf(bucketMs);
    this.#words = new BigInt64Array(buffer, byteOffset, places * this.#buckets);
    this.#totals = new Int32Array(buffer, byteOffset + this.#words.byteLength, places);
  }

  static create(places: number, bucketMs = 1_000): SharedArrayBuffer {
    return new SharedArrayBuffer(MinuteWindows.bytes(places, bucketMs));
  }

  /** Bytes for so many places; a multiple of 8. */
  static bytes(places: number, bucketMs = 1_000): number {
    return places * bucketsOf(bucketMs) * 8 + Math.ceil(places / 2) * 8;
  }

  /**
   * Counts an amount if the minute before it has room. One that is larger than the limit has room
   * where there was nothing in the minute.
   * @returns 0 when it was counted, else the milliseconds until it may be
   */
  admit(place: number, limit: number, nowMs: number, amount = 1): number {
    // A ticket each: of racing workers, only those below the limit go on.
    for (let isFresh = false; ; isFresh = true) {
      const before = Atomics.add(this.#totals, place, amount);
      if (before + amount <= limit || before === 0) {
        this.#count(place, this.#stretch(nowMs), amount);
        return 0;
      }
      Atomics.sub(this.#totals, place, amount);
      if (isFresh || this.expire(place, nowMs) === 0) {
        return this.waitMs(place, limit, nowMs, amount);
      }
    }
  }

  /** How much there was in the last minute. */
  inMinute(place: number, nowMs: number): number {
    this.expire(place, nowMs);
    return Atomics.load(this.#totals, place);
  }

  /** Milliseconds until an amount has room; 0: it has. */
  waitMs(place: number, limit: number, nowMs: number, amount = 1): number {
    const total = Atomics.load(this.#totals, place);
    if (total + amount <= limit || total === 0) return 0;
    const now = this.#stretch(nowMs);
    let left = total;
    for (let age = this.#buckets - 1; age >= 0; age--) {
      const word = Atomics.load(this.#words, this.#at(place, now - age));
      if (ageOf(word, now) !== age) continue;
      left -= countOf(word);
      const isEnough = left + amount <= limit || left <= 0;
      if (isEnough) return (now - age + this.#buckets) * this.#bucketMs - nowMs;
    }
    // Counted, and not yet in a bucket.
    return MINUTE_MS;
  }

  /** Corrects an amount that was admitted earlier, if that is still within the minute. */
  adjust(place: number, atMs: number, change: number): void {
    const stretch = this.#stretch(atMs);
    const at = this.#at(place, stretch);
    for (;;) {
      const word = Atomics.load(this.#words, at);
      if (ageOf(word, stretch) !== 0) return;
      const applied = Math.max(change, -countOf(word));
      const next = pack(stretch, countOf(word) + applied);
      if (Atomics.compareExchange(this.#words, at, word, next) !== word) continue;
      Atomics.add(this.#totals, place, applied);
      return;
    }
  }

  /** Takes off what has left the minute; how much that was. */
  expire(place: number, nowMs: number): number {
    const now = this.#stretch(nowMs);
    let expired = 0;
    const first = place * this.#buckets;
    for (let at = first; at < first + this.#buckets; at++) {
      const word = Atomics.load(this.#words, at);
      const count = countOf(word);
      if (count === 0 || ageOf(word, now) < this.#buckets) continue;
      if (Atomics.compareExchange(this.#words, at, word, 0n) === word) expired += count;
    }
    if (expired > 0) Atomics.sub(this.#totals, place, expired);
    return expired;
  }

  /** After a worker died between a ticket and its bucket: totals are again what the buckets say. */
  repair(places = this.places): void {
    for (let place = 0; place < places; place++) {
      const before = Atomics.load(this.#totals, place);
      if (before === 0) continue;
      let sum = 0;
      const first = place * this.#buckets;
      for (let at = first; at < first + this.#buckets; at++) {
        sum += countOf(Atomics.load(this.#words, at));
      }
      // Where somebody counts meanwhile, the next death will find it.
      if (sum < before) Atomics.compareExchange(this.#totals, place, before, sum);
    }
  }

  /** Forgets what a place counted. For one that nobody uses. */
  clear(place: number): void {
    const first = place * this.#buckets;
    for (let at = first; at < first + this.#buckets; at++) Atomics.store(this.#words, at, 0n);
    Atomics.store(this.#totals, place, 0);
  }

  #count(place: number, stretch: number, amount: number): void {
    const at = this.#at(place, stretch);
    for (;;) {
      const word = Atomics.load(this.#words, at);
      const isSame = ageOf(word, stretch) === 0;
      const next = pack(stretch, (isSame ? countOf(word) : 0) + amount);
      if (Atomics.compareExchange(this.#words, at, word, next) !== word) continue;
      // What stood there is older than a minute.
      if (!isSame && countOf(word) > 0) Atomics.sub(this.#totals, place, countOf(word));
      return;
    }
  }

  #stretch(nowMs: number): number {
    return Math.floor(nowMs / this.#bucketMs);
  }

  #at(place: number, stretch: number): number {
    return place * this.#buckets + (stretch % this.#buckets);
  }
}

/** A minute that slides touches one stretch more than it is long. */
function bucketsOf(bucketMs: number): number {
  return MINUTE_MS / bucketMs + 1;
}

function pack(stretch: number, count: number): bigint {
  return (BigInt(stretch & STAMP_MASK) << COUNT_BITS) | BigInt(Math.max(0, count));
}

function countOf(word: bigint): number {
  return Number(BigInt.asUintN(40, word));
}

/** Stretches since the one that a bucket is about; a clock that was set back makes it old. */
function ageOf(word: bigint, stretch: number): number {
  return (stretch - Number(word >> COUNT_BITS)) & STAMP_MASK;
}
