// What one attempt leaves in its request's access line and trail: facts only, the key as a preview.

import type { TrailAttempt } from '../log/trail.ts';
import type { Consequence, Lease } from '../pool/lease.ts';
import type { Judged } from './attempt.ts';
import type { Exchange } from './exchange.ts';

/** The record of an attempt that is over. Times are of the coarse clock. */
export function attemptRecord(
  { startMs: arrivedMs, waitedMs }: Exchange,
  lease: Lease,
  { verdict, held }: Judged,
  on: {
    readonly startMs: number;
    readonly endMs: number;
    readonly changes: readonly Consequence[];
  },
): TrailAttempt {
  const grounds = verdict.kind === 'success' ? undefined : verdict;
  return {
    upstream: lease.upstream.href,
    key: lease.keyPreview,
    keyRow: lease.row,
    status: held?.answer.status ?? 0,
    verdict: grounds === undefined ? verdict.kind : `${verdict.kind} ${grounds.reason}`,
    rule: grounds?.rule,
    code: grounds?.code,
    ms: on.endMs - on.startMs,
    endMs: on.endMs - arrivedMs,
    waitedMs,
    changes: on.changes,
  };
}
