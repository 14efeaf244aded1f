// One worker thread: the wiring of the request path. Everything it shares with its siblings is
// memory handed over by the coordinator (serve.ts), which also replaces it when it dies.

// As a global it would be looked up anew each time.
import { performance } from 'node:perf_hooks';
import { type MessagePort, parentPort } from 'node:worker_threads';
import { Admin } from '../admin/admin.ts';
import type { ActionReport, KeyAction } from '../admin/dashboard/dashboard.ts';
import type { History } from '../admin/dashboard/dashboard-feed.ts';
import type { AskRequests } from '../admin/requests.ts';
import type { WrittenUsage } from '../admin/usage.ts';
import type { Config } from '../config/config.ts';
import { TrustedProxies } from '../front/client-address.ts';
import type { ListsOfModels } from '../front/model-list.ts';
import { OwnSite } from '../front/own-site.ts';
import { Router } from '../front/router.ts';
import { createHttpServer } from '../front/server.ts';
import { createTlsServer } from '../front/server-tls.ts';
import { AccessLog } from '../log/access-log.ts';
import { createLogger, type Logger, type LoggerOptions } from '../log/log.ts';
import { ClientCounts } from '../pool/counts/client-counts.ts';
import { Counters, WorkerCounters } from '../pool/counts/counters.ts';
import { WorkerVitals } from '../pool/counts/worker-vitals.ts';
import { FleetMemory } from '../pool/fleet-memory.ts';
import { ClientLimits } from '../pool/limits/client-limits.ts';
import { WaitingLine } from '../pool/limits/waiting-line.ts';
import { Semaphore } from '../pool/semaphore.ts';
import { TrailPages } from '../pool/trails/trail-pages.ts';
import { TrailWriter } from '../pool/trails/trail-writer.ts';
import { Accounting } from '../proxy/accounting.ts';
import { Answers } from '../proxy/answer/answer.ts';
import { Cors } from '../proxy/answer/cors.ts';
import { Attempts } from '../proxy/attempt.ts';
import { ReplayBudget } from '../proxy/body.ts';
import { RequestProxy } from '../proxy/proxy.ts';
import { Tunnels } from '../proxy/tunnel.ts';
import { type TokenSeries, UsageTally } from '../proxy/usage-tally.ts';
import { Deadlines } from '../upstream/deadlines.ts';
import { H2Transport } from '../upstream/h2/transport-h2.ts';
import { Http1Transport } from '../upstream/http1/transport-http1.ts';
import type { Transport } from '../upstream/transport.ts';
import { CoordinatorRequests } from './coordinator-requests.ts';
import { dialerFor } from './dialer-for.ts';
import type { FleetReport } from './fleet/fleet-report.ts';
import { WorkerGroups } from './groups/worker-groups.ts';
import { SteadyClock } from './steady-clock.ts';
import { watchVitalSigns } from './vital-signs.ts';
import { serveOn } from './worker-listener.ts';
import { WorkerLog } from './worker-log.ts';
import type {
  FromWorker,
  Question,
  ReloadReport,
  ServedStart,
  ToWorker,
  WorkerStart,
} from './worker-protocol.ts';
import { secureServer } from './worker-tls.ts';

const STRAY =
  'the upstream sent unsolicited bytes; its connections serve one request each for an hour';

/** Wires one worker's request path; its lines are the path. */
function startWorker(start: WorkerStart, port: MessagePort): void {
  const { config, workerId, shared } = start;
  const workerLog = workerLogTo(port);
  const logging = loggingOf(start, workerLog.write);
  const log = createLogger(logging);
  const deadlines = new Deadlines(() => performance.now());
  const { now } = new SteadyClock(shared.clock);
  const counters = new WorkerCounters(shared.counters, workerId);
  const permits = new Semaphore(shared.permits, workerId);
  const clientCounts = new ClientCounts(shared.clients);
  const groups = new WorkerGroups(config.authKey, { counters, now, workerId });
  const transport = transportFor(config, { deadlines, counters, log });
  const cors = new Cors(config);
  const attempts = new Attempts(transport, deadlines);
  const answers = new Answers(config, cors, deadlines);
  const tunnels = new Tunnels(deadlines);
  const budget = new ReplayBudget(config.maxReplayBodyBytes);
  const inside = { permits, counters, deadlines, now, log };
  const line = new WaitingLine(shared.permitLine, workerId);
  const isFree = () => permits.hasFree;
  const queue = { line, now, limitMs: config.queueTimeoutMs, isFree };
  const clientLimits = new ClientLimits(shared.clientLimits, workerId);
  const tally = new UsageTally((rows) => port.postMessage({ kind: 'usage', rows }));
  const accounting = new Accounting(config.enableUsage ? tally : undefined, clientLimits, now);
  const parts = { attempts, answers, tunnels, budget, queue, accounting };
  const proxy = new RequestProxy({ ...inside, ...parts });
  const resets = new CoordinatorRequests<ReloadReport>(port);
  const models = new CoordinatorRequests<ListsOfModels>(port);
  const questions = new CoordinatorRequests<unknown>(port, false);
  const idPrefix = `${randomWord()}${workerId.toString(36)}`;
  const pages = config.enableTrails ? new TrailPages(shared.trails) : undefined;
  const trails = pages && new TrailWriter(pages, workerId, idPrefix);
  const ask = (question: Question) => questions.ask((id) => ({ kind: 'ask', id, question }));
  const act = (action: KeyAction) => questions.ask((id) => ({ kind: 'act', id, action }));
  watchVitalSigns(new WorkerVitals(shared.vitals, workerId));
  const sums = new Counters(shared.counters);
  const sources = { counters: sums, clientCounts, groups, now, ask, act };
  const admin = adminFor(start, sources, resets);
  const ownSite = new OwnSite(config.host, config.allowedHosts);
  const trustedProxies = new TrustedProxies(config.trustedProxies);
  const outside = {
    config,
    accessLog: new AccessLog({ ...logging, write: workerLog.gather }),
    trails,
    admin,
    ownSite,
    cors,
    proxy,
    answers,
    idPrefix,
    trustedProxies,
    clientCounts,
    clientLimits,
    listModels: () => models.ask((id) => ({ kind: 'list_models', id })),
  };
  const router = new Router({ ...inside, ...outside }, groups.take(start.served));
  const limits = {
    readTimeoutMs: config.serverReadTimeoutMs,
    idleTimeoutMs: config.serverIdleTimeoutMs,
  };
  const secured = secureServer(start, log, (tls) => createTlsServer(limits, router.handle, tls));
  const onDrain = (): void => {
    workerLog.end();
    tally.hasten();
    router.drain();
    tunnels.drain();
    admin.drain();
    secured?.drain();
  };
  const onServe = (served: ServedStart): void => router.serve(groups.take(served));
  const reloadTls = (): void => secured?.reload();
  const server = secured?.server ?? createHttpServer(limits, router.handle);
  const told = { resets, models, questions, onDrained: () => tally.flush() };
  serveOn(server, start, { port, log, ...told, onServe, onDrain, reloadTls });
}

/** Towards upstreams: HTTP/2 where it may be spoken. */
function transportFor(config: Config, { deadlines, counters, log }: TransportParts): Transport {
  const dialer = dialerFor(config);
  const idleTimeoutMs = config.idleConnTimeoutMs;
  const http1 = new Http1Transport(dialer, deadlines, idleTimeoutMs, ({ href }, isNews) => {
    counters.add('strayAnswers');
    if (isNews) log.warn(STRAY, { upstream: href });
  });
  return config.upstreamHttp2
    ? new H2Transport({ dialer, http1, deadlines, idleTimeoutMs })
    : http1;
}

interface TransportParts {
  readonly deadlines: Deadlines;
  readonly counters: WorkerCounters;
  readonly log: Logger;
}

/** Our own endpoints, and where what they tell comes from. */
function adminFor(
  { config, version, shared, startedAtMs, workerId, instance }: WorkerStart,
  { groups, ask, act, ...sources }: AdminSources,
  resets: CoordinatorRequests<ReloadReport>,
): Admin {
  return new Admin({
    ...sources,
    config,
    version,
    instance,
    groups: () => groups.groups,
    grouping: () => groups.shown,
    clients: () => groups.clients,
    vitals: shared.vitals,
    fleet: new FleetMemory(shared.fleet),
    startedAtMs,
    reset: (group) => resets.ask((id) => ({ kind: 'reset', id, group })),
    requests: config.enableTrails
      ? (trails) => ask({ about: 'trails', trails }) as ReturnType<AskRequests>
      : undefined,
    usage: (asked) => ask({ about: 'usage', asked }) as Promise<WrittenUsage>,
    askFleet: () => ask({ about: 'fleet' }) as Promise<FleetReport | undefined>,
    tokens: () => ask({ about: 'tokens' }) as Promise<readonly TokenSeries[]>,
    seats: new Semaphore(shared.viewers, workerId),
    history: (sinceSeconds) => {
      return ask({ about: 'history', sinceSeconds }) as Promise<History | undefined>;
    },
    keyTokens: (group, rows) => {
      return ask({ about: 'key_tokens', group, rows }) as Promise<readonly number[]>;
    },
    act: (action) => act(action) as Promise<ActionReport | undefined>,
  });
}

interface AdminSources {
  readonly counters: Counters;
  readonly clientCounts: ClientCounts;
  readonly groups: WorkerGroups;
  readonly now: () => number;
  readonly ask: (question: Question) => Promise<unknown>;
  readonly act: (action: KeyAction) => Promise<unknown>;
}

/** Eight hexadecimal digits, to tell one run's request ids from another's. */
function randomWord(): string {
  return Math.floor(Math.random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0');
}

function workerLogTo(port: MessagePort): WorkerLog {
  return new WorkerLog((lines) => port.postMessage({ kind: 'log', lines } satisfies FromWorker));
}

function loggingOf({ config, colour }: WorkerStart, write: LoggerOptions['write']): LoggerOptions {
  return { level: config.logLevel, format: config.logFormat, colour, clock: Date.now, write };
}

/** Its first message tells it what to do. */
function awaitStart(port: MessagePort): void {
  port.once('message', (message: ToWorker) => {
    if (message.kind !== 'start') throw new Error(`a worker was told "${message.kind}" first`);
    startWorker(message.start, port);
  });
}

if (parentPort !== null) awaitStart(parentPort);
