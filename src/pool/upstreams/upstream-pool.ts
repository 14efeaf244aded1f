// Which upstream a request goes to, and what its answers do to it: round robin over those that
// work, independent of the keys. Statuses change in policy/upstream-breaker.ts; addresses are
// upstream-list.ts.

import {
  reduceUpstream,
  type UpstreamEvent,
  type UpstreamLimits,
  type UpstreamStatus,
} from '../../policy/upstream-breaker.ts';
import { ClockMemory } from '../clock-memory.ts';
import {
  type Change,
  CLOSED,
  generationOf,
  isSpotless,
  stateOf,
  ticksPassed,
} from '../table/status-word.ts';
import { type Upstream, UpstreamList } from './upstream-list.ts';

/** Goes into `workerData` as it is. */
export interface UpstreamBuffers {
  readonly epochMs: number;
  readonly clock: SharedArrayBuffer;
  readonly upstreams: SharedArrayBuffer;
}

/** An upstream that a request was given, and the era in which it was. */
export interface UpstreamChoice {
  readonly upstream: Upstream;
  readonly generation: number;
}

/**
 * What one request knows about upstreams: which failed it, and whether these may not be asked
 * again.
 */
export interface Avoidance {
  readonly avoidUpstreams: readonly number[];
  readonly mustAvoid: boolean;
}

/** Times that other threads may win the race for the turn before a request goes out of turn. */
const MAX_LOST_RACES = 64;

export class UpstreamPool {
  readonly list: UpstreamList;
  readonly #epochMs: number;
  readonly #clock: ClockMemory;
  readonly #limits: UpstreamLimits;

  private constructor(buffers: UpstreamBuffers, limits: UpstreamLimits) {
    this.list = new UpstreamList(buffers.upstreams);
    this.#epochMs = buffers.epochMs;
    this.#clock = new ClockMemory(buffers.clock);
    this.#limits = limits;
  }

  /** Reserves the memory; the coordinator does this once. `baseUrls`: OPENAI_BASE_URL. */
  static create(
    baseUrls: readonly string[],
    epochMs: number,
    clock: SharedArrayBuffer = ClockMemory.create(),
  ): UpstreamBuffers {
    return { epochMs, clock, upstreams: UpstreamList.create(baseUrls) };
  }

  /** One thread's view. */
  static attach(buffers: UpstreamBuffers, limits: UpstreamLimits): UpstreamPool {
    return new UpstreamPool(buffers, limits);
  }

  get(index: number): Upstream {
    return this.list.get(index);
  }

  /** Whether a request may expect an answer: not ejected, or due for a trial; and not suspected. */
  isUsable(index: number, nowMs: number): boolean {
    if (Atomics.load(this.list.suspect, index) !== 0) return false;
    if (stateOf(this.list.words.low(index)) === CLOSED) return true;
    return this.list.words.tick(index) <= ticksPassed(nowMs - this.#epochMs);
  }

  /** Upstreams for keys without a pin that such a request may still be sent to. */
  allowed(avoidance: Avoidance): number {
    const { defaults } = this.list;
    if (!avoidance.mustAvoid) return defaults;
    let allowed = 0;
    for (let u = 0; u < defaults; u++) if (!avoidance.avoidUpstreams.includes(u)) allowed++;
    return allowed;
  }

  /**
   * Whether a key without a pin can go to an upstream that works and has not failed this request.
   */
  hasFresh(avoidance: Avoidance, nowMs: number): boolean {
    const { defaults } = this.list;
    for (let u = 0; u < defaults; u++) {
      if (!avoidance.avoidUpstreams.includes(u) && this.isUsable(u, nowMs)) return true;
    }
    return false;
  }

  /**
   * The next upstream for a key without a pin: a working one that has not failed this request; else
   * a working one; else, as never all are ejected at once, the one that returns first. Null: none
   * is left that must not be avoided.
   */
  choose(avoidance: Avoidance, nowMs: number): UpstreamChoice | null {
    const { avoidUpstreams, mustAvoid } = avoidance;
    const fresh = this.#nextUsable(nowMs, (u) => !avoidUpstreams.includes(u));
    if (fresh !== null) return fresh;
    if (!mustAvoid && avoidUpstreams.length > 0) {
      const again = this.#nextUsable(nowMs, () => true);
      if (again !== null) return again;
    }
    const first = this.#firstToReturn((u) => !avoidUpstreams.includes(u));
    if (first >= 0) return this.#choice(first);
    const any = mustAvoid ? -1 : this.#firstToReturn(() => true);
    return any >= 0 ? this.#choice(any) : null;
  }

  /** A pinned key's upstream, whatever its state; a due trial is claimed on the way. */
  pinned(index: number, nowMs: number): UpstreamChoice {
    this.#claim(index, nowMs);
    return this.#choice(index);
  }

  /** A key worked there: whatever rejected the others, it was not this upstream. */
  trust(index: number): void {
    const { rejections, suspect } = this.list;
    if (Atomics.load(rejections, index) !== 0) Atomics.store(rejections, index, 0);
    if (Atomics.load(suspect, index) !== 0) Atomics.store(suspect, index, 0);
  }

  /** What a request's end says about its upstream. Null: nothing changed. */
  settle(index: number, event: UpstreamEvent): Change<UpstreamStatus> | null {
    if (event.kind === 'alive' && isSpotless(this.list.words.low(index))) return null;
    const local = 'nowMs' in event ? { ...event, nowMs: event.nowMs - this.#epochMs } : event;
    return this.list.words.changeUpstream(index, (s) => reduceUpstream(s, local, this.#limits));
  }

  /** For reports. `untilMs` is Unix time. */
  status(index: number): UpstreamStatus & { readonly suspect: boolean } {
    const status = this.list.words.upstream(index);
    const isClosed = status.state === 'closed';
    const untilMs = isClosed ? 0 : this.#clock.wallOf(status.untilMs + this.#epochMs);
    return { ...status, untilMs, suspect: Atomics.load(this.list.suspect, index) !== 0 };
  }

  #nextUsable(nowMs: number, suits: (index: number) => boolean): UpstreamChoice | null {
    for (let race = 0; race < MAX_LOST_RACES; race++) {
      const { cursor } = this.list;
      const index = this.#usableFrom(cursor, nowMs, suits);
      if (index < 0) return null;
      const isTrial = stateOf(this.list.words.low(index)) !== CLOSED;
      if (isTrial && !this.#claim(index, nowMs)) continue;
      const isTurn = this.list.advance(cursor, (index + 1) % this.list.defaults);
      if (isTurn || isTrial) return this.#choice(index);
    }
    return null;
  }

  #usableFrom(cursor: number, nowMs: number, suits: (index: number) => boolean): number {
    const { defaults } = this.list;
    for (let step = 0; step < defaults; step++) {
      const index = (cursor + step) % defaults;
      if (suits(index) && this.isUsable(index, nowMs)) return index;
    }
    return -1;
  }

  /** True when the upstream works, or the caller's request is now its trial. */
  #claim(index: number, nowMs: number): boolean {
    if (stateOf(this.list.words.low(index)) === CLOSED) return true;
    return this.settle(index, { kind: 'claim_trial', nowMs }) !== null;
  }

  #firstToReturn(suits: (index: number) => boolean): number {
    const { defaults, words } = this.list;
    let first = -1;
    let firstTick = 0;
    for (let index = 0; index < defaults; index++) {
      if (!suits(index)) continue;
      const tick = stateOf(words.low(index)) === CLOSED ? 0 : words.tick(index);
      if (first >= 0 && tick >= firstTick) continue;
      first = index;
      firstTick = tick;
    }
    return first;
  }

  #choice(index: number): UpstreamChoice {
    const generation = generationOf(this.list.words.low(index));
    return { upstream: this.get(index), generation };
  }
}
