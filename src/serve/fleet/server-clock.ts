// How far the server's clock is ahead of ours, from the heartbeats: the one whose round trip was
// the shortest knows best, until one comes that cannot be true together with it.

/** The difference is taken from the fastest of so many heartbeats. */
const SAMPLES = 20;
/** Clocks are read in whole milliseconds, and slewed by some in the time of the samples. */
const SLACK_MS = 50;

/** What one heartbeat has seen: the difference, known to half of a round trip. */
export interface ClockSample {
  readonly tripMs: number;
  readonly aheadMs: number;
}

export class ServerClock {
  #samples: ClockSample[] = [];

  /** One more heartbeat. Where a clock has jumped, as in a sleep, what was known is forgotten. */
  add(sample: ClockSample): void {
    const hasJumped = this.#samples.some(({ tripMs, aheadMs }) => {
      return Math.abs(aheadMs - sample.aheadMs) > (tripMs + sample.tripMs) / 2 + SLACK_MS;
    });
    if (hasJumped) this.#samples = [];
    this.#samples.push(sample);
    if (this.#samples.length > SAMPLES) this.#samples.shift();
  }

  /** The server's clock minus ours, in milliseconds; 0 before the first heartbeat. */
  get aheadMs(): number {
    const [first, ...others] = this.#samples;
    if (first === undefined) return 0;
    return others.reduce((a, b) => (b.tripMs <= a.tripMs ? b : a), first).aheadMs;
  }
}
