// How each worker thread is doing: memory of its heap, and how late its event loop turns. Shared
// memory with one writer per block, so plain numbers do; readers may be a moment behind. Who
// measures, and when, is serve/vital-signs.ts.

import { MAX_WORKERS } from '../semaphore.ts';

/** Upper bounds of the delay's buckets in milliseconds; one more bucket is open. */
export const DELAY_BOUNDS_MS = [1, 2, 5, 10, 25, 50, 100, 250, 1_000] as const;

const ALIVE = 0;
const HEAP_USED = 1;
const HEAP_TOTAL = 2;
const EXTERNAL = 3;
const DELAY_SUM = 4;
const DELAY_BUCKETS = 5;
const CELLS = DELAY_BUCKETS + DELAY_BOUNDS_MS.length + 1;
/** Two workers never write to the same 128 bytes. */
const STRIDE = Math.ceil(CELLS / 16) * 16;

/** What one worker last measured; delays since its start. */
export interface Vitals {
  readonly worker: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
  readonly delaySumMs: number;
  /** `delays[i]`: so many at most DELAY_BOUNDS_MS[i], and more than the bound before. */
  readonly delays: readonly number[];
}

/** Of the worker's own heap, in bytes. */
export type HeapUsage = Pick<NodeJS.MemoryUsage, 'heapUsed' | 'heapTotal' | 'external'>;

/** One worker's block; only that worker writes it. */
export class WorkerVitals {
  readonly #cells: Float64Array;

  constructor(buffer: SharedArrayBuffer, workerId: number) {
    if (workerId < 0 || workerId >= MAX_WORKERS) throw new RangeError(`worker ${workerId}`);
    this.#cells = new Float64Array(buffer, workerId * STRIDE * 8, STRIDE);
  }

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(MAX_WORKERS * STRIDE * 8);
  }

  /** What the last look at the heap found, in bytes. */
  setHeap({ heapUsed, heapTotal, external }: HeapUsage): void {
    this.#cells[ALIVE] = 1;
    this.#cells[HEAP_USED] = heapUsed;
    this.#cells[HEAP_TOTAL] = heapTotal;
    this.#cells[EXTERNAL] = external;
  }

  /** How late the event loop turned once. */
  addDelay(ms: number): void {
    const found = DELAY_BOUNDS_MS.findIndex((bound) => ms <= bound);
    const bucket = DELAY_BUCKETS + (found < 0 ? DELAY_BOUNDS_MS.length : found);
    this.#cells[bucket] = (this.#cells[bucket] ?? 0) + 1;
    this.#cells[DELAY_SUM] = (this.#cells[DELAY_SUM] ?? 0) + ms;
  }

  /** The workers that have ever reported, those that took a dead one's place under its number. */
  static readAll(buffer: SharedArrayBuffer): Vitals[] {
    const all: Vitals[] = [];
    for (let worker = 0; worker < MAX_WORKERS; worker++) {
      const cells = new WorkerVitals(buffer, worker).#cells;
      if (cells[ALIVE] === 0) continue;
      all.push({
        worker,
        heapUsedBytes: cells[HEAP_USED] ?? 0,
        heapTotalBytes: cells[HEAP_TOTAL] ?? 0,
        externalBytes: cells[EXTERNAL] ?? 0,
        delaySumMs: cells[DELAY_SUM] ?? 0,
        delays: [...cells.subarray(DELAY_BUCKETS, CELLS)],
      });
    }
    return all;
  }
}
