// How many events there were in the last minute, for each of a number of places, in shared memory:
// admission is exact over all workers and takes no lock. A place has a total, and a bucket for each
// second that says which second it is about; what has left the minute is taken off the total by
// whoever first finds it, once.

/** Buckets of a place: the 61 seconds that a sliding minute touches, rounded up. */
const BUCKETS = 64;
const LIVE_BUCKETS = 61;
const BUCKET_MS = 1_000;
/** The total, then the buckets. */
const CELLS = 1 + BUCKETS;
/** A bucket's second, modulo 2^16, above its count. */
const STAMP_BITS = 16;
const MAX_COUNT = 0xffff;

export class MinuteWindows {
  readonly places: number;
  readonly #cells: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#cells = new Int32Array(buffer);
    this.places = this.#cells.length / CELLS;
  }

  static create(places: number): SharedArrayBuffer {
    return new SharedArrayBuffer(places * CELLS * 4);
  }

  /**
   * Counts one event if fewer than `limit` fall into the minute before it.
   * @returns 0 when it was counted, else the milliseconds until one more may be
   */
  admit(place: number, limit: number, nowMs: number): number {
    const second = Math.floor(nowMs / BUCKET_MS);
    // A ticket each: of racing workers, only those below the limit go on.
    for (let isFresh = false; ; isFresh = true) {
      if (Atomics.add(this.#cells, place * CELLS, 1) < limit) {
        this.#count(place, second);
        return 0;
      }
      Atomics.sub(this.#cells, place * CELLS, 1);
      if (isFresh || this.expire(place, nowMs) === 0) return this.#waitMs(place, nowMs);
    }
  }

  /** Events in the last minute. */
  inMinute(place: number, nowMs: number): number {
    this.expire(place, nowMs);
    return Atomics.load(this.#cells, place * CELLS);
  }

  /** Takes off what has left the minute; how many events that were. */
  expire(place: number, nowMs: number): number {
    const second = Math.floor(nowMs / BUCKET_MS);
    let expired = 0;
    for (let at = place * CELLS + 1; at < (place + 1) * CELLS; at++) {
      const word = Atomics.load(this.#cells, at);
      const count = countOf(word);
      if (count === 0 || ageOf(word, second) < LIVE_BUCKETS) continue;
      if (Atomics.compareExchange(this.#cells, at, word, 0) === word) expired += count;
    }
    if (expired > 0) Atomics.sub(this.#cells, place * CELLS, expired);
    return expired;
  }

  /** After a worker died between a ticket and its bucket: totals are again what the buckets say. */
  repair(): void {
    for (let place = 0; place < this.places; place++) {
      const before = Atomics.load(this.#cells, place * CELLS);
      let sum = 0;
      for (let at = place * CELLS + 1; at < (place + 1) * CELLS; at++) {
        sum += countOf(Atomics.load(this.#cells, at));
      }
      // Where somebody counts meanwhile, the next death will find it.
      if (sum < before) Atomics.compareExchange(this.#cells, place * CELLS, before, sum);
    }
  }

  #count(place: number, second: number): void {
    const at = place * CELLS + 1 + (second % BUCKETS);
    const stamp = second & MAX_COUNT;
    for (;;) {
      const word = Atomics.load(this.#cells, at);
      const isSame = word >>> STAMP_BITS === stamp;
      const count = isSame ? countOf(word) : 0;
      const next = (stamp << STAMP_BITS) | Math.min(MAX_COUNT, count + 1);
      if (Atomics.compareExchange(this.#cells, at, word, next) !== word) continue;
      // What stood there is older than a minute.
      if (!isSame && countOf(word) > 0) Atomics.sub(this.#cells, place * CELLS, countOf(word));
      return;
    }
  }

  /** Until the oldest second that counts has left the minute. */
  #waitMs(place: number, nowMs: number): number {
    const second = Math.floor(nowMs / BUCKET_MS);
    let oldest = 0;
    for (let at = place * CELLS + 1; at < (place + 1) * CELLS; at++) {
      const word = Atomics.load(this.#cells, at);
      const age = ageOf(word, second);
      if (countOf(word) > 0 && age < LIVE_BUCKETS) oldest = Math.max(oldest, age);
    }
    return (second - oldest + LIVE_BUCKETS) * BUCKET_MS - nowMs;
  }
}

function countOf(word: number): number {
  return word & MAX_COUNT;
}

/** Seconds since the one that a bucket is about; a clock that was set back makes it old. */
function ageOf(word: number, second: number): number {
  return (second - (word >>> STAMP_BITS)) & MAX_COUNT;
}
