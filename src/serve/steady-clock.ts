// One thread's view of the clock that nobody sets back: the machine's monotonic timer, which is the
// same in every thread, plus what pool/clock-memory.ts adds to it. The coordinator anchors it at
// the start and tends it once a second: a clock that was set changes what people are shown and no
// rest; a machine that slept has rested, and so have its keys.

import { performance } from 'node:perf_hooks';
import { ClockMemory } from '../pool/clock-memory.ts';

/** Less than this is a clock being slewed, or a timer that was late between two readings. */
const LEAST_JUMP_MS = 1_000;
const TIMER_SAMPLES = 10;

/** What the coordinator reads, in milliseconds. */
export interface Readings {
  /** The wall clock: Unix time. */
  readonly wallMs: number;
  /** Since the machine's start, sleep included; read only where the clocks have come apart. */
  readonly uptimeMs: () => number;
}

export class SteadyClock {
  readonly memory: ClockMemory;
  readonly #timerMs: () => number;
  /** How much of the uptime the timer has not counted, as far as that is known. */
  #asleepMs = 0;

  /** @param timerMs monotonic, and the same in all threads of the process */
  constructor(buffer: SharedArrayBuffer, timerMs = threadTimer()) {
    this.memory = new ClockMemory(buffer);
    this.#timerMs = timerMs;
  }

  /** Milliseconds: Unix time as it would be had nobody set the clock since the start. */
  readonly now = (): number => Math.floor(this.#timerMs() + this.memory.baseMs);

  /** From here on it goes by itself. The coordinator does this once, before anybody looks. */
  anchor({ wallMs, uptimeMs }: Readings): this {
    this.memory.baseMs = wallMs - this.#timerMs();
    this.#asleepMs = uptimeMs() - this.#timerMs();
    return this;
  }

  /**
   * Notices what has come between the wall clock and this one. On Linux the timer stands still
   * while the machine sleeps and the uptime does not: that time is added.
   * @returns by how much the wall clock was set since the last call, in milliseconds; 0: it was not
   */
  tend({ wallMs, uptimeMs }: Readings): number {
    const { memory } = this;
    if (Math.abs(wallMs - this.now() - memory.aheadMs) < LEAST_JUMP_MS) return 0;
    const asleepMs = uptimeMs() - this.#timerMs();
    const sleptMs = asleepMs - this.#asleepMs;
    if (Math.abs(sleptMs) >= LEAST_JUMP_MS) {
      this.#asleepMs = asleepMs;
      memory.baseMs += Math.max(0, sleptMs);
    }
    const setMs = wallMs - this.now() - memory.aheadMs;
    if (Math.abs(setMs) < LEAST_JUMP_MS) return 0;
    memory.aheadMs += setMs;
    return setMs;
  }
}

/**
 * `performance.now()` counts from the start of each thread, `hrtime` from one moment for all, and
 * costs more. A thread may be put aside between two readings: the closest of some count.
 */
function threadTimer(): () => number {
  let closestMs = Number.POSITIVE_INFINITY;
  let sinceMs = 0;
  for (let sample = 0; sample < TIMER_SAMPLES; sample += 1) {
    const beforeMs = performance.now();
    const machineMs = Number(process.hrtime.bigint()) / 1e6;
    const tookMs = performance.now() - beforeMs;
    if (tookMs >= closestMs) continue;
    closestMs = tookMs;
    sinceMs = machineMs - beforeMs - tookMs / 2;
  }
  return () => performance.now() + sinceMs;
}
