// `gpt-load serve`: the coordinator thread. Reads the keys, makes the memory that workers share,
// starts them, writes their log, obeys signals, and lets running requests finish. Requests never
// pass through here.

import { readFileSync } from 'node:fs';
import { availableParallelism, uptime } from 'node:os';
import type { Worker } from 'node:worker_threads';
import { MAX_VIEWERS } from '../admin/dashboard/dashboard-feed.ts';
import type { Config } from '../config/config.ts';
import type { Grouping } from '../config/grouping.ts';
import { ConfigError } from '../errors.ts';
import { isPortServed, listenAddresses, removeStaleSocket } from '../front/listen-address.ts';
import { createLogger, type Logger } from '../log/log.ts';
import { type LogSink, openLogFile, openLogStream } from '../log/log-sink.ts';
import { redactExact } from '../policy/redact.ts';
import { ClockMemory } from '../pool/clock-memory.ts';
import { ClientCounts, MAX_COUNTED_CLIENTS } from '../pool/counts/client-counts.ts';
import { COORDINATOR, Counters, WorkerCounters } from '../pool/counts/counters.ts';
import { WorkerVitals } from '../pool/counts/worker-vitals.ts';
import { FleetMemory } from '../pool/fleet-memory.ts';
import { ClientLimits } from '../pool/limits/client-limits.ts';
import { WaitingLine } from '../pool/limits/waiting-line.ts';
import { Semaphore } from '../pool/semaphore.ts';
import { TrailPages } from '../pool/trails/trail-pages.ts';
import { loadTlsFiles } from '../upstream/dial/tls-files.ts';
import { Alerts } from './alerts/alerts.ts';
import { tellDescriptors, tellStart, tellWarnings } from './banner.ts';
import { DashboardKeeper } from './dashboard-history.ts';
import type { FleetMember } from './fleet/fleet-member.ts';
import { instanceName, joinFleet } from './fleet/join-fleet.ts';
import { resetGroups } from './groups/group-keeper.ts';
import { GroupSet } from './groups/group-set.ts';
import { GroupingSource } from './groups/grouping-source.ts';
import { ModelCatalogue } from './groups/model-catalogue.ts';
import type { Runtime } from './runtime.ts';
import { Signals } from './signals.ts';
import { StateKeeper } from './state-keeper.ts';
import { type Readings, SteadyClock } from './steady-clock.ts';
import { TrailMemory } from './trail-memory.ts';
import { answerUsage } from './usage-answers.ts';
import { UsageKeeper } from './usage-keeper.ts';
import { type FleetEvents, WorkerFleet } from './worker-fleet.ts';
import type { ServedStart, SharedMemory } from './worker-protocol.ts';

/** What a caller other than the command line wants to know. */
export interface ServeRuntime extends Runtime {
  /** Groups and clients, read anew at each call. Rejects with a ConfigError. */
  readonly readGrouping: (config: Config) => Promise<Grouping>;
  /** Called for each worker thread that is started. */
  readonly onWorker?: (worker: Worker, workerId: number) => void;
}

/** How often the coordinator tends the shared memory. */
const HOUSEKEEPING_MS = 1_000;

/**
 * Serves until SIGTERM or SIGINT and then until what runs has ended, or the grace period has.
 * @returns the exit code: 0 after a signal, 1 when it could not start
 * @throws ConfigError for keys, files or addresses that cannot be used
 */
export async function serve(given: Config, runtime: ServeRuntime): Promise<number> {
  const [address, ...others] = listenAddresses(given.host, given.port, runtime.activation);
  if (address === undefined) throw new RangeError('listenAddresses gave none');
  const config = { ...given, workers: address.inEveryWorker ? workerCount(given.workers) : 1 };
  if (address.kind === 'tcp') await assertFree(address);
  if (address.kind === 'unix') await removeStaleSocket(address.path);
  const tls = tlsOf(config);
  const { sinks, write, log } = openLog(config, runtime.colour);
  tellWarnings(log, runtime.warnings, others.length);
  tellDescriptors(log, config.maxConcurrentRequests, descriptorLimit());

  const shared = createShared(config);
  const clock = new SteadyClock(shared.clock).anchor(readings());
  using state = new StateKeeper(config.stateFile, clock, log);
  using groups = new GroupSet(state, { workers: config.workers, fleet: shared.fleet, clock }, log);
  using alerts = Alerts.of(config, log, clock.now());
  using usage = usageKeeper(config, state, groups, log);
  let fleet: WorkerFleet | undefined;
  const source = groupingSource(config, runtime, { groups, log, tell: (s) => fleet?.serve(s) });
  // Watched before it is read: a change in between must not go unseen.
  using _ = await source.watch();
  const grouping = await source.load();

  const dashboard = new DashboardKeeper(new Counters(shared.counters), usage, clock.now());
  const reusePort = address.inEveryWorker && process.platform === 'linux';
  const own = new WorkerCounters(shared.counters, COORDINATOR);
  const catalogue = new ModelCatalogue(config, own, clock.now);
  const trails = new TrailMemory(new TrailPages(shared.trails), config.authKey);
  // What is so from the start is no news.
  alerts?.keepHouse(groups.views, clock.now());
  dashboard.begin(groups.views, clock.now());
  const served = groups.served(grouping);
  recallTokens(served, usage, { shared, clock, log });
  const home = { log, clock, groups, usage, memory: shared.fleet };
  await using siblings = await joinFleet(config, runtime, home);
  const inside = { groups, catalogue, usage, trails, dashboard, source, shared, runtime };
  fleet = new WorkerFleet(
    { config, served, address, reusePort, tls, shared, ...startedBy(runtime, clock, siblings) },
    eventsOf({ log, write, clock, ...inside, siblings, config }),
  );
  const countDropped = droppedLines(sinks, own);
  const signals = new Signals();
  const onFault = (error: unknown): void => log.error('unexpected error (main thread)', { error });
  process.on('uncaughtException', onFault);
  try {
    const port = await fleet.launch(config.workers);
    state.start();
    const housekeeping = setInterval(() => {
      keepHouse({ clock, groups, alerts, dashboard, log });
      countDropped();
    }, HOUSEKEEPING_MS);
    const bound = address.kind === 'tcp' ? { ...address, port } : address;
    const { keyCount: keys } = groups;
    tellStart(log, config, { address: bound, keys, grouping, identity: runtime.identity });
    runtime.onReady?.();
    signals.onHangup(() => {
      for (const sink of sinks) sink.reopen();
      for (const keeper of groups.keepers) keeper.readAgain();
      void source.readAgain();
      fleet.reloadTls();
    });
    const signal = await signals.stop;
    clearInterval(housekeeping);
    log.info('shutting down', { signal, grace_ms: config.gracefulShutdownTimeoutMs });
    await endFleet(fleet, signals, config.gracefulShutdownTimeoutMs);
    log.info('stopped');
    return 0;
  } catch (error) {
    log.error('cannot start', { error });
    await fleet.terminate();
    return 1;
  } finally {
    signals[Symbol.dispose]();
    process.off('uncaughtException', onFault);
    await Promise.all(sinks.map((sink) => sink.flush()));
  }
}

/** What is due once a second. */
function keepHouse({ clock, groups, alerts, dashboard, log }: House): void {
  tendClock(clock, groups, log);
  const nowMs = clock.now();
  for (const keeper of groups.keepers) keeper.keepHouse(nowMs);
  alerts?.keepHouse(groups.views, nowMs);
  dashboard.keepHouse(groups.views, nowMs, Date.now());
}

type House = Pick<EventParts, 'clock' | 'groups' | 'dashboard' | 'log'> & {
  readonly alerts: Alerts | undefined;
};

/** Elsewhere than on Linux the timer goes on while the machine sleeps. */
function readings(): Readings {
  const uptimeMs = () => (process.platform === 'linux' ? uptime() * 1000 : 0);
  return { wallMs: Date.now(), uptimeMs };
}

/** A day of the calendar may be over, or not yet, once the wall clock was set. */
function tendClock(clock: SteadyClock, { views }: GroupSet, log: Logger): void {
  const setMs = clock.tend(readings());
  if (setMs === 0) return;
  log.warn('the wall clock was changed; rests and limits are not affected', { by_ms: setMs });
  for (const { table } of views) table.aside?.reconsiderAll(clock.now());
}

/** Where groups and clients come from; workers are told what each reading made of them. */
function groupingSource(
  config: Config,
  runtime: ServeRuntime,
  { groups, log, tell }: { groups: GroupSet; log: Logger; tell: (served: ServedStart) => void },
): GroupingSource {
  return new GroupingSource({
    path: config.configFile,
    read: () => runtime.readGrouping(config),
    apply: async (grouping) => {
      assertNoLoop(config, grouping);
      await groups.apply(grouping);
      tell(groups.served(grouping));
    },
    log,
  });
}

function startedBy(
  { identity: { version }, colour }: ServeRuntime,
  clock: SteadyClock,
  siblings: FleetMember | undefined,
) {
  return { version, colour, startedAtMs: clock.now(), instance: siblings?.instance ?? '' };
}

function tlsOf({ tlsCertFile, tlsKeyFile }: Config) {
  return tlsCertFile === '' ? undefined : loadTlsFiles(tlsCertFile, tlsKeyFile);
}

function usageKeeper(
  { pricesFile }: Config,
  state: StateKeeper,
  groups: GroupSet,
  log: Logger,
): UsageKeeper {
  return new UsageKeeper({ state, groups: () => groups.views, pricesFile, log });
}

interface EventParts {
  readonly log: Logger;
  readonly write: (lines: string) => void;
  readonly clock: SteadyClock;
  readonly groups: GroupSet;
  readonly catalogue: ModelCatalogue;
  readonly usage: UsageKeeper;
  readonly trails: TrailMemory;
  readonly dashboard: DashboardKeeper;
  readonly source: GroupingSource;
  readonly shared: SharedMemory;
  readonly runtime: ServeRuntime;
  readonly siblings: FleetMember | undefined;
  readonly config: Config;
}

/** What this thread does for the workers. */
function eventsOf({
  log,
  write,
  clock,
  groups,
  catalogue,
  usage,
  ...more
}: EventParts): FleetEvents {
  const instance = instanceName(more.config);
  return {
    log,
    onLog: write,
    onReset: (group) => resetGroups(groups.keepers, group),
    onListModels: () => catalogue.of(groups.views),
    onAsk: (question) => {
      if (question.about === 'usage') {
        return answerUsage(question.asked, { usage, siblings: more.siblings, instance, log });
      }
      if (question.about === 'fleet') return more.siblings?.report();
      if (question.about === 'trails') return more.trails.answer(question.trails);
      if (question.about === 'history') {
        const keyFiles = groups.keepers.flatMap(({ problem }) => (problem === '' ? [] : [problem]));
        const problems = [...more.source.problems, ...keyFiles];
        return { ...more.dashboard.since(question.sinceSeconds), problems };
      }
      if (question.about === 'key_tokens') return usage.tokensOfKeys(question.group, question.rows);
      return usage.series;
    },
    onAct: async (action) => {
      more.dashboard.lookAgain();
      const keeper = groups.keepers.find(({ name }) => name === action.group);
      return keeper?.act(action, catalogue) ?? { ok: false, message: 'no such group' };
    },
    onUsage: (rows) => usage.take(rows),
    onDeath: (workerId) => giveBack(workerId, more.shared, groups, clock.now()),
    onStart: more.runtime.onWorker ?? (() => {}),
  };
}

/** What a dead worker held is free again, and what it left half done is finished. */
function giveBack(
  workerId: number,
  shared: SharedMemory,
  { views }: GroupSet,
  nowMs: number,
): void {
  new Semaphore(shared.permits, 0).reclaim(workerId);
  new Semaphore(shared.viewers, 0).reclaim(workerId);
  new Counters(shared.counters).workerDied(workerId);
  new ClientLimits(shared.clientLimits, 0).reclaim(workerId);
  new WaitingLine(shared.permitLine, 0).reclaim(workerId);
  new TrailPages(shared.trails).reclaim(workerId);
  for (const { table, line } of views) {
    table.healAfterCrash(nowMs, workerId);
    new WaitingLine(line, 0).reclaim(workerId);
  }
}

/** What clients with a limit of tokens have used today, before this start. */
function recallTokens(
  { clients }: ServedStart,
  usage: UsageKeeper,
  { shared, clock, log }: Pick<EventParts, 'shared' | 'clock' | 'log'>,
): void {
  const limited = clients.filter(({ tokensPerDay }) => tokensPerDay > 0);
  if (limited.length === 0) return;
  const nowMs = clock.now();
  const limits = new ClientLimits(shared.clientLimits, 0);
  try {
    const used = usage.tokensOfDay(clock.memory.wallOf(nowMs));
    for (const client of limited) limits.addTokens(client, used.get(client.name) ?? 0, nowMs);
  } catch (error) {
    log.warn('cannot read the tokens that clients used today; counting from zero', { error });
  }
}

/** How many files this process may have open; Node has raised the soft limit to the hard one. */
function descriptorLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'latin1');
    return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

async function assertFree({ host, port }: { host: string; port: number }): Promise<void> {
  if (!(await isPortServed(host, port))) return;
  throw new ConfigError([
    `PORT: ${port} is already in use; stop the program that listens there, or set another PORT`,
  ]);
}

/** SDKs read OPENAI_BASE_URL too: exported for them, it makes gpt-load call itself. */
function assertNoLoop({ host, port }: Config, { groups }: Grouping): void {
  const own = new Set([host, 'localhost', '127.0.0.1', '[::1]', '0.0.0.0']);
  const problems = groups.flatMap(({ name, settings, origins }) => {
    const setting = origins.base_url === 'file' ? `[group.${name}] base_url` : 'OPENAI_BASE_URL';
    return settings.upstreams
      .map((href) => new URL(href))
      .filter((url) => own.has(url.hostname) && Number(url.port || defaultPort(url)) === port)
      .map((loop) => `${setting}: must not point back to this gpt-load, got "${loop.href}"`);
  });
  if (problems.length > 0) throw new ConfigError(problems);
}

function defaultPort({ protocol }: URL): number {
  return protocol === 'http:' ? 80 : 443;
}

/** WORKERS: 0 stands for auto. Only Linux spreads connections over several sockets of one port. */
function workerCount(workers: number): number {
  if (process.platform !== 'linux') return 1;
  return workers === 0 ? availableParallelism() : workers;
}

function openLog(config: Config, colour: boolean) {
  const sinks = openSinks(config);
  const write = writerTo(sinks, config.authKey);
  const { logLevel: level, logFormat: format } = config;
  return { sinks, write, log: createLogger({ level, format, colour, write, clock: Date.now }) };
}

function openSinks(config: Config): LogSink[] {
  const stream = openLogStream(1);
  if (!config.logEnableFile) return [stream];
  const warn = (message: string): void => stream.write(`gpt-load: ${message}\n`);
  return [stream, openLogFile(config.logFilePath, warn)];
}

/** Counts, at each call, the log lines that were lost since the last one. */
function droppedLines(sinks: readonly LogSink[], own: WorkerCounters): () => void {
  let counted = 0;
  return () => {
    const dropped = sinks.reduce((sum, sink) => sum + sink.dropped, 0);
    own.add('logLinesDropped', dropped - counted);
    counted = dropped;
  };
}

/** Whatever it looks like and wherever it stands, AUTH_KEY is in no line. */
function writerTo(sinks: readonly LogSink[], authKey: string): (lines: string) => void {
  return (lines) => {
    const safe = authKey === '' ? lines : redactExact(lines, [authKey]);
    for (const sink of sinks) sink.write(safe);
  };
}

function createShared(config: Config): SharedMemory {
  const fleet = FleetMemory.create();
  const clock = ClockMemory.create();
  return {
    permits: Semaphore.create(config.maxConcurrentRequests),
    permitLine: WaitingLine.create(),
    counters: Counters.create(),
    clients: ClientCounts.create(),
    clientLimits: ClientLimits.create(MAX_COUNTED_CLIENTS + 1, config.workers, { fleet, clock }),
    vitals: WorkerVitals.create(),
    viewers: Semaphore.create(MAX_VIEWERS),
    trails: TrailPages.create(config.workers),
    fleet,
    clock,
  };
}

/** Whatever has not ended within the grace period, or before a second signal, is cut off. */
async function endFleet(fleet: WorkerFleet, signals: Signals, graceMs: number): Promise<void> {
  const { promise: graceOver, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, graceMs);
  await Promise.race([fleet.drain(), graceOver, signals.again]);
  clearTimeout(timer);
  await fleet.terminate();
}
