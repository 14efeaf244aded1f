// GET /metrics: what was counted, from shared memory and the process, as metric families with
// names, units and help by Prometheus' conventions (prometheus.io/docs/practices/naming). A pass
// over the keys for each answer, milliseconds for a million. No label per key: a million keys would
// be a million series, and a scrape is no place for them.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config } from '../config/config.ts';
import type { VerdictKind } from '../policy/verdict.ts';
import { type ClientCounts, OTHER_CLIENTS } from '../pool/counts/client-counts.ts';
import { BUCKETS, type Histogram as Counted } from '../pool/counts/counters.ts';
import { DELAY_BOUNDS_MS, type Vitals, WorkerVitals } from '../pool/counts/worker-vitals.ts';
import type { FleetFacts, FleetMemory } from '../pool/fleet-memory.ts';
import type { GroupView } from '../pool/group-view.ts';
import { summarise } from '../pool/keys/key-report.ts';
import { QUOTA_KINDS } from '../pool/limits/key-quotas.ts';
import type { TokenSeries } from '../proxy/usage-tally.ts';
import type { LiveSources } from './dashboard/dashboard-state.ts';
import {
  CONTENT_TYPE,
  exposition,
  type Family,
  negotiateFormat,
  type Sample,
} from './exposition.ts';
import { by, counter, gauge, type Histogram, histogram, inBytes, one } from './families.ts';
import { residentBytes } from './process-memory.ts';
import { tokenFamily } from './token-metrics.ts';

/** Answers 200 with all families; never fails for a format, text is the default. */
export async function sendMetrics(
  request: IncomingMessage,
  response: ServerResponse,
  sources: MetricsSources,
): Promise<void> {
  const format = negotiateFormat(request.headers.accept);
  // The coordinator's books; without them the rest is worth a scrape all the same.
  const tokens = await sources.tokens().catch(() => []);
  const families = metricFamilies(metricsSnapshot(sources, sources.now()));
  const body = exposition([...families, tokenFamily(tokens)], format);
  response.writeHead(200, {
    'Content-Type': CONTENT_TYPE[format],
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    Vary: 'Accept',
  });
  response.end(body);
}

const MS_PER_SECOND = 1e3;
/** Clients with series of their own. */
const MAX_NAMED_CLIENTS = 256;
const US_PER_SECOND = 1e6;

/** Where the numbers are. */
export interface MetricsSources extends LiveSources {
  readonly config: Config;
  readonly version: string;
  /** Names of the clients, and where they are counted. */
  readonly clients: () => readonly { readonly name: string; readonly place: number }[];
  readonly clientCounts: ClientCounts;
  /** Tokens since the start. */
  readonly tokens: () => Promise<readonly TokenSeries[]>;
  readonly fleet: FleetMemory;
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
    clients: clientSnapshots(sources),
    rejected: totals.rejected,
    retries: totals.retries,
    inFlight: gauges.inFlight,
    maxInFlight: config.maxConcurrentRequests,
    openStreams: gauges.openStreams,
    firstByte: inSeconds(histograms.firstByteMs, MS_PER_SECOND),
    duration: inSeconds(histograms.totalMs, MS_PER_SECOND),
    queue: inSeconds(histograms.queueMs, MS_PER_SECOND),
    bytes: { received: totals.bytesIn, sent: totals.bytesOut },
    groups: sources.groups().map((group) => groupSnapshot(group, nowMs)),
    openLeases: gauges.openLeases,
    workers: WorkerVitals.readAll(sources.vitals).map(workerSnapshot),
    logLinesDropped: totals.logLinesDropped,
    strayAnswers: totals.strayAnswers,
    fleet: sources.fleet.facts(nowMs),
    cpuSeconds: (user + system) / US_PER_SECOND,
    residentBytes: residentBytes(),
  };
}

/** Clients by place, each once; those beyond MAX_NAMED_CLIENTS are `other`, together. */
function clientSnapshots({ clients, clientCounts }: MetricsSources): ClientSnapshot[] {
  const named = new Map<string, { success: number; failure: number }>();
  const places = new Map(clients().map(({ name, place }) => [place, name]));
  for (const [place, name] of places) {
    const isNamed = named.size < MAX_NAMED_CLIENTS && place !== OTHER_CLIENTS;
    const label = isNamed ? name : 'other';
    const sum = named.get(label) ?? { success: 0, failure: 0 };
    const { succeeded, failed } = clientCounts.of(place);
    named.set(label, { success: sum.success + succeeded, failure: sum.failure + failed });
  }
  return [...named].map(([name, requests]) => ({ name, requests }));
}

function groupSnapshot(group: GroupView, nowMs: number): GroupSnapshot {
  const { healthy, resting, blacklisted, restingForModel } = summarise(group.table, nowMs);
  return {
    name: group.name,
    upstreams: upstreamSnapshots(group),
    keys: { healthy, resting, blacklisted },
    restingModels: restingForModel,
    limitSkips: limitSkips(group),
  };
}

/** How often keys were set aside because of each limit; none where no key has one. */
function limitSkips({ table: { quotas } }: GroupView): Readonly<Record<string, number>> {
  if (quotas === undefined) return {};
  return Object.fromEntries(QUOTA_KINDS.map((kind) => [kind, quotas.skips(kind)]));
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

/** All that was counted since the start, over all workers. Durations in seconds, sizes in bytes. */
export interface MetricsSnapshot {
  readonly version: string;
  /** Unix time. */
  readonly startSeconds: number;
  /** Client requests that have ended: `success`, `failure`. */
  readonly requests: Readonly<Record<string, number>>;
  readonly clients: readonly ClientSnapshot[];
  /** Of them, those refused because MAX_CONCURRENT_REQUESTS were being worked on. */
  readonly rejected: number;
  readonly retries: number;
  readonly inFlight: number;
  readonly maxInFlight: number;
  readonly openStreams: number;
  readonly firstByte: Histogram;
  readonly duration: Histogram;
  readonly queue: Histogram;
  /** Bytes of bodies from and to clients. */
  readonly bytes: { readonly received: number; readonly sent: number };
  readonly groups: readonly GroupSnapshot[];
  readonly openLeases: number;
  readonly workers: readonly WorkerSnapshot[];
  readonly logLinesDropped: number;
  readonly strayAnswers: number;
  /** Undefined: there is no FLEET_URL. */
  readonly fleet: FleetFacts | undefined;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** The requests of one client that have ended, by outcome. */
export interface ClientSnapshot {
  readonly name: string;
  readonly requests: Readonly<Record<string, number>>;
}

/** The keys and upstreams of one group. */
export interface GroupSnapshot {
  readonly name: string;
  readonly upstreams: readonly UpstreamSnapshot[];
  /** Keys by state: healthy, resting, blacklisted. */
  readonly keys: Readonly<Record<string, number>>;
  /** (key, model) pairs that rest for one model only. */
  readonly restingModels: number;
  readonly limitSkips: Readonly<Record<string, number>>;
}

export interface UpstreamSnapshot {
  /** Base URL; it never holds credentials. */
  readonly name: string;
  readonly attempts: Readonly<Partial<Record<VerdictKind, number>>>;
  /** False while ejected. */
  readonly available: boolean;
  readonly consecutiveFailures: number;
  /** Every key was rejected within a minute. */
  readonly suspect: boolean;
}

export interface WorkerSnapshot {
  readonly worker: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
  readonly eventLoopDelay: Histogram;
}

/** The families of one snapshot, in the order in which they are read. */
export function metricFamilies(snapshot: MetricsSnapshot): Family[] {
  return [
    ...requestFamilies(snapshot),
    ...upstreamFamilies(snapshot.groups),
    counter(
      'upstream_stray_answers',
      'Connections closed because the upstream sent unsolicited bytes.',
      one(snapshot.strayAnswers),
    ),
    ...keyFamilies(snapshot),
    ...fleetFamilies(snapshot.fleet),
    ...workerFamilies(snapshot.workers),
    ...processFamilies(snapshot),
  ];
}

function requestFamilies(snapshot: MetricsSnapshot): Family[] {
  const { requests, bytes } = snapshot;
  return [
    counter('requests', 'Finished client requests, by outcome.', by('outcome', requests)),
    counter(
      'client_requests',
      'Finished requests of known clients, by client and outcome.',
      snapshot.clients.flatMap(({ name, requests: ended }) =>
        by('outcome', ended, { client: name }),
      ),
    ),
    counter(
      'requests_rejected',
      'Requests rejected with 429 because of MAX_CONCURRENT_REQUESTS.',
      one(snapshot.rejected),
    ),
    counter('retries', 'Attempts after the first one of a request.', one(snapshot.retries)),
    gauge('requests_in_flight', 'Requests in flight.', one(snapshot.inFlight)),
    gauge('requests_in_flight_limit', 'MAX_CONCURRENT_REQUESTS.', one(snapshot.maxInFlight)),
    gauge('streams_open', 'Event streams being relayed.', one(snapshot.openStreams)),
    histogram(
      'time_to_first_byte_seconds',
      'Time from the arrival of a request to the first byte of its answer.',
      [{ labels: {}, measured: snapshot.firstByte }],
    ),
    histogram(
      'request_duration_seconds',
      'Time from the arrival of a request to the last byte of its answer.',
      [{ labels: {}, measured: snapshot.duration }],
    ),
    histogram(
      'queue_wait_seconds',
      'How long queued requests waited for a free slot or a busy key.',
      [{ labels: {}, measured: snapshot.queue }],
    ),
    inBytes(
      counter('client_received_bytes', 'Body bytes received from clients.', one(bytes.received)),
    ),
    inBytes(counter('client_sent_bytes', 'Body bytes sent to clients.', one(bytes.sent))),
  ];
}

function upstreamFamilies(groups: readonly GroupSnapshot[]): Family[] {
  const all = groups.flatMap(({ name: group, upstreams }) =>
    upstreams.map((upstream) => ({ labels: { group, upstream: upstream.name }, upstream })),
  );
  const per = (pick: (upstream: UpstreamSnapshot) => number): Sample[] =>
    all.map(({ labels, upstream }) => ({ labels, value: pick(upstream) }));
  const attempts = all.flatMap(({ labels, upstream }) => by('verdict', upstream.attempts, labels));
  return [
    counter('attempts', 'Attempts at upstreams, by group, upstream and verdict.', attempts),
    gauge(
      'upstream_available',
      'Whether the upstream is in rotation (1) or ejected after faults (0).',
      per(({ available }) => Number(available)),
    ),
    gauge(
      'upstream_consecutive_failures',
      'Consecutive faults of the upstream.',
      per(({ consecutiveFailures }) => consecutiveFailures),
    ),
    gauge(
      'upstream_suspect',
      'Whether every key was rejected there within a minute (1): suspect the route, not the keys.',
      per(({ suspect }) => Number(suspect)),
    ),
  ];
}

function keyFamilies(snapshot: MetricsSnapshot): Family[] {
  const { groups } = snapshot;
  const keys = groups.flatMap((group) => by('state', group.keys, { group: group.name }));
  return [
    gauge('keys', 'API keys, by group and state.', keys),
    gauge(
      'key_models_resting',
      'Pairs of a key and a model that are resting while the key serves other models.',
      groups.map(({ name, restingModels }) => ({ labels: { group: name }, value: restingModels })),
    ),
    counter(
      'key_limit_skips',
      'Times that a key was skipped because it had reached a limit of its own.',
      groups.flatMap(({ name, limitSkips }) => by('limit', limitSkips, { group: name })),
    ),
    gauge('key_leases_open', 'Keys in use by attempts.', one(snapshot.openLeases)),
  ];
}

/** Of an instance that belongs to none there is nothing to be said. */
function fleetFamilies(fleet: FleetFacts | undefined): Family[] {
  if (fleet === undefined) return [];
  const { connected, instances, lag_ms: lagMs } = fleet;
  const lag = lagMs === null ? [] : one(lagMs / MS_PER_SECOND);
  return [
    gauge(
      'fleet_connected',
      'Whether the fleet server is reachable (1) or this instance is on its own (0).',
      one(Number(connected)),
    ),
    gauge('fleet_instances', 'Live instances, as last seen.', one(instances)),
    { ...gauge('fleet_lag_seconds', 'Age of the last news from the fleet.', lag), unit: 'seconds' },
  ];
}

function workerFamilies(workers: readonly WorkerSnapshot[]): Family[] {
  const memory = workers.flatMap(({ worker, ...sizes }) =>
    by(
      'area',
      {
        heap_used: sizes.heapUsedBytes,
        heap_total: sizes.heapTotalBytes,
        external: sizes.externalBytes,
      },
      { worker: String(worker) },
    ),
  );
  const delays = workers.map(({ worker, eventLoopDelay }) => {
    return { labels: { worker: String(worker) }, measured: eventLoopDelay };
  });
  return [
    gauge('workers', 'Worker threads that serve requests.', one(workers.length)),
    inBytes(gauge('worker_memory_bytes', 'Memory of a worker, by area.', memory)),
    histogram(
      'worker_event_loop_delay_seconds',
      'Event loop delay of a worker, sampled twice a second.',
      delays,
    ),
  ];
}

function processFamilies(snapshot: MetricsSnapshot): Family[] {
  const { version, startSeconds, cpuSeconds, residentBytes, logLinesDropped } = snapshot;
  return [
    counter(
      'log_lines_dropped',
      'Log lines lost because they could not be written.',
      one(logLinesDropped),
    ),
    gauge('build_info', 'The running version; always 1.', [{ labels: { version }, value: 1 }]),
    {
      ...gauge('', 'Start of the process, Unix time.', one(startSeconds)),
      name: 'process_start_time_seconds',
      unit: 'seconds',
    },
    {
      ...counter('', 'User and system CPU time of the process.', one(cpuSeconds)),
      name: 'process_cpu_seconds',
      unit: 'seconds',
    },
    {
      ...inBytes(gauge('', 'Resident memory of the process.', one(residentBytes))),
      name: 'process_resident_memory_bytes',
    },
  ];
}
