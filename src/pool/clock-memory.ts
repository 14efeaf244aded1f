// The clock on which everything in shared memory counts, as all threads see it: monotonic, set to
// the wall clock once, when the process starts. What it needs to agree over threads, and by how
// much the wall clock has been set since, is kept here; who reads a timer is serve/steady-clock.ts.
//
// `nowMs` anywhere in pool/ is a time by this clock. What people, the state file and calendars are
// told is wall time, and `wallOf` makes the one of the other.

const BASE = 0;
const AHEAD = 1;
const BYTES = 16;

export class ClockMemory {
  readonly buffer: SharedArrayBuffer;
  readonly #cells: Float64Array;

  /** @param buffer from {@link create}; nobody wrote to it: both clocks are the same */
  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#cells = new Float64Array(buffer);
  }

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(BYTES);
  }

  /** What is added to the machine's timer, in milliseconds. The coordinator alone changes it. */
  get baseMs(): number {
    return this.#cells[BASE] ?? 0;
  }

  set baseMs(ms: number) {
    this.#cells[BASE] = ms;
  }

  /** The wall clock minus this one, in milliseconds: 0 until somebody sets the wall clock. */
  get aheadMs(): number {
    return this.#cells[AHEAD] ?? 0;
  }

  set aheadMs(ms: number) {
    this.#cells[AHEAD] = ms;
  }

  /** Unix milliseconds, as the wall clock has them, of a time by this clock. */
  wallOf(steadyMs: number): number {
    return steadyMs + this.aheadMs;
  }

  /** The time by this clock of one by the wall clock. */
  steadyOf(wallMs: number): number {
    return wallMs - this.aheadMs;
  }
}
