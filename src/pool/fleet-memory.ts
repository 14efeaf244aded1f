// What all threads know of the fleet, as the coordinator last learned it: whether its server can be
// reached, how many instances live, how old the last news are, and which part of a limit is ours.
// Nobody waits for it: memory that was never written says that there is no fleet.

import { NOTHING, partOf, type Share, type Standing } from '../policy/fleet-shares.ts';

/** `off`: no FLEET_URL. `away`: the server cannot be reached, or does not let this one in. */
export type FleetState = 'off' | 'away' | 'connected';

/** As /health, /stats and /blacklist tell it. */
export interface FleetFacts {
  readonly instances: number;
  readonly connected: boolean;
  /** How long ago the news were complete; null: they never were. */
  readonly lag_ms: number | null;
}

const STATES: readonly FleetState[] = ['off', 'away', 'connected'];
const STATE = 0;
const INSTANCES = 1;
const SETTLED = 2;
const TARGET = 3;
const READ_AT = 16;
const BYTES = 64;
const RANK_BITS = 16;
/** Shares as words: 0 is the whole, so that memory needs no preparation. */
const NO_SHARE = -1;

export class FleetMemory {
  readonly #words: Int32Array;
  readonly #readAt: BigInt64Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer, 0, TARGET + 1);
    this.#readAt = new BigInt64Array(buffer, READ_AT, 1);
  }

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(BYTES);
  }

  get state(): FleetState {
    return STATES[Atomics.load(this.#words, STATE)] ?? 'off';
  }

  set state(state: FleetState) {
    Atomics.store(this.#words, STATE, STATES.indexOf(state));
  }

  /** Living instances as last seen, this one among them. */
  get instances(): number {
    return Math.max(1, Atomics.load(this.#words, INSTANCES));
  }

  /** From now on this is our part. True: it is another one than before. */
  set(standing: Standing): boolean {
    const settled = wordOf(standing.settled);
    const target = wordOf(standing.target);
    const isSame =
      settled === Atomics.load(this.#words, SETTLED) &&
      target === Atomics.load(this.#words, TARGET);
    Atomics.store(this.#words, INSTANCES, standing.target.instances);
    // The smaller one counts: between the two stores, nobody sees more than both allow.
    Atomics.store(this.#words, TARGET, target);
    Atomics.store(this.#words, SETTLED, settled);
    return !isSame;
  }

  /** The news up to this time (ms, by the steady clock) have been read. */
  readUpTo(atMs: number): void {
    Atomics.store(this.#readAt, 0, BigInt(Math.round(atMs)));
  }

  /** Undefined where there is no fleet. */
  facts(nowMs: number): FleetFacts | undefined {
    const { state } = this;
    if (state === 'off') return undefined;
    const readAtMs = Number(Atomics.load(this.#readAt, 0));
    const lag = readAtMs === 0 ? null : Math.max(0, Math.round(nowMs - readAtMs));
    return { instances: this.instances, connected: state === 'connected', lag_ms: lag };
  }

  /** This instance's part of a limit; it may be 0. */
  share(limit: number): number {
    const settled = Atomics.load(this.#words, SETTLED);
    const target = Atomics.load(this.#words, TARGET);
    if (settled === 0 && target === 0) return limit;
    return Math.min(partOf(limit, shareOf(settled)), partOf(limit, shareOf(target)));
  }
}

function wordOf({ instances, rank }: Share): number {
  if (instances === 0) return NO_SHARE;
  return instances === 1 ? 0 : (instances << RANK_BITS) | rank;
}

function shareOf(word: number): Share {
  if (word === NO_SHARE) return NOTHING;
  if (word === 0) return { instances: 1, rank: 0 };
  return { instances: word >>> RANK_BITS, rank: word & (2 ** RANK_BITS - 1) };
}
