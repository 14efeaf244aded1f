// MAX_CONCURRENT_REQUESTS across all workers: one slot of shared memory per permit, holding its
// owner's number. Exact, even after a worker died: its slots are known by that number and are given
// back.

/** Workers that can hold permits at a time. */
export const MAX_WORKERS = 256;
/** Slots that this worker gave back last and tries first: nearly always free still. */
const MAX_HINTS = 64;
/** 32-bit words between two workers' counts, so that they do not share a cache line. */
const STRIDE = 32;

export class Semaphore {
  readonly permits: number;
  readonly #owner: number;
  readonly #held: Int32Array;
  readonly #slots: Int32Array;
  readonly #hints: number[] = [];
  #searchFrom: number;

  /** One worker's view; `workerId` counts from 0 and is used by one living worker at a time. */
  constructor(buffer: SharedArrayBuffer, workerId: number) {
    if (workerId < 0 || workerId >= MAX_WORKERS) throw new RangeError(`worker ${workerId}`);
    this.#owner = workerId + 1;
    this.#held = new Int32Array(buffer, 0, MAX_WORKERS * STRIDE);
    this.#slots = new Int32Array(buffer, MAX_WORKERS * STRIDE * 4);
    this.permits = this.#slots.length;
    this.#searchFrom = (workerId * 64) % this.permits;
  }

  /** Memory for so many permits. */
  static create(permits: number): SharedArrayBuffer {
    return new SharedArrayBuffer((MAX_WORKERS * STRIDE + permits) * 4);
  }

  /** A permit, or -1 at once when all are taken. */
  acquire(): number {
    for (let slot = this.#hints.pop(); slot !== undefined; slot = this.#hints.pop()) {
      if (this.#take(slot)) return slot;
    }
    if (!this.hasFree) return -1;
    for (let step = 0; step < this.permits; step++) {
      const slot = (this.#searchFrom + step) % this.permits;
      if (Atomics.load(this.#slots, slot) !== 0 || !this.#take(slot)) continue;
      this.#searchFrom = (slot + 1) % this.permits;
      return slot;
    }
    return -1;
  }

  /**
   * Gives a permit back.
   * @throws RangeError when it is not this worker's: a bug that must not pass.
   */
  release(slot: number): void {
    const before = Atomics.compareExchange(this.#slots, slot, this.#owner, 0);
    if (before !== this.#owner) throw new RangeError(`permit ${slot} is not held by this worker`);
    Atomics.sub(this.#held, (this.#owner - 1) * STRIDE, 1);
    if (this.#hints.length < MAX_HINTS) this.#hints.push(slot);
  }

  /** Gives back what a dead worker held; how many. Call it once the thread is gone. */
  reclaim(workerId: number): number {
    let freed = 0;
    for (let slot = 0; slot < this.permits; slot++) {
      const owner = workerId + 1;
      if (Atomics.compareExchange(this.#slots, slot, owner, 0) === owner) freed++;
    }
    Atomics.store(this.#held, workerId * STRIDE, 0);
    return freed;
  }

  /** Permits taken, over all workers. */
  inUse(): number {
    let sum = 0;
    for (let at = 0; at < this.#held.length; at += STRIDE) sum += Atomics.load(this.#held, at);
    return sum;
  }

  /** Whether a permit could be had now; others may be quicker. */
  get hasFree(): boolean {
    return this.inUse() < this.permits;
  }

  #take(slot: number): boolean {
    if (Atomics.compareExchange(this.#slots, slot, 0, this.#owner) !== 0) return false;
    Atomics.add(this.#held, (this.#owner - 1) * STRIDE, 1);
    return true;
  }
}
