// Which model has a lane of its own: one has, from its first model-scoped rest until nothing rests
// in it. What is in a lane is lane.ts and key-table.ts.

import { TICK_MS } from './status-word.ts';

/** Lane 0 is the whole account; 63 models can have rests of their own at a time. */
export const MAX_LANES = 64;
/** The whole account. */
export const ACCOUNT = 0;
/** Names are compared up to here; longer ones that agree so far, and in length, share a lane. */
const MAX_MODEL_BYTES = 128;
/**
 * Lanes kept for rate limits: names that no key has access to, typing errors say, cannot use them
 * up.
 */
export const LANES_FOR_RATE_LIMITS = 24;
/** A worker's memory of which models have lanes; models come from clients, so it is bounded. */
const MAX_KNOWN_MODELS = 4096;
/** `lastUse` is written at most this often. */
const USE_TICKS = 10_000 / TICK_MS;

/**
 * Free; its name being written; in use; no longer looked up, to be wiped once late results are in.
 */
const FREE = 0;
const NAMING = 1;
const ACTIVE = 2;
const RETIRED = 3;

const FIELD = MAX_LANES * 4;
const NAMES_AT = 5 * FIELD + 64;

export class LaneDirectory {
  readonly #version: Int32Array;
  readonly #state: Int32Array;
  readonly #generation: Int32Array;
  readonly #lastUse: Int32Array;
  readonly #nameLength: Int32Array;
  readonly #names: Buffer;
  readonly #known = new Map<string, number>();
  #active: readonly number[] = [];
  #seenVersion = 0;

  constructor(buffer: SharedArrayBuffer) {
    const field = (n: number) => new Int32Array(buffer, n * FIELD, MAX_LANES);
    this.#state = field(0);
    this.#generation = field(1);
    this.#lastUse = field(2);
    this.#nameLength = field(3);
    this.#version = new Int32Array(buffer, 5 * FIELD, 1);
    this.#names = Buffer.from(buffer, NAMES_AT, MAX_LANES * MAX_MODEL_BYTES);
  }

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(NAMES_AT + MAX_LANES * MAX_MODEL_BYTES);
  }

  /** The lane of a model; {@link ACCOUNT} when it has none. */
  laneOf(model: string | undefined, nowTick: number): number {
    this.#refresh();
    if (model === undefined || this.#active.length === 0) return ACCOUNT;
    let lane = this.#known.get(model);
    if (lane === undefined) {
      if (this.#known.size === MAX_KNOWN_MODELS) this.#known.clear();
      lane = this.#find(model);
      this.#known.set(model, lane);
    }
    if (lane !== ACCOUNT) this.#use(lane, nowTick);
    return lane;
  }

  /** Lanes of models that must hear of changes in lane 0. */
  active(): readonly number[] {
    this.#refresh();
    return this.#active;
  }

  /** Counts the lives of a lane, so that late results can be told from those of its new model. */
  generation(lane: number): number {
    return Atomics.load(this.#generation, lane);
  }

  /** Whether lookups find this lane. */
  isActive(lane: number): boolean {
    return lane === ACCOUNT || Atomics.load(this.#state, lane) === ACTIVE;
  }

  /** The model that the lane is, or was, of. */
  model(lane: number): string {
    const start = lane * MAX_MODEL_BYTES;
    const length = Math.min(MAX_MODEL_BYTES, this.#nameLength[lane] ?? 0);
    return this.#names.toString('utf8', start, start + length);
  }

  /** The tick of the last lookup that found it. */
  lastUse(lane: number): number {
    return Atomics.load(this.#lastUse, lane) >>> 0;
  }

  /**
   * Takes a free lane for a model; {@link ACCOUNT} when fewer than `reserve` + 1 are free. The
   * caller then calls {@link activate}. Two workers may take one each for the same model: the first
   * is found from then on, and the other falls idle.
   */
  take(model: string, reserve: number, nowTick: number): number {
    let free = 0;
    for (let lane = 1; lane < MAX_LANES; lane++) {
      if (Atomics.load(this.#state, lane) === FREE) free++;
    }
    if (free <= reserve) return ACCOUNT;
    for (let lane = 1; lane < MAX_LANES; lane++) {
      if (Atomics.load(this.#state, lane) !== FREE) continue;
      // Before the lane is claimed: one that is being named but was used long ago passes for one
      // whose taker died, and would be freed under this thread's hands (retiredBefore).
      Atomics.store(this.#lastUse, lane, nowTick | 0);
      if (Atomics.compareExchange(this.#state, lane, FREE, NAMING) !== FREE) continue;
      const name = Buffer.from(model);
      name.copy(this.#names, lane * MAX_MODEL_BYTES, 0, MAX_MODEL_BYTES);
      this.#nameLength[lane] = name.length;
      return lane;
    }
    return ACCOUNT;
  }

  /** Lets lookups find a lane that {@link take} gave. */
  activate(lane: number): void {
    Atomics.store(this.#state, lane, ACTIVE);
    Atomics.add(this.#version, 0, 1);
  }

  /** Takes a lane out of use: no lookup finds it any more. */
  retire(lane: number, nowTick: number): void {
    Atomics.store(this.#lastUse, lane, nowTick | 0);
    Atomics.add(this.#generation, lane, 1);
    Atomics.store(this.#state, lane, RETIRED);
    Atomics.add(this.#version, 0, 1);
  }

  /** Lanes taken out of use before `tick`, and those whose taker died over the naming. */
  retiredBefore(tick: number): number[] {
    const lanes: number[] = [];
    for (let lane = 1; lane < MAX_LANES; lane++) {
      const state = Atomics.load(this.#state, lane);
      if ((state === RETIRED || state === NAMING) && this.lastUse(lane) < tick) lanes.push(lane);
    }
    return lanes;
  }

  /** A wiped lane may be taken again. */
  free(lane: number): void {
    Atomics.store(this.#state, lane, FREE);
  }

  #refresh(): void {
    const version = Atomics.load(this.#version, 0);
    if (version === this.#seenVersion) return;
    this.#seenVersion = version;
    this.#known.clear();
    const active: number[] = [];
    for (let lane = 1; lane < MAX_LANES; lane++) if (this.isActive(lane)) active.push(lane);
    this.#active = active;
  }

  #find(model: string): number {
    const name = Buffer.from(model);
    const compared = Math.min(name.length, MAX_MODEL_BYTES);
    for (const lane of this.#active) {
      if (this.#nameLength[lane] !== name.length) continue;
      const start = lane * MAX_MODEL_BYTES;
      if (name.compare(this.#names, start, start + compared, 0, compared) === 0) return lane;
    }
    return ACCOUNT;
  }

  #use(lane: number, nowTick: number): void {
    const last = this.lastUse(lane);
    if (Math.abs(nowTick - last) > USE_TICKS) Atomics.store(this.#lastUse, lane, nowTick | 0);
  }
}
