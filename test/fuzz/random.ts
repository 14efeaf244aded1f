// Chance that can be repeated: the same seed gives the same numbers on every machine.

/** Pseudo-random numbers (mulberry32): enough for tests, no good for secrets. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) % limit;
  }

  /** One of them. */
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** Cuts bytes into pieces at places of its choice: few, many, or at every byte of short ones. */
  cut(bytes: Buffer): Buffer[] {
    const longest = Math.max(this.of([1, 3, 16, 200, 5_000]), bytes.length >>> 10);
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + 1 + this.below(longest));
      pieces.push(bytes.subarray(at, end));
      at = end;
    }
    return pieces;
  }
}
