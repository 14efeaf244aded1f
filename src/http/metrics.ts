// What /metrics tells, as metric families: names, units and help by Prometheus' conventions
// (https://prometheus.io/docs/practices/naming/). Pure: whoever counted hands over a snapshot.
// No label per key: a million keys would be a million series, and a scrape is no place for them.

import type { VerdictKind } from '../policy/verdict.ts';
import type { Distribution, Family, Labels, Sample } from './exposition.ts';

/** All that was counted since the start, over all workers. Durations in seconds, sizes in bytes. */
export interface MetricsSnapshot {
  readonly version: string;
  /** Unix time. */
  readonly startSeconds: number;
  /** Client requests by how they ended, as the access log names it: success, client_fault... */
  readonly requests: Readonly<Record<string, number>>;
  readonly inFlight: number;
  readonly maxInFlight: number;
  readonly firstByte: Histogram;
  readonly duration: Histogram;
  readonly bytes: Readonly<Record<ByteFlow, number>>;
  readonly upstreams: readonly UpstreamSnapshot[];
  /** Keys by state: healthy, resting, blacklisted. */
  readonly keys: Readonly<Record<string, number>>;
  /** (key, model) pairs that rest for one model only. */
  readonly restingModels: number;
  /** Keys sent to rest, and blacklisted, ever. */
  readonly cooldowns: number;
  readonly blacklistings: number;
  readonly workers: readonly WorkerSnapshot[];
  readonly workerRestarts: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** Which way bytes of bodies went. */
export type ByteFlow = 'client_received' | 'client_sent' | 'upstream_received' | 'upstream_sent';

/** `buckets` has one count more than `boundsSeconds`: what was slower than the last bound. */
export interface Histogram {
  readonly boundsSeconds: readonly number[];
  readonly buckets: readonly number[];
  readonly sumSeconds: number;
}

export interface UpstreamSnapshot {
  /** Base URL without credentials. */
  readonly name: string;
  readonly attempts: Readonly<Partial<Record<VerdictKind, number>>>;
  /** False while ejected. */
  readonly available: boolean;
  readonly consecutiveFailures: number;
}

export interface WorkerSnapshot {
  readonly worker: number;
  readonly heapUsedBytes: number;
  readonly heapTotalBytes: number;
  readonly externalBytes: number;
  readonly eventLoopDelay: {
    readonly p50Seconds: number;
    readonly p99Seconds: number;
    readonly sumSeconds: number;
    readonly count: number;
  };
}

/** The families of one snapshot, in the order in which they are read. */
export function metricFamilies(snapshot: MetricsSnapshot): Family[] {
  return [
    ...requestFamilies(snapshot),
    ...upstreamFamilies(snapshot.upstreams),
    ...keyFamilies(snapshot),
    ...workerFamilies(snapshot),
    ...processFamilies(snapshot),
  ];
}

function requestFamilies(snapshot: MetricsSnapshot): Family[] {
  const { requests, bytes } = snapshot;
  return [
    counter(
      'gpt_load_requests',
      'Client requests that ended, by outcome.',
      by('outcome', requests),
    ),
    gauge('gpt_load_requests_in_flight', 'Client requests being worked on now.', snapshot.inFlight),
    gauge(
      'gpt_load_requests_in_flight_limit',
      'Requests beyond this number are answered 429 (MAX_CONCURRENT_REQUESTS).',
      snapshot.maxInFlight,
    ),
    histogram(
      'gpt_load_time_to_first_byte_seconds',
      'From the arrival of a request to the first byte of the answer to the client.',
      snapshot.firstByte,
    ),
    histogram(
      'gpt_load_request_duration_seconds',
      'From the arrival of a request to the last byte of the answer to the client.',
      snapshot.duration,
    ),
    {
      ...counter('gpt_load_body_bytes', 'Bytes of bodies, by peer and direction.', flows(bytes)),
      unit: 'bytes',
    },
  ];
}

function upstreamFamilies(upstreams: readonly UpstreamSnapshot[]): Family[] {
  const per = (pick: (upstream: UpstreamSnapshot) => number): Sample[] =>
    upstreams.map((upstream) => ({ labels: { upstream: upstream.name }, value: pick(upstream) }));
  const attempts = upstreams.flatMap(({ name, attempts }) =>
    by('verdict', attempts, { upstream: name }),
  );
  return [
    counter('gpt_load_attempts', 'Attempts to get an answer, by upstream and verdict.', attempts),
    gauge(
      'gpt_load_upstream_available',
      'Whether the upstream takes requests (1) or is ejected after faults (0).',
      per((upstream) => Number(upstream.available)),
    ),
    gauge(
      'gpt_load_upstream_consecutive_failures',
      'Faults of the upstream since its last success.',
      per((upstream) => upstream.consecutiveFailures),
    ),
  ];
}

function keyFamilies(snapshot: MetricsSnapshot): Family[] {
  return [
    gauge('gpt_load_keys', 'API keys, by state.', by('state', snapshot.keys)),
    gauge(
      'gpt_load_key_models_resting',
      'Pairs of a key and a model that rest while the key serves other models.',
      snapshot.restingModels,
    ),
    counter(
      'gpt_load_key_cooldowns',
      'Times that a key was sent to rest.',
      one(snapshot.cooldowns),
    ),
    counter(
      'gpt_load_key_blacklistings',
      'Times that a key was blacklisted.',
      one(snapshot.blacklistings),
    ),
  ];
}

function workerFamilies({ workers, workerRestarts }: MetricsSnapshot): Family[] {
  const memory = workers.flatMap((worker) => [
    { labels: { worker: String(worker.worker), area: 'heap_used' }, value: worker.heapUsedBytes },
    { labels: { worker: String(worker.worker), area: 'heap_total' }, value: worker.heapTotalBytes },
    { labels: { worker: String(worker.worker), area: 'external' }, value: worker.externalBytes },
  ]);
  const delay = workers.map(({ worker, eventLoopDelay: { p50Seconds, p99Seconds, ...rest } }) => ({
    labels: { worker: String(worker) },
    quantiles: [
      [0.5, p50Seconds],
      [0.99, p99Seconds],
    ] as const,
    sum: rest.sumSeconds,
    count: rest.count,
  }));
  return [
    gauge('gpt_load_workers', 'Worker threads that serve requests.', workers.length),
    counter(
      'gpt_load_worker_restarts',
      'Workers that died and were replaced.',
      one(workerRestarts),
    ),
    {
      ...gauge('gpt_load_worker_memory_bytes', 'Memory of a worker, by area.', memory),
      unit: 'bytes',
    },
    {
      name: 'gpt_load_worker_event_loop_delay_seconds',
      help: 'How much later than planned the event loop of a worker turned.',
      unit: 'seconds',
      type: 'summary',
      samples: delay,
    },
  ];
}

function processFamilies(snapshot: MetricsSnapshot): Family[] {
  const { version, startSeconds, cpuSeconds, residentBytes } = snapshot;
  const start = gauge(
    'process_start_time_seconds',
    'Start of the process, Unix time.',
    startSeconds,
  );
  const resident = gauge('process_resident_memory_bytes', 'Resident memory.', residentBytes);
  return [
    gauge('gpt_load_build_info', 'The version that runs; always 1.', [
      { labels: { version }, value: 1 },
    ]),
    { ...start, unit: 'seconds' },
    {
      ...counter('process_cpu_seconds', 'User and system CPU time.', one(cpuSeconds)),
      unit: 'seconds',
    },
    { ...resident, unit: 'bytes' },
  ];
}

type Plain = Extract<Family, { type: 'counter' | 'gauge' }>;

function counter(name: string, help: string, samples: readonly Sample[]): Plain {
  return { name, help, type: 'counter', samples };
}

function gauge(name: string, help: string, value: number | readonly Sample[]): Plain {
  return { name, help, type: 'gauge', samples: typeof value === 'number' ? one(value) : value };
}

function histogram(name: string, help: string, measured: Histogram): Family {
  const { boundsSeconds: bounds, buckets, sumSeconds: sum } = measured;
  const sample: Distribution = { labels: {}, bounds, buckets, sum };
  return { name, help, unit: 'seconds', type: 'histogram', samples: [sample] };
}

function one(value: number): Sample[] {
  return [{ labels: {}, value }];
}

function by(label: string, values: Readonly<Record<string, number>>, more: Labels = {}): Sample[] {
  return Object.entries(values).map(([name, value]) => ({
    labels: { ...more, [label]: name },
    value,
  }));
}

function flows(bytes: Readonly<Record<ByteFlow, number>>): Sample[] {
  return Object.entries(bytes).map(([flow, value]) => {
    const [peer = '', direction = ''] = flow.split('_');
    return { labels: { peer, direction }, value };
  });
}
