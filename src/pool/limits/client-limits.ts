// What clients may ask for: requests in any minute, and at once. Exact over all workers. Who a
// client is, and how many it may, come with the request.

import { InFlight } from './in-flight.ts';
import { MinuteWindows } from './minute-windows.ts';

/** One client's limits, and its place in the memory. 0: no limit. */
export interface LimitedClient {
  readonly place: number;
  readonly rpm: number;
  readonly concurrency: number;
}

/** Which limit is reached, and when there is room again; null: when one of its requests ends. */
export interface Excess {
  readonly limit: 'rpm' | 'concurrency';
  readonly value: number;
  readonly waitMs: number | null;
}

export interface LimitBuffers {
  readonly workers: number;
  readonly minutes: SharedArrayBuffer;
  readonly inFlight: SharedArrayBuffer;
}

export class ClientLimits {
  readonly #minutes: MinuteWindows;
  readonly #inFlight: InFlight;
  readonly #workerId: number;

  constructor(buffers: LimitBuffers, workerId: number) {
    const places = buffers.inFlight.byteLength / 4 / (buffers.workers + 1);
    this.#minutes = new MinuteWindows(buffers.minutes, 0, places);
    this.#inFlight = new InFlight(buffers.inFlight, 0, places, buffers.workers);
    this.#workerId = workerId;
  }

  static create(places: number, workers: number): LimitBuffers {
    const minutes = MinuteWindows.create(places);
    return { workers, minutes, inFlight: InFlight.create(places, workers) };
  }

  /** Admits one request, which {@link leave} ends; or says which limit is in the way. */
  enter({ place, rpm, concurrency }: LimitedClient, nowMs: number): Excess | undefined {
    if (concurrency > 0 && !this.#inFlight.enter(place, concurrency, this.#workerId)) {
      return { limit: 'concurrency', value: concurrency, waitMs: null };
    }
    if (rpm === 0) return undefined;
    const waitMs = this.#minutes.admit(place, rpm, nowMs);
    if (waitMs === 0) return undefined;
    if (concurrency > 0) this.#inFlight.leave(place, this.#workerId);
    return { limit: 'rpm', value: rpm, waitMs };
  }

  /** The request is over. */
  leave({ place, concurrency }: LimitedClient): void {
    if (concurrency > 0) this.#inFlight.leave(place, this.#workerId);
  }

  /** After a worker died. */
  reclaim(workerId: number): void {
    this.#inFlight.reclaim(workerId);
    this.#minutes.repair();
  }
}
