// One coarse sweep instead of timers per request: whoever waits registers a deadline, a single
// interval looks at all of them. It only says that time is up; what that means is up to the
// waiter.

/** Deadlines are noticed this much late at most; every limit that uses them is far longer. */
const SWEEP_INTERVAL_MS = 100;

/** Time limits are configured as 0 for none. */
export function unlimited(limitMs: number): number {
  return limitMs === 0 ? Number.POSITIVE_INFINITY : limitMs;
}

/**
 * Something that waits. Linked into its sweeper's list, so that adding and removing cost nothing.
 */
export abstract class Waiter {
  /**
   * When to be woken, in the sweeper's clock; Infinity: not at present. May be moved at any time.
   */
  dueMs = Number.POSITIVE_INFINITY;
  /** The list's own links. */
  next: Waiter | undefined;
  previous: Waiter | undefined;

  /** Called once the due time has passed; sets a new due time or stays silent (Infinity). */
  abstract expire(nowMs: number): void;
}

class Head extends Waiter {
  expire(): void {}
}

/**
 * The sweeper of one thread. Its clock is the coarse time of the thread: monotonic milliseconds.
 */
export class Deadlines {
  readonly #clock: () => number;
  readonly #head = new Head();
  #timer: NodeJS.Timeout | undefined;
  /** Coarse monotonic time, refreshed by each sweep and each `touch`. */
  nowMs: number;

  constructor(clock: () => number) {
    this.#clock = clock;
    this.nowMs = clock();
  }

  /** Refreshes and returns the time; call where a request begins or an attempt starts. */
  touch(): number {
    this.nowMs = this.#clock();
    return this.nowMs;
  }

  /** Calls `expire` once `dueMs` has passed, up to a sweep late; adding again moves it. */
  add(waiter: Waiter, dueMs: number): void {
    waiter.dueMs = dueMs;
    if (waiter.previous !== undefined) return;
    const first = this.#head.next;
    waiter.previous = this.#head;
    waiter.next = first;
    if (first !== undefined) first.previous = waiter;
    this.#head.next = waiter;
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS);
  }

  /** Without effect for one that does not wait. */
  remove(waiter: Waiter): void {
    const { previous, next } = waiter;
    if (previous === undefined) return;
    previous.next = next;
    if (next !== undefined) next.previous = previous;
    waiter.previous = undefined;
    waiter.next = undefined;
  }

  #sweep(): void {
    const now = this.touch();
    let waiter = this.#head.next;
    if (waiter === undefined) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    while (waiter !== undefined) {
      const next: Waiter | undefined = waiter.next;
      if (waiter.dueMs <= now) {
        waiter.dueMs = Number.POSITIVE_INFINITY;
        waiter.expire(now);
      }
      // A waiter that was removed while another expired has no successor: start over next time.
      waiter = next?.previous === undefined ? undefined : next;
    }
  }
}
