// One 64-bit word of shared memory per status, changed by compare-and-swap around a pure reducer:
// no locks, so nothing stays locked when a worker dies. Its layout, not what changes it:
//
//   bits 0-1 state | 2-6 rests, trips | 7-16 deaths, faults | 17-31 generation | 32-63 tick
//
// The low half alone says "ready, nothing counted, this era": the hot path loads 32 bits and writes
// none.

import type { KeyState, KeyStatus } from '../../policy/key-breaker.ts';
import type { UpstreamState, UpstreamStatus } from '../../policy/upstream-breaker.ts';

/** 2^32 ticks from the table's epoch: more than four years, and a rest ends at most this late. */
export const TICK_MS = 32;
/** Later than every moment: nothing is due. */
export const NEVER_TICK = 0xffff_ffff;

const KEY_STATES: readonly KeyState[] = ['ready', 'cooling', 'dead', 'vacant'];
const UPSTREAM_STATES: readonly UpstreamState[] = ['closed', 'open', 'half_open'];
/** States as the low two bits have them: of keys, and of upstreams. */
export const READY = 0;
export const COOLING = 1;
export const DEAD = 2;
export const VACANT = 3;
export const CLOSED = 0;

const MAX_RESTS = 0x1f;
const MAX_DEATHS = 0x3ff;
const GENERATION_SHIFT = 17;
const MAX_GENERATION = 0x7fff;
/** State and both counts: zero means that a success has nothing to change. */
const SPOTLESS_MASK = 0x1ffff;

/**
 * Whole ticks that have passed: a moment is due when its own tick, rounded up, has been reached.
 */
export function ticksPassed(sinceEpochMs: number): number {
  return Math.min(NEVER_TICK - 1, Math.max(0, Math.floor(sinceEpochMs / TICK_MS)));
}

/** The state in the low half of a word. */
export function stateOf(low: number): number {
  return low & 3;
}

/** The generation in the low half of a word. */
export function generationOf(low: number): number {
  return low >>> GENERATION_SHIFT;
}

/** Ready (or closed) with nothing counted. */
export function isSpotless(low: number): boolean {
  return (low & SPOTLESS_MASK) === 0;
}

/**
 * An array of status words over shared memory. Index: row or upstream. Halves are read by 32-bit
 * atomics, whole words changed by 64-bit ones: ECMAScript promises no order between accesses of
 * different sizes, but on x86-64 and arm64 an aligned access of either size is indivisible. What a
 * half says is therefore a hint that was true at some moment; every decision that must hold is made
 * by compare-and-swap on the whole word.
 */
export class StatusWords {
  /**
   * Both halves of each word, low first (every platform that Node is built for here is
   * little-endian).
   */
  readonly halves: Int32Array;
  readonly #words: BigInt64Array;

  constructor(buffer: SharedArrayBuffer, byteOffset: number, count: number) {
    this.halves = new Int32Array(buffer, byteOffset, 2 * count);
    this.#words = new BigInt64Array(buffer, byteOffset, count);
  }

  low(index: number): number {
    return Atomics.load(this.halves, 2 * index);
  }

  /**
   * The time of a word that is resting. Half a word: check {@link low} again if both must belong
   * together.
   */
  tick(index: number): number {
    return Atomics.load(this.halves, 2 * index + 1) >>> 0;
  }

  /** Whether a key may be used at `nowTick`: ready, or resting no longer. */
  isAvailable(index: number, nowTick: number): boolean {
    const state = stateOf(this.low(index));
    if (state === READY) return true;
    return state !== VACANT && this.tick(index) <= nowTick;
  }

  key(index: number): KeyStatus {
    return keyStatus(Atomics.load(this.#words, index));
  }

  upstream(index: number): UpstreamStatus {
    return upstreamStatus(Atomics.load(this.#words, index));
  }

  /** Applies `reduce` until no one interfered. Null: it left the status as it was. */
  changeKey(index: number, reduce: (status: KeyStatus) => KeyStatus): Change<KeyStatus> | null {
    for (;;) {
      const word = Atomics.load(this.#words, index);
      const before = keyStatus(word);
      const after = reduce(before);
      if (after === before) return null;
      const state = KEY_STATES.indexOf(after.state);
      const next = pack(state, after.restCount, after.deadCount, after);
      if (Atomics.compareExchange(this.#words, index, word, next) === word) {
        return { before, after: keyStatus(next) };
      }
    }
  }

  /** As {@link changeKey}. */
  changeUpstream(
    index: number,
    reduce: (status: UpstreamStatus) => UpstreamStatus,
  ): Change<UpstreamStatus> | null {
    for (;;) {
      const word = Atomics.load(this.#words, index);
      const before = upstreamStatus(word);
      const after = reduce(before);
      if (after === before) return null;
      const next = pack(UPSTREAM_STATES.indexOf(after.state), after.trips, after.failures, after);
      if (Atomics.compareExchange(this.#words, index, word, next) === word) {
        return { before, after: upstreamStatus(next) };
      }
    }
  }
}

/** What a status was and what it became, as stored: counts saturated, time rounded up to ticks. */
export interface Change<Status> {
  readonly before: Status;
  readonly after: Status;
}

function pack(
  state: number,
  rests: number,
  deaths: number,
  rest: { readonly generation: number; readonly untilMs: number },
): bigint {
  const counts = (Math.min(rests, MAX_RESTS) << 2) | (Math.min(deaths, MAX_DEATHS) << 7);
  const low = state | counts | ((rest.generation & MAX_GENERATION) << GENERATION_SHIFT);
  const tick = Math.min(NEVER_TICK - 1, Math.max(0, Math.ceil(rest.untilMs / TICK_MS)));
  return BigInt.asIntN(64, (BigInt(tick) << 32n) | BigInt(low >>> 0));
}

function keyStatus(word: bigint): KeyStatus {
  const low = Number(BigInt.asUintN(32, word));
  return {
    state: KEY_STATES[stateOf(low)] ?? 'vacant',
    restCount: (low >>> 2) & MAX_RESTS,
    deadCount: (low >>> 7) & MAX_DEATHS,
    generation: generationOf(low),
    untilMs: Number(BigInt.asUintN(32, word >> 32n)) * TICK_MS,
  };
}

function upstreamStatus(word: bigint): UpstreamStatus {
  const { restCount, deadCount, generation, untilMs } = keyStatus(word);
  const state = UPSTREAM_STATES[Number(BigInt.asUintN(2, word))] ?? 'closed';
  return { state, trips: restCount, failures: deadCount, generation, untilMs };
}
