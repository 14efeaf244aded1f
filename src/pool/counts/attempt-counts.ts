// How often each upstream was tried and with which verdict, in shared memory, for /metrics. Nothing
// decides by these numbers: health is upstream-pool.ts, and what a verdict does to a key is the
// lease's.

import type { VerdictKind } from '../../policy/verdict.ts';
import { MAX_UPSTREAMS } from '../upstreams/upstream-list.ts';

const KINDS: readonly VerdictKind[] = [
  'success',
  'key_dead',
  'key_cooldown',
  'model_access',
  'upstream_fault',
  'client_fault',
  'excluded',
];

export class AttemptCounts {
  /**
   * One row of verdicts an upstream. Modulo 2^32: to Prometheus, a wrapped counter is one that
   * began anew.
   */
  readonly #counts: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#counts = new Int32Array(buffer);
  }

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(MAX_UPSTREAMS * KINDS.length * 4);
  }

  /** Call once for each attempt. `upstream` is the index of its upstream. */
  add(upstream: number, kind: VerdictKind): void {
    Atomics.add(this.#counts, upstream * KINDS.length + KINDS.indexOf(kind), 1);
  }

  /** Verdicts that there have been, and how often. */
  of(upstream: number): Partial<Record<VerdictKind, number>> {
    const row = KINDS.map((kind, at) => {
      return [kind, Atomics.load(this.#counts, upstream * KINDS.length + at) >>> 0] as const;
    });
    return Object.fromEntries(row.filter(([, count]) => count > 0));
  }

  /** The same over all upstreams. */
  inAll(): Partial<Record<VerdictKind, number>> {
    const sums: Partial<Record<VerdictKind, number>> = {};
    for (let at = 0; at < this.#counts.length; at++) {
      const count = Atomics.load(this.#counts, at) >>> 0;
      const kind = KINDS[at % KINDS.length];
      if (count > 0 && kind !== undefined) sums[kind] = (sums[kind] ?? 0) + count;
    }
    return sums;
  }
}
