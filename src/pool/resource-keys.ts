// Whose key knows a thing of the provider: files, batches and stored responses exist for the
// account that made them. Remembered for the last hundred thousand of each group, as hashes, in
// memory that all workers share. What counts as such a thing is policy/resource-ids.ts.

/** Things of one group; one more, and the oldest of its eight neighbours is forgotten. */
const SLOTS = 2 ** 17;
const WAYS = 8;
const MADE = 0;
const HEADER_BYTES = 64;
const TAGS_AT = HEADER_BYTES;
const KEYS_AT = TAGS_AT + SLOTS * 8;
const ORDER_AT = KEYS_AT + SLOTS * 8;
const END = ORDER_AT + SLOTS * 4;

/** One thing, and the row of its key with the hash by which that row is known again. */
export interface ResourceKey {
  readonly id: bigint;
  readonly row: number;
  readonly keyHash: number;
}

export class ResourceKeys {
  readonly #made: Int32Array;
  readonly #tags: BigInt64Array;
  readonly #rows: Int32Array;
  readonly #order: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#made = new Int32Array(buffer, MADE, 1);
    this.#tags = new BigInt64Array(buffer, TAGS_AT, SLOTS);
    this.#rows = new Int32Array(buffer, KEYS_AT, 2 * SLOTS);
    this.#order = new Int32Array(buffer, ORDER_AT, SLOTS);
  }

  /** 3 MB, which become real as they are used. */
  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(END);
  }

  /** How many were remembered, ever, modulo 2^32; 0: nobody need look. */
  get made(): number {
    return Atomics.load(this.#made, 0);
  }

  /** The row whose key knows a thing; undefined: nobody knows. The caller checks the key's hash. */
  find(id: bigint): ResourceKey | undefined {
    const slot = this.#slotOf(id);
    if (slot < 0) return undefined;
    return { id, row: this.#rows[2 * slot] ?? -1, keyHash: this.#rows[2 * slot + 1] ?? 0 };
  }

  /** Remembers whose key knows a thing. */
  remember({ id, row, keyHash }: ResourceKey): void {
    let slot = this.#slotOf(id);
    if (slot >= 0 && this.#rows[2 * slot] === row && this.#rows[2 * slot + 1] === keyHash) return;
    if (slot < 0) slot = this.#oldestOf(id);
    // Two that race for a place: the later one stays, and its key belongs to it.
    Atomics.store(this.#tags, slot, 0n);
    this.#rows[2 * slot] = row;
    this.#rows[2 * slot + 1] = keyHash;
    this.#order[slot] = Atomics.add(this.#made, 0, 1) + 1;
    Atomics.store(this.#tags, slot, id);
  }

  /** Those that were remembered after `made` was so much: a pass over the memory. */
  *since(made: number): Generator<ResourceKey, void> {
    for (let slot = 0; slot < SLOTS; slot++) {
      const id = this.#tags[slot] ?? 0n;
      if (id === 0n || this.#isOlder(slot, made)) continue;
      yield { id, row: this.#rows[2 * slot] ?? -1, keyHash: this.#rows[2 * slot + 1] ?? 0 };
    }
  }

  #isOlder(slot: number, made: number): boolean {
    return (((this.#order[slot] ?? 0) - made) | 0) <= 0;
  }

  #slotOf(id: bigint): number {
    const start = startOf(id);
    for (let way = 0; way < WAYS; way++) {
      const slot = (start + way) & (SLOTS - 1);
      if (Atomics.load(this.#tags, slot) === id) return slot;
    }
    return -1;
  }

  #oldestOf(id: bigint): number {
    const start = startOf(id);
    let oldest = start;
    for (let way = 0; way < WAYS; way++) {
      const slot = (start + way) & (SLOTS - 1);
      if (this.#tags[slot] === 0n) return slot;
      if ((this.#order[slot] ?? 0) - (this.#order[oldest] ?? 0) < 0) oldest = slot;
    }
    return oldest;
  }
}

/** 64 bits that stand for a name (two FNV-1a hashes); never 0. */
export function resourceId(name: string): bigint {
  let one = 0x811c9dc5 | 0;
  let two = 0x2f0b4c47 | 0;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    one = Math.imul(one ^ code, 0x01000193);
    two = Math.imul(two ^ (code + i), 0x01000193);
  }
  const id = BigInt.asIntN(64, (BigInt(one >>> 0) << 32n) | BigInt((two ^ (two >>> 13)) >>> 0));
  return id === 0n ? 1n : id;
}

function startOf(id: bigint): number {
  return Number(BigInt.asUintN(17, id ^ (id >> 23n)));
}
