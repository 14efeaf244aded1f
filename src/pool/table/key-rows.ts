// The rows of the key table apart from their status: the bytes of the keys, pins, and small counts.
// The coordinator alone writes keys; workers read them without asking. Whether a row may be used at
// all is its status (key-table.ts), which changes before and after its bytes do.

/** A credential longer than this fits no header anywhere. */
export const MAX_KEY_BYTES = 4096;
/** Pin of a key that may go to any upstream. */
export const UNPINNED = 0xffff;

const ROW_BYTES = 16;
const HEADER_BYTES = 64;
const ROW_COUNT = 0;
const OCCUPIED = 1;
const PINNED = 2;
const EDITION = 3;
/** The bytes grow in such steps, up to this much for each row that the table can hold. */
const GROW_BYTES = 4 * 1024 * 1024;
const RESERVED_BYTES_PER_ROW = 256;

export interface RowBuffers {
  readonly rows: SharedArrayBuffer;
  readonly bytes: SharedArrayBuffer;
}

export class KeyRows {
  readonly capacity: number;
  /** Successful attempts of each row, modulo 2^32. */
  readonly served: Int32Array;
  /** Index of the upstream whose answer made the row rest or die last. */
  readonly blamed: Uint16Array;
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

  /** Makes rows written before known to all workers. Coordinator only. */
  publishCounts(counts: { rowCount: number; occupied: number; pinned: number }): void {
    Atomics.store(this.#header, OCCUPIED, counts.occupied);
    Atomics.store(this.#header, PINNED, counts.pinned);
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
