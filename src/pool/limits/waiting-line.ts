// A line of requests that wait for something to become free, over all workers, first come first
// served: the engine keeps those who wait on one place of shared memory in their order and wakes
// them one by one (ECMA-262, Atomics.waitAsync), so that waiting costs nothing. What is waited for,
// and whether it is free, the caller finds out.

import { MAX_WORKERS } from '../semaphore.ts';

/** Requests that may wait in one line; the next one is told to come back. */
export const MAX_WAITING = 1_000;
/** Longer waits are cut into such pieces: should a call get lost, it is made up for. */
const LOOK_AGAIN_MS = 5_000;

const TURN = 0;
/** Those that were called and have not looked yet, and how often the last call was passed on. */
const CALLED = 0;
const PASSED = 1;
const RETRY_AT = 8;
const WAITING_AT = 16;
/** The sum, then the workers and the coordinator. */
const WORKERS = 1 + MAX_WORKERS + 1;

export class WaitingLine {
  readonly #turn: Int32Array;
  /** At CALLED and PASSED. */
  readonly #calls: Int32Array;
  /** When something becomes free by itself, by the steady clock, as who looked last knew. */
  readonly #retryAt: Float64Array;
  /** How many of each worker's requests wait. */
  readonly #waiting: Int32Array;
  readonly #workerId: number;

  constructor(buffer: SharedArrayBuffer, workerId: number) {
    this.#turn = new Int32Array(buffer, TURN, 1);
    this.#retryAt = new Float64Array(buffer, RETRY_AT, 1);
    this.#waiting = new Int32Array(buffer, WAITING_AT, WORKERS);
    this.#calls = new Int32Array(buffer, WAITING_AT + WORKERS * 4, 2);
    this.#workerId = workerId;
  }

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(WAITING_AT + (WORKERS + 2) * 4);
  }

  /** Requests that wait, over all workers. */
  get length(): number {
    return Atomics.load(this.#waiting, 0);
  }

  /** Somebody was called and has not looked yet: what has become free is theirs. */
  get isCalling(): boolean {
    return Atomics.load(this.#calls, CALLED) > 0;
  }

  /** To be read before the look that is followed by {@link wait}: no call in between is missed. */
  get calls(): number {
    return Atomics.load(this.#turn, 0);
  }

  /** When something is to become free by itself, by the steady clock. */
  get retryAtMs(): number {
    return this.#retryAt[0] ?? 0;
  }

  /** Takes a place; false: there is none. {@link leave} gives it back. */
  enter(): boolean {
    if (Atomics.add(this.#waiting, 0, 1) >= MAX_WAITING) {
      Atomics.sub(this.#waiting, 0, 1);
      return false;
    }
    Atomics.add(this.#waiting, 1 + this.#workerId, 1);
    return true;
  }

  leave(): void {
    Atomics.sub(this.#waiting, 1 + this.#workerId, 1);
    Atomics.sub(this.#waiting, 0, 1);
  }

  /**
   * Waits until it is called, or so long.
   * @param calls as they were before the caller looked
   * @param abandoned settles when the caller is no longer interested
   */
  async wait(calls: number, limitMs: number, abandoned: Promise<void>): Promise<void> {
    const forMs = Math.max(1, Math.min(limitMs, LOOK_AGAIN_MS));
    const waiting = Atomics.waitAsync(this.#turn, 0, calls, forMs);
    if (!waiting.async) return;
    let isGone = false;
    const called = waiting.value.then((how) => {
      if (how !== 'ok') return;
      Atomics.sub(this.#calls, CALLED, 1);
      // A call for one who left is the next one's.
      if (isGone) this.#notify();
    });
    await Promise.race([called, abandoned]);
    isGone = true;
  }

  /** Notes when something becomes free by itself, for those who come. */
  expect(retryAtMs: number): void {
    this.#retryAt[0] = retryAtMs;
  }

  /** Something has become free: the first in line may look. */
  call(): void {
    Atomics.add(this.#turn, 0, 1);
    if (this.length === 0) return;
    Atomics.store(this.#calls, PASSED, 0);
    this.#notify();
  }

  /** What has become free was not for the one who was called: the next one may look, each once. */
  pass(): void {
    if (Atomics.add(this.#calls, PASSED, 1) < this.length - 1) this.#notify();
  }

  #notify(): void {
    // Counted before: the one who wakes up takes it off.
    Atomics.add(this.#calls, CALLED, 1);
    if (Atomics.notify(this.#turn, 0, 1) === 0) Atomics.sub(this.#calls, CALLED, 1);
  }

  /**
   * After a worker died: its requests wait no longer, and a call that it had taken is made again.
   */
  reclaim(workerId: number): void {
    const held = Atomics.exchange(this.#waiting, 1 + workerId, 0);
    if (held > 0) Atomics.sub(this.#waiting, 0, held);
    Atomics.store(this.#calls, CALLED, 0);
    this.call();
  }
}
