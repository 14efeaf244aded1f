// What the load generator can be asked to do, and what it answers: the messages between it and the
// runner.

import type { Deed } from './messages.ts';

export type LoadJob =
  /** Each connection sends its next request as soon as it has the answer. */
  | {
      readonly kind: 'requests';
      readonly port: number;
      readonly connections: number;
      readonly durationMs: number;
      /** Ends after so many, whatever the time. */
      readonly count?: number;
      /** Answers of 500 and the like are expected, and count as done. */
      readonly deed?: 'small' | 'faulty';
    }
  /** So many requests a second, whatever the answers do; latency counts from when each was due. */
  | {
      readonly kind: 'rate';
      readonly port: number;
      readonly connections: number;
      readonly durationMs: number;
      readonly perSecond: number;
    }
  /** Reads so many streams to their ends. */
  | {
      readonly kind: 'streams';
      readonly port: number;
      readonly deed: Deed;
      readonly streams: number;
      readonly events: number;
    }
  /** Opens streams that stay open until `release`. */
  | { readonly kind: 'hold'; readonly port: number; readonly streams: number }
  | { readonly kind: 'release' };

export interface LoadResult {
  /** Requests that were answered whole with 200. */
  readonly done: number;
  readonly failed: number;
  readonly elapsedMs: number;
  /** `rate` only, in milliseconds. */
  readonly latenciesMs: readonly number[];
}
