// When something was, as people count the time: to ask the system for it with each request costs as
// much as writing the request's trail down, so it is reckoned from a clock that was read already.

/** That the clock was set, or that the machine has slept, is noticed so late at most. */
const AGAIN_MS = 1_000;

export class WallClock {
  readonly #clock: () => number;
  #aheadMs = 0;
  #dueMs = Number.NEGATIVE_INFINITY;

  /** @param clock Unix milliseconds */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Unix milliseconds of a moment. @param nowMs by the same monotonic clock: the present one */
  of(momentMs: number, nowMs: number): number {
    if (nowMs >= this.#dueMs) {
      this.#aheadMs = this.#clock() - nowMs;
      this.#dueMs = nowMs + AGAIN_MS;
    }
    return Math.round(momentMs + this.#aheadMs);
  }
}
