// Gathers what was counted, from shared memory and the process, for one answer of /metrics. Decides
// what the counters mean in metrics.ts's terms; costs a pass over the keys, milliseconds for a
// million.

import type { Config } from '../config/config.ts';
import { BUCKETS, type Histogram as Counted, type Counters } from '../pool/counts/counters.ts';
import { DELAY_BOUNDS_MS, type Vitals, WorkerVitals } from '../pool/counts/worker-vitals.ts';
import type { GroupView } from '../pool/group-view.ts';
import { summarise } from '../pool/keys/key-report.ts';
import type {
  GroupSnapshot,
  Histogram,
  MetricsSnapshot,
  UpstreamSnapshot,
  WorkerSnapshot,
} from './metrics.ts';
import { residentBytes } from './process-memory.ts';

const MS_PER_SECOND = 1e3;
const US_PER_SECOND = 1e6;

/** Where the numbers are. */
export interface MetricsSources {
  readonly config: Config;
  readonly version: string;
  readonly groups: readonly GroupView[];
  readonly counters: Counters;
  /** Memory of all workers' vitals. */
  readonly vitals: SharedArrayBuffer;
  /** Unix time in milliseconds. */
  readonly startedAtMs: number;
}

/** The numbers at `nowMs`, in base units (seconds, bytes) as Prometheus wants them. */
export function metricsSnapshot(sources: MetricsSources, nowMs: number): MetricsSnapshot {
  const { config, version, startedAtMs } = sources;
  const { totals, gauges, histograms } = sources.counters.sum();
  const { user, system } = process.cpuUsage();
  return {
    version,
    startSeconds: startedAtMs / MS_PER_SECOND,
    requests: { success: totals.succeeded, failure: totals.failed },
    rejected: totals.rejected,
    retries: totals.retries,
    inFlight: gauges.inFlight,
    maxInFlight: config.maxConcurrentRequests,
    openStreams: gauges.openStreams,
    firstByte: inSeconds(histograms.firstByteMs, MS_PER_SECOND),
    duration: inSeconds(histograms.totalMs, MS_PER_SECOND),
    bytes: { received: totals.bytesIn, sent: totals.bytesOut },
    groups: sources.groups.map((group) => groupSnapshot(group, nowMs)),
    openLeases: gauges.openLeases,
    workers: WorkerVitals.readAll(sources.vitals).map(workerSnapshot),
    logLinesDropped: totals.logLinesDropped,
    cpuSeconds: (user + system) / US_PER_SECOND,
    residentBytes: residentBytes(),
  };
}

function groupSnapshot(group: GroupView, nowMs: number): GroupSnapshot {
  const { healthy, resting, blacklisted, restingForModel } = summarise(group.table, nowMs);
  return {
    name: group.name,
    upstreams: upstreamSnapshots(group),
    keys: { healthy, resting, blacklisted },
    restingModels: restingForModel,
  };
}

function upstreamSnapshots({ upstreams, attempts }: GroupView): UpstreamSnapshot[] {
  return Array.from({ length: upstreams.list.count }, (_, index) => {
    const { state, failures, suspect } = upstreams.status(index);
    return {
      name: upstreams.get(index).href,
      attempts: attempts.of(index),
      available: state === 'closed',
      consecutiveFailures: failures,
      suspect,
    };
  });
}

function workerSnapshot({ delays, delaySumMs, ...vitals }: Vitals): WorkerSnapshot {
  const eventLoopDelay = {
    boundsSeconds: DELAY_BOUNDS_MS.map((ms) => ms / MS_PER_SECOND),
    buckets: delays,
    sumSeconds: delaySumMs / MS_PER_SECOND,
  };
  return { ...vitals, eventLoopDelay };
}

function inSeconds({ counts, sum }: Counted, perSecond: number): Histogram {
  const boundsSeconds = BUCKETS.map((bound) => bound / perSecond);
  return { boundsSeconds, buckets: counts, sumSeconds: sum / perSecond };
}
