// The limits of clients: requests per minute, and concurrent ones. Exact across all workers. Who a
// client is, and how many it may, come with the request.

import { ClockMemory } from '../clock-memory.ts';
import { FleetMemory } from '../fleet-memory.ts';
import { InFlight } from './in-flight.ts';
import { MinuteWindows } from './minute-windows.ts';

/** One client's limits, and its place in the memory. 0: no limit. */
export interface LimitedClient {
  readonly place: number;
  readonly rpm: number;
  readonly concurrency: number;
  /** In a UTC day, input and output. */
  readonly tokensPerDay: number;
}

/** Which limit is reached, and when there is room again; null: when one of its requests ends. */
export interface Excess {
  readonly limit: 'rpm' | 'concurrency' | 'tokens_per_day';
  readonly value: number;
  readonly waitMs: number | null;
}

export interface LimitBuffers {
  readonly workers: number;
  readonly minutes: SharedArrayBuffer;
  readonly inFlight: SharedArrayBuffer;
  readonly dayTokens: SharedArrayBuffer;
  /** Which part of each limit is this instance's. */
  readonly fleet: SharedArrayBuffer;
  /** When a day of the wall clock ends. */
  readonly clock: SharedArrayBuffer;
}

type Around = Pick<LimitBuffers, 'fleet' | 'clock'>;

const DAY_MS = 86_400_000;
/** A part of a limit may be nothing: it may be more in some seconds. */
const NO_PART_WAIT_MS = 5_000;

export class ClientLimits {
  readonly #minutes: MinuteWindows;
  readonly #inFlight: InFlight;
  /** A day's number, modulo 2^16, above its tokens. */
  readonly #dayTokens: BigInt64Array;
  readonly #fleet: FleetMemory;
  readonly #clock: ClockMemory;
  readonly #workerId: number;

  constructor(buffers: LimitBuffers, workerId: number) {
    const places = buffers.inFlight.byteLength / 4 / (buffers.workers + 1);
    this.#minutes = new MinuteWindows(buffers.minutes, 0, places);
    this.#inFlight = new InFlight(buffers.inFlight, 0, places, buffers.workers);
    this.#dayTokens = new BigInt64Array(buffers.dayTokens);
    this.#fleet = new FleetMemory(buffers.fleet);
    this.#clock = new ClockMemory(buffers.clock);
    this.#workerId = workerId;
  }

  static create(
    places: number,
    workers: number,
    { fleet = FleetMemory.create(), clock = ClockMemory.create() }: Partial<Around> = {},
  ): LimitBuffers {
    const minutes = MinuteWindows.create(places);
    const dayTokens = new SharedArrayBuffer(places * 8);
    const inFlight = InFlight.create(places, workers);
    return { workers, minutes, inFlight, dayTokens, fleet, clock };
  }

  /** Admits one request, which {@link leave} ends; or says which limit is in the way. */
  enter(client: LimitedClient, nowMs: number): Excess | undefined {
    const { place, rpm, concurrency, tokensPerDay } = client;
    const ofDay = this.#fleet.share(tokensPerDay);
    if (tokensPerDay > 0 && this.tokensOfDay(place, nowMs) >= ofDay) {
      const waitMs = DAY_MS - (this.#clock.wallOf(nowMs) % DAY_MS);
      return { limit: 'tokens_per_day', value: tokensPerDay, waitMs };
    }
    const atOnce = this.#fleet.share(concurrency);
    if (concurrency > 0 && !this.#inFlight.enter(place, atOnce, this.#workerId)) {
      return { limit: 'concurrency', value: concurrency, waitMs: null };
    }
    if (rpm === 0) return undefined;
    const part = this.#fleet.share(rpm);
    // A window that is empty would take one whatever its limit.
    const waitMs = part === 0 ? NO_PART_WAIT_MS : this.#minutes.admit(place, part, nowMs);
    if (waitMs === 0) return undefined;
    if (concurrency > 0) this.#inFlight.leave(place, this.#workerId);
    return { limit: 'rpm', value: rpm, waitMs };
  }

  /** The request is over. */
  leave({ place, concurrency }: LimitedClient): void {
    if (concurrency > 0) this.#inFlight.leave(place, this.#workerId);
  }

  /** Tokens of the UTC day in which `nowMs` is. */
  tokensOfDay(place: number, nowMs: number): number {
    const word = Atomics.load(this.#dayTokens, place);
    return dayOf(word) === this.#dayNumber(nowMs) ? Number(BigInt.asUintN(48, word)) : 0;
  }

  /**
   * Counts what a request was found to have used: those under way may together exceed the limit.
   */
  addTokens({ place, tokensPerDay }: LimitedClient, tokens: number, nowMs: number): void {
    if (tokensPerDay === 0) return;
    const day = this.#dayNumber(nowMs);
    for (;;) {
      const word = Atomics.load(this.#dayTokens, place);
      const before = dayOf(word) === day ? BigInt.asUintN(48, word) : 0n;
      const next = (BigInt(day) << 48n) | (before + BigInt(tokens));
      if (Atomics.compareExchange(this.#dayTokens, place, word, next) === word) return;
    }
  }

  /** A day is the calendar's: it ends when the wall clock says so. */
  #dayNumber(nowMs: number): number {
    return Math.floor(this.#clock.wallOf(nowMs) / DAY_MS) & 0xffff;
  }

  /** After a worker died. */
  reclaim(workerId: number): void {
    this.#inFlight.reclaim(workerId);
    this.#minutes.repair();
  }
}

function dayOf(word: bigint): number {
  return Number(BigInt.asUintN(16, word >> 48n));
}
