// The rows of the key table apart from their status: the bytes of the keys, pins, and small counts.
// The coordinator alone writes keys; workers read them without asking. Whether a row may be used at
// all is its status (key-table.ts), which changes before and after its bytes do.

/** A credential longer than this fits no header anywhere. */
export const MAX_KEY_BYTES = 4096;
/** Pin of a key that may go to any upstream. */
export const UNPINNED = 0xffff;

const ROW_BYTES = 24;
const HEADER_BYTES = 64;
const ROW_COUNT = 0;
const OCCUPIED = 1;
const PINNED = 2;
const EDITION = 3;
const TIERS = 4;
const MAX_WEIGHT_NOW = 5;
const MIN_WEIGHT_NOW = 6;
const QUOTAS = 7;
/** Of a key's own settings. */
export const MAX_WEIGHT = 100;
export const MAX_TIERS = 4;
export const MAX_NAME_BYTES = 64;
/** The proxy of a key that has none of its own. */
export const NO_PROXY = 0xffff;
/** The bytes grow in such steps, up to this much for each row that the table can hold. */
const GROW_BYTES = 4 * 1024 * 1024;
const RESERVED_BYTES_PER_ROW = 256;

export interface RowBuffers {
  readonly rows: SharedArrayBuffer;
  readonly bytes: SharedArrayBuffer;
}

/** What a reload found: keys, those bound to an upstream, and the range of their settings. */
export interface RowCounts {
  readonly rowCount: number;
  readonly occupied: number;
  readonly pinned: number;
  readonly tiers: number;
  readonly heaviest: number;
  readonly lightest: number;
}

/** How a key is picked, and the index of its outgoing proxy or {@link NO_PROXY}. */
export interface RowPreferences {
  readonly weight: number;
  readonly tier: number;
  readonly proxy: number;
}

export class KeyRows {
  readonly capacity: number;
  /** Successful attempts of each row, modulo 2^32. */
  readonly served: Int32Array;
  /** Index of the upstream whose answer made the row rest or die last. */
  readonly blamed: Uint16Array;
  /** Index of the outgoing proxy of each row, plus 1; 0: none of its own. */
  readonly #proxy: Uint16Array;
  /** One less than what they are, so that untouched memory holds the defaults. */
  readonly #weight: Uint8Array;
  readonly #tier: Uint8Array;
  /** The name stands behind the key in its room. */
  readonly #nameLength: Uint8Array;
  /** Another number for each key that a row has held. */
  readonly life: Uint8Array;
  readonly #header: Int32Array;
  readonly #offset: Uint32Array;
  readonly #length: Uint16Array;
  readonly #room: Uint16Array;
  readonly #pin: Uint16Array;
  readonly #shared: SharedArrayBuffer;
  #bytes: Buffer;
  /** First free byte; known to the coordinator alone. */
  #end = 0;

  constructor(buffers: RowBuffers) {
    const { rows } = buffers;
    const capacity = (rows.byteLength - HEADER_BYTES) / ROW_BYTES;
    const at = (bytesBefore: number) => HEADER_BYTES + bytesBefore * capacity;
    this.capacity = capacity;
    this.#header = new Int32Array(rows, 0, HEADER_BYTES / 4);
    this.#offset = new Uint32Array(rows, at(0), capacity);
    this.served = new Int32Array(rows, at(4), capacity);
    this.#length = new Uint16Array(rows, at(8), capacity);
    this.#room = new Uint16Array(rows, at(10), capacity);
    this.#pin = new Uint16Array(rows, at(12), capacity);
    this.blamed = new Uint16Array(rows, at(14), capacity);
    this.#proxy = new Uint16Array(rows, at(16), capacity);
    this.#weight = new Uint8Array(rows, at(18), capacity);
    this.#tier = new Uint8Array(rows, at(19), capacity);
    this.#nameLength = new Uint8Array(rows, at(20), capacity);
    this.life = new Uint8Array(rows, at(21), capacity);
    this.#shared = buffers.bytes;
    // Of fixed length: a view that follows the buffer's growth costs several times more to read.
    this.#bytes = Buffer.from(this.#shared, 0, this.#shared.byteLength);
  }

  /** Address space for `capacity` rows; memory becomes real where it is first written. */
  static create(capacity: number): RowBuffers {
    const maxByteLength = Math.max(GROW_BYTES, capacity * RESERVED_BYTES_PER_ROW);
    return {
      rows: new SharedArrayBuffer(HEADER_BYTES + capacity * ROW_BYTES),
      bytes: new SharedArrayBuffer(0, { maxByteLength }),
    };
  }

  /** Rows in use so far, vacant ones among them: all rows are below it. */
  get rowCount(): number {
    return Atomics.load(this.#header, ROW_COUNT);
  }

  /** Another number each time that keys came or went. */
  get edition(): number {
    return Atomics.load(this.#header, EDITION);
  }

  /** Rows that hold a key. */
  get occupied(): number {
    return Atomics.load(this.#header, OCCUPIED);
  }

  /** Keys that are bound to one upstream. */
  get pinned(): number {
    return Atomics.load(this.#header, PINNED);
  }

  /** Tiers that keys have: 1, or more. */
  get tiers(): number {
    return Atomics.load(this.#header, TIERS) || 1;
  }

  /** The largest weight of a key, where weights differ; else 1. */
  get heaviest(): number {
    const most = Atomics.load(this.#header, MAX_WEIGHT_NOW);
    return most === Atomics.load(this.#header, MIN_WEIGHT_NOW) ? 1 : most;
  }

  /** Some key has limits of its own. */
  get hasQuotas(): boolean {
    return Atomics.load(this.#header, QUOTAS) !== 0;
  }

  /** Makes rows written before known to all workers. Coordinator only. */
  publishCounts(counts: RowCounts): void {
    Atomics.store(this.#header, OCCUPIED, counts.occupied);
    Atomics.store(this.#header, PINNED, counts.pinned);
    Atomics.store(this.#header, TIERS, counts.tiers);
    Atomics.store(this.#header, MAX_WEIGHT_NOW, counts.heaviest);
    Atomics.store(this.#header, MIN_WEIGHT_NOW, counts.lightest);
    Atomics.store(this.#header, ROW_COUNT, counts.rowCount);
    Atomics.add(this.#header, EDITION, 1);
  }

  /** The key of a row. The caller checks that its status did not change meanwhile. */
  key(row: number): string {
    const start = this.#offset[row] ?? 0;
    const end = start + (this.#length[row] ?? 0);
    if (end > this.#bytes.length) this.#view();
    return this.#bytes.toString('latin1', start, end);
  }

  /** Index of the upstream that a row is bound to, or {@link UNPINNED}. */
  pin(row: number): number {
    return this.#pin[row] ?? UNPINNED;
  }

  /** How often a row is picked, in proportion to the others: 1 to {@link MAX_WEIGHT}. */
  weight(row: number): number {
    return (this.#weight[row] ?? 0) + 1;
  }

  /** 1: used first. A higher one is used when no lower one has a key to give. */
  tier(row: number): number {
    return (this.#tier[row] ?? 0) + 1;
  }

  /** Index of the outgoing proxy of a row, or {@link NO_PROXY}. */
  proxy(row: number): number {
    return ((this.#proxy[row] ?? 0) - 1) & NO_PROXY;
  }

  /** What its file calls the key; '' when it has no name. */
  name(row: number): string {
    const length = this.#nameLength[row] ?? 0;
    if (length === 0) return '';
    const start = (this.#offset[row] ?? 0) + (this.#length[row] ?? 0);
    if (start + length > this.#bytes.length) this.#view();
    return this.#bytes.toString('latin1', start, start + length);
  }

  /** Sets how a row is picked and which way it takes. Coordinator only. */
  setPreferences(row: number, { weight, tier, proxy }: RowPreferences): void {
    this.#weight[row] = weight - 1;
    this.#tier[row] = tier - 1;
    this.#proxy[row] = (proxy + 1) & NO_PROXY;
  }

  /** Says that some key has limits of its own; never unsaid. Coordinator only. */
  markQuotas(): void {
    Atomics.store(this.#header, QUOTAS, 1);
  }

  /**
   * Names a row, which must hold its key. False: there is no room for the name. Coordinator only.
   */
  setName(row: number, name: string): boolean {
    if (name.length > MAX_NAME_BYTES) return false;
    const length = this.#length[row] ?? 0;
    if (this.name(row) === name) return true;
    this.#nameLength[row] = 0;
    if (length + name.length > (this.#room[row] ?? 0)) {
      const before = this.#offset[row] ?? 0;
      if (!this.#reserve(length + name.length)) return false;
      this.#bytes.copy(this.#bytes, this.#end, before, before + length);
      this.#offset[row] = this.#end;
      this.#room[row] = length + name.length;
      this.#end += length + name.length;
    }
    this.#bytes.write(name, (this.#offset[row] ?? 0) + length, 'latin1');
    this.#nameLength[row] = name.length;
    return true;
  }

  /**
   * A number that equal keys with equal pins share. Where keys may change meanwhile, it may be of
   * neither.
   */
  hash(row: number): number {
    const start = this.#offset[row] ?? 0;
    const end = start + (this.#length[row] ?? 0);
    if (end > this.#bytes.length) this.#view();
    return hashKey(this.#bytes, start, end, this.pin(row));
  }

  /** Whether the row holds the key `source[start..end)`. */
  holds(row: number, source: Buffer, start: number, end: number): boolean {
    if (this.#length[row] !== end - start) return false;
    const at = this.#offset[row] ?? 0;
    return this.#bytes.compare(source, start, end, at, at + end - start) === 0;
  }

  /**
   * Writes `source[start..end)` into a row that no one uses. Coordinator only. False when the
   * table's bytes are full. A row keeps its room, and at least doubles it when it needs more, so
   * that reloads for ever cannot use up the bytes.
   */
  write(row: number, source: Buffer, start: number, end: number): boolean {
    const length = end - start;
    const room = this.#room[row] ?? 0;
    if (length > room) {
      const wanted = Math.min(MAX_KEY_BYTES, Math.max(length, 2 * room));
      if (!this.#reserve(wanted)) return false;
      this.#offset[row] = this.#end;
      this.#room[row] = wanted;
      this.#end += wanted;
    }
    source.copy(this.#bytes, this.#offset[row], start, end);
    this.#nameLength[row] = 0;
    this.life[row] = (this.life[row] ?? 0) + 1;
    this.#length[row] = length;
    this.served[row] = 0;
    return true;
  }

  /** Binds a row that no one uses to an upstream, or to none. Coordinator only. */
  setPin(row: number, pin: number): void {
    this.#pin[row] = pin;
  }

  #reserve(bytes: number): boolean {
    const end = this.#end + bytes;
    if (end > this.#shared.maxByteLength) return false;
    if (end > this.#shared.byteLength) {
      const wanted = Math.ceil(end / GROW_BYTES) * GROW_BYTES;
      this.#shared.grow(Math.min(this.#shared.maxByteLength, wanted));
    }
    if (end > this.#bytes.length) this.#view();
    return true;
  }

  #view(): void {
    this.#bytes = Buffer.from(this.#shared, 0, this.#shared.byteLength);
  }
}

/** FNV-1a (isthe.com/chongo/tech/comp/fnv), mixed once more for the low bits. */
export function hashKey(source: Buffer, start: number, end: number, pin: number): number {
  let hash = 0x811c9dc5 ^ pin;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (source[i] ?? 0), 0x01000193);
  return hash ^ (hash >>> 15);
}
