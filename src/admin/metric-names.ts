// The names of all series that /metrics answers with: one list for those who build on them, made
// from the families themselves.

import { Counters } from '../pool/counts/counters.ts';
import { type MetricsSnapshot, metricFamilies } from './metrics.ts';
import { tokenFamily } from './token-metrics.ts';

/** As Prometheus knows them: counters end in `_total`, histograms have three. */
export function metricNames(): string[] {
  const families = [...metricFamilies(nothing()), tokenFamily([])];
  return families.flatMap(({ name, type }) => {
    if (type === 'counter') return [`${name}_total`];
    return type === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name];
  });
}

/** What a process that has done nothing would answer. */
function nothing(): MetricsSnapshot {
  const { totals } = new Counters(Counters.create()).sum();
  const never = { boundsSeconds: [], buckets: [0], sumSeconds: 0 };
  return {
    version: '',
    startSeconds: 0,
    requests: {},
    clients: [],
    rejected: totals.rejected,
    retries: totals.retries,
    inFlight: 0,
    maxInFlight: 0,
    openStreams: 0,
    firstByte: never,
    duration: never,
    queue: never,
    bytes: { received: 0, sent: 0 },
    groups: [],
    openLeases: 0,
    workers: [],
    logLinesDropped: 0,
    strayAnswers: 0,
    fleet: { instances: 1, connected: false, lag_ms: null },
    cpuSeconds: 0,
    residentBytes: 0,
  };
}
