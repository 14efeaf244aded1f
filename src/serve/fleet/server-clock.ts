// The clock of the fleet's server as seen from here: how far it is ahead of the process's own
// monotonic clock, which nobody sets. The heartbeats ask for it.

/** The best of so many heartbeats is believed: some ten seconds. */
const SAMPLES = 20;
/** What a clock may drift in that time, and what the server's rounding takes. */
const TOLERANCE_MS = 20;

interface Sample {
  readonly tripMs: number;
  readonly aheadMs: number;
}

export class ServerClock {
  #samples: Sample[] = [];

  /** The server's time (Unix ms) in an answer to what was sent at `sentMs` and took so long. */
  hear(serverMs: number, sentMs: number, tripMs: number): void {
    const heard = { tripMs, aheadMs: serverMs - (sentMs + tripMs / 2) };
    // Where two cannot both be right, the clock was set in between, or it is another server's.
    const agreed = this.#samples.filter((sample) => {
      const apartMs = Math.abs(sample.aheadMs - heard.aheadMs);
      return apartMs <= (sample.tripMs + heard.tripMs) / 2 + TOLERANCE_MS;
    });
    this.#samples = [...agreed, heard].slice(-SAMPLES);
  }

  /** How far the server is ahead of the monotonic clock; undefined: not known yet. */
  get aheadMs(): number | undefined {
    const [first, ...others] = this.#samples;
    return others.reduce((a, b) => (b.tripMs <= a.tripMs ? b : a), first ?? NONE).aheadMs;
  }
}

const NONE = { tripMs: Number.POSITIVE_INFINITY, aheadMs: undefined } as const;
