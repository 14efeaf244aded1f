// What has been counted, by each thread in a block of its own: requests, attempts, bytes,
// latencies. Every number has one writer, so adding is a plain 53-bit addition; readers may be a
// moment behind. What is shown of it, and how, is decided in admin/.

import type { VerdictKind } from '../../policy/verdict.ts';
import { MAX_WORKERS } from '../semaphore.ts';

/** The coordinator's block, after those of the workers. */
export const COORDINATOR = MAX_WORKERS;
const BLOCKS = MAX_WORKERS + 1;

const TOTALS = [
  'requests',
  'succeeded',
  'failed',
  'rejected',
  'retries',
  'bytesIn',
  'bytesOut',
  'logLinesDropped',
  'strayAnswers',
  'attempt.success',
  'attempt.key_dead',
  'attempt.key_cooldown',
  'attempt.model_access',
  'attempt.upstream_fault',
  'attempt.client_fault',
  'attempt.excluded',
] as const satisfies readonly (string | `attempt.${VerdictKind}`)[];

/** What is going on now: returns to zero when a worker dies. */
const GAUGES = ['inFlight', 'openLeases', 'openStreams'] as const;
const HISTOGRAMS = ['firstByteMs', 'totalMs', 'queueMs'] as const;

/** Upper bounds of the buckets, the last one open; the same for all, each in its own unit. */
export const BUCKETS = [
  1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000,
  600_000,
] as const;

export type TotalName = (typeof TOTALS)[number];
export type GaugeName = (typeof GAUGES)[number];
export type HistogramName = (typeof HISTOGRAMS)[number];

const COUNTED = [...TOTALS, ...GAUGES];
/** Bucket counts (one more than bounds), then the sum. */
const HISTOGRAM_CELLS = BUCKETS.length + 2;
const CELLS = COUNTED.length + HISTOGRAMS.length * HISTOGRAM_CELLS;
/** Rounded up so that two workers never write to the same 128 bytes. */
const STRIDE = Math.ceil(CELLS / 16) * 16;

const PLACE: Readonly<Record<string, number>> = Object.fromEntries(
  [...COUNTED, ...HISTOGRAMS].map((name, i) => {
    const histogram = i - COUNTED.length;
    return [name, histogram < 0 ? i : COUNTED.length + histogram * HISTOGRAM_CELLS];
  }),
);

/**
 * How long things took: `counts[i]` of them at most `BUCKETS[i]`, the last entry more than all
 * bounds.
 */
export interface Histogram {
  readonly counts: readonly number[];
  readonly count: number;
  readonly sum: number;
}

/** Over all workers. Latencies in milliseconds. */
export interface CounterSums {
  readonly totals: Readonly<Record<TotalName, number>>;
  readonly gauges: Readonly<Record<GaugeName, number>>;
  readonly histograms: Readonly<Record<HistogramName, Histogram>>;
}

/** One worker's numbers. Only that worker writes them. */
export class WorkerCounters {
  readonly #cells: Float64Array;

  constructor(buffer: SharedArrayBuffer, workerId: number) {
    this.#cells = cellsOf(buffer, workerId);
  }

  /** Gauges go down by a negative `n`. */
  add(name: TotalName | GaugeName, n = 1): void {
    const place = PLACE[name] ?? 0;
    this.#cells[place] = (this.#cells[place] ?? 0) + n;
  }

  /** Puts one value, in milliseconds, into its bucket. */
  observe(name: HistogramName, value: number): void {
    const place = PLACE[name] ?? 0;
    let bucket = 0;
    while (bucket < BUCKETS.length && value > (BUCKETS[bucket] ?? 0)) bucket++;
    const sum = place + HISTOGRAM_CELLS - 1;
    this.#cells[place + bucket] = (this.#cells[place + bucket] ?? 0) + 1;
    this.#cells[sum] = (this.#cells[sum] ?? 0) + value;
  }
}

/** All workers' numbers. */
export class Counters {
  readonly #buffer: SharedArrayBuffer;

  constructor(buffer: SharedArrayBuffer) {
    this.#buffer = buffer;
  }

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(BLOCKS * STRIDE * 8);
  }

  sum(): CounterSums {
    const cells = new Float64Array(STRIDE);
    for (let worker = 0; worker < BLOCKS; worker++) {
      const own = cellsOf(this.#buffer, worker);
      for (let i = 0; i < STRIDE; i++) cells[i] = (cells[i] ?? 0) + (own[i] ?? 0);
    }
    const number = (name: string) => cells[PLACE[name] ?? 0] ?? 0;
    const pairs = <Name extends string, Value>(names: readonly Name[], value: (n: Name) => Value) =>
      Object.fromEntries(names.map((name) => [name, value(name)])) as Record<Name, Value>;
    return {
      totals: pairs(TOTALS, number),
      gauges: pairs(GAUGES, number),
      histograms: pairs(HISTOGRAMS, (name) => histogramAt(cells, PLACE[name] ?? 0)),
    };
  }

  /** What a dead worker had under way is over; what it had counted stays. */
  workerDied(workerId: number): void {
    const cells = cellsOf(this.#buffer, workerId);
    for (const gauge of GAUGES) cells[PLACE[gauge] ?? 0] = 0;
  }
}

function cellsOf(buffer: SharedArrayBuffer, workerId: number): Float64Array {
  if (workerId < 0 || workerId >= BLOCKS) throw new RangeError(`worker ${workerId}`);
  return new Float64Array(buffer, workerId * STRIDE * 8, STRIDE);
}

function histogramAt(cells: Float64Array, place: number): Histogram {
  const counts = [...cells.subarray(place, place + BUCKETS.length + 1)];
  const count = counts.reduce((sum, n) => sum + n, 0);
  return { counts, count, sum: cells[place + HISTOGRAM_CELLS - 1] ?? 0 };
}
