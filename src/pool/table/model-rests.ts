// Rests of single keys for single models, for the models that have no lane of their own: as many
// pairs as a fixed memory holds, the one whose rest ends first making room for a new one. Nothing
// here is kept over a restart. Lanes, which cost more and are quicker to search, are lane.ts.

import { COOLING, DEAD, StatusWords, stateOf } from './status-word.ts';

/** Pairs of a key and a model: ten keys of each of 10,000 models, and some room. */
const SLOTS = 2 ** 17;
/** A pair stands in one of so many places, or nowhere. */
const WAYS = 8;
/** Models that may have an entry, by the low bits of their hashes. */
const FILTERS = 4096;
/** Names for reports, each in the place that its hash says. */
const NAMES = 2 ** 14;
const MAX_NAME_BYTES = 60;
const NAME_BYTES = 64;
/** A row has so many lives before they begin anew. */
const LIFE_SHIFT = 22;

const FILTER_AT = 64;
const TAGS_AT = FILTER_AT + FILTERS * 4;
const WORDS_AT = TAGS_AT + SLOTS * 8;
const NAMES_AT = WORDS_AT + SLOTS * 8;
const END = NAMES_AT + NAMES * NAME_BYTES;

/** One pair that rests. */
export interface ModelRest {
  readonly row: number;
  readonly model: string;
  readonly tick: number;
  readonly isDead: boolean;
}

export class ModelRests {
  readonly words: StatusWords;
  /** Rests that were made, ever: zero means that nobody need look. */
  readonly #made: Int32Array;
  readonly #filter: Int32Array;
  /** A model's hash, then the row and its life. */
  readonly #tags: Int32Array;
  readonly #tagWords: BigInt64Array;
  readonly #names: Buffer;

  constructor(buffer: SharedArrayBuffer) {
    this.#made = new Int32Array(buffer, 0, 1);
    this.#filter = new Int32Array(buffer, FILTER_AT, FILTERS);
    this.#tags = new Int32Array(buffer, TAGS_AT, 2 * SLOTS);
    this.#tagWords = new BigInt64Array(buffer, TAGS_AT, SLOTS);
    this.words = new StatusWords(buffer, WORDS_AT, SLOTS);
    this.#names = Buffer.from(buffer, NAMES_AT, NAMES * NAME_BYTES);
  }

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(END);
  }

  /** Whether there has been any rest. */
  get hasAny(): boolean {
    return Atomics.load(this.#made, 0) !== 0;
  }

  /** Whether some key may rest for a model. */
  concern(model: number): boolean {
    return Atomics.load(this.#filter, model & (FILTERS - 1)) > 0;
  }

  /** The tick until which a key rests for a model; 0: it does not. */
  restTick(model: number, row: number, life: number): number {
    const slot = this.#find(model, tagOf(row, life));
    if (slot < 0) return 0;
    const state = stateOf(this.words.low(slot));
    return state === COOLING || state === DEAD ? this.words.tick(slot) : 0;
  }

  /** Where a pair stands; -1: nowhere. */
  find(model: number, row: number, life: number): number {
    return this.#find(model, tagOf(row, life));
  }

  /** A place for a pair: its own, or the one whose rest ends first. */
  place(model: number, row: number, life: number): number {
    const tag = tagOf(row, life);
    const found = this.#find(model, tag);
    if (found >= 0) return found;
    const start = startOf(model, tag);
    let slot = start;
    let earliest = Infinity;
    for (let way = 0; way < WAYS; way++) {
      const at = (start + way) & (SLOTS - 1);
      const tick = this.#tags[2 * at + 1] === 0 ? -1 : this.words.tick(at);
      if (tick >= earliest) continue;
      earliest = tick;
      slot = at;
    }
    const before = Atomics.load(this.#tagWords, slot);
    const next = (BigInt(tag) << 32n) | BigInt(model >>> 0);
    // Lost to another thread, this rest is forgotten at once: it will be earned again.
    if (Atomics.compareExchange(this.#tagWords, slot, before, next) !== before) return slot;
    this.words.changeKey(slot, (status) => ({ ...status, ...FRESH }));
    Atomics.add(this.#filter, model & (FILTERS - 1), 1);
    Atomics.add(this.#made, 0, 1);
    if (before !== 0n) {
      Atomics.sub(this.#filter, Number(BigInt.asUintN(32, before)) & (FILTERS - 1), 1);
    }
    return slot;
  }

  /** Keeps a model's name for reports. */
  name(model: number, text: string): void {
    const at = (model & (NAMES - 1)) * NAME_BYTES;
    this.#names.writeInt32LE(model, at);
    this.#names.fill(0, at + 4, at + NAME_BYTES);
    this.#names.write(text.slice(0, MAX_NAME_BYTES), at + 4, MAX_NAME_BYTES, 'utf8');
  }

  /** Calls `visit` with each pair that rests: a pass over the memory, a millisecond. */
  visit(nowTick: number, lifeOf: (row: number) => number, visit: (rest: ModelRest) => void): void {
    if (Atomics.load(this.#made, 0) === 0) return;
    for (let slot = 0; slot < SLOTS; slot++) {
      const tag = this.#tags[2 * slot + 1] ?? 0;
      if (tag === 0) continue;
      const state = stateOf(this.words.low(slot));
      const tick = this.words.tick(slot);
      if ((state !== COOLING && state !== DEAD) || tick <= nowTick) continue;
      const row = (tag & (2 ** LIFE_SHIFT - 1)) - 1;
      if (tagOf(row, lifeOf(row)) !== tag) continue;
      const model = this.#nameOf(this.#tags[2 * slot] ?? 0);
      visit({ row, model, tick, isDead: state === DEAD });
    }
  }

  /** Every key may be asked for every model again. */
  clear(): void {
    if (Atomics.load(this.#made, 0) === 0) return;
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.#tags[2 * slot + 1] === 0) continue;
      this.words.changeKey(slot, (status) => ({ ...status, ...FRESH }));
    }
  }

  #nameOf(model: number): string {
    const at = (model & (NAMES - 1)) * NAME_BYTES;
    if (this.#names.readInt32LE(at) !== model) return '(one of many)';
    const end = this.#names.indexOf(0, at + 4);
    return this.#names.toString('utf8', at + 4, Math.min(end, at + NAME_BYTES));
  }

  #find(model: number, tag: number): number {
    const start = startOf(model, tag);
    for (let way = 0; way < WAYS; way++) {
      const slot = (start + way) & (SLOTS - 1);
      if (this.#tags[2 * slot + 1] === tag && this.#tags[2 * slot] === model) return slot;
    }
    return -1;
  }
}

const FRESH = { state: 'ready', restCount: 0, deadCount: 0, untilMs: 0 } as const;

/** 32 bits that stand for a model (FNV-1a). */
export function modelHash(model: string): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < model.length; i++) hash = Math.imul(hash ^ model.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 15);
}

function tagOf(row: number, life: number): number {
  return ((life & 0xff) << LIFE_SHIFT) | (row + 1);
}

function startOf(model: number, tag: number): number {
  const mixed = Math.imul(model ^ Math.imul(tag, 0x9e3779b1), 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) & (SLOTS - 1);
}
