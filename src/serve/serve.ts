// `gpt-load serve`: the coordinator thread. Reads the keys, makes the memory that workers share,
// starts them, writes their log, obeys signals, and sees to it that what runs may end. Requests
// never pass here.

import { availableParallelism } from 'node:os';
import type { Worker } from 'node:worker_threads';
import type { Config } from '../config/config.ts';
import { DEFAULT_GROUP } from '../config/group-settings.ts';
import { ConfigError } from '../errors.ts';
import { isPortServed, listenAddresses, removeStaleSocket } from '../front/listen-address.ts';
import { createLogger } from '../log/log.ts';
import { type LogSink, openLogFile, openLogStream } from '../log/log-sink.ts';
import { redactExact } from '../policy/redact.ts';
import { COORDINATOR, Counters, WorkerCounters } from '../pool/counts/counters.ts';
import { WorkerVitals } from '../pool/counts/worker-vitals.ts';
import { attachGroup, createGroup } from '../pool/group-view.ts';
import { Semaphore } from '../pool/semaphore.ts';
import { loadTlsFiles } from '../upstream/dial/tls-files.ts';
import { tellStart, tellWarnings } from './banner.ts';
import { GroupKeeper, resetAll } from './group-keeper.ts';
import type { Runtime } from './runtime.ts';
import { Signals } from './signals.ts';
import { StateKeeper } from './state-keeper.ts';
import { WorkerFleet } from './worker-fleet.ts';
import type { SharedMemory } from './worker-protocol.ts';

/** What a caller other than the command line wants to know. */
export interface ServeRuntime extends Runtime {
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
  assertNoLoop(config);
  const { tlsCertFile, tlsKeyFile } = config;
  const tls = tlsCertFile === '' ? undefined : loadTlsFiles(tlsCertFile, tlsKeyFile);
  const sinks = openSinks(config);
  const write = writerTo(sinks, config.authKey);
  const { logLevel: level, logFormat: format } = config;
  const log = createLogger({ level, format, colour: runtime.colour, write, clock: Date.now });
  tellWarnings(log, runtime.warnings, others.length);

  const shared = createShared(config);
  const groups = [createGroup(DEFAULT_GROUP, config, Date.now())];
  const permits = new Semaphore(shared.permits, 0);
  const counters = new Counters(shared.counters);
  const views = groups.map(attachGroup);
  using state = new StateKeeper(config.stateFile, log, views);
  const keepers = views.map((group) => new GroupKeeper(group, state, log));
  using watches = new DisposableStack();
  for (const keeper of keepers) watches.use(await keeper.load());

  const reusePort = address.inEveryWorker && process.platform === 'linux';
  const start = { config, groups, version: runtime.identity.version, address, reusePort, tls };
  const fleet = new WorkerFleet(
    { ...start, startedAtMs: Date.now(), colour: runtime.colour, shared },
    {
      log,
      onLog: write,
      onReset: () => resetAll(keepers),
      onDeath: (workerId) => {
        permits.reclaim(workerId);
        counters.workerDied(workerId);
        for (const { table } of views) table.healAfterCrash(Date.now());
      },
      onStart: runtime.onWorker ?? (() => {}),
    },
  );
  const countDropped = droppedLines(sinks, shared);
  const signals = new Signals();
  const onFault = (error: unknown): void => log.error('unexpected error (main thread)', { error });
  process.on('uncaughtException', onFault);
  try {
    const port = await fleet.launch(config.workers);
    state.start();
    const housekeeping = setInterval(() => {
      for (const keeper of keepers) keeper.keepHouse(Date.now());
      countDropped();
    }, HOUSEKEEPING_MS);
    const bound = address.kind === 'tcp' ? { ...address, port } : address;
    tellStart(log, config, {
      address: bound,
      keys: keepers.reduce((sum, { keyCount }) => sum + keyCount, 0),
      identity: runtime.identity,
    });
    runtime.onReady?.();
    signals.onHangup(() => {
      for (const sink of sinks) sink.reopen();
      for (const keeper of keepers) keeper.readAgain();
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

async function assertFree({ host, port }: { host: string; port: number }): Promise<void> {
  if (!(await isPortServed(host, port))) return;
  const problem = `PORT: ${port} is already in use (address already in use)`;
  throw new ConfigError([`${problem}; stop what listens there, or set another PORT`]);
}

/** SDKs read OPENAI_BASE_URL too: exported for them, it makes gpt-load call itself. */
function assertNoLoop({ upstreams, host, port }: Config): void {
  const own = new Set([host, 'localhost', '127.0.0.1', '[::1]', '0.0.0.0']);
  const loop = upstreams
    .map((href) => new URL(href))
    .find((url) => {
      return own.has(url.hostname) && Number(url.port || defaultPort(url)) === port;
    });
  if (loop === undefined) return;
  throw new ConfigError([`OPENAI_BASE_URL: must not be this gpt-load itself, got "${loop.href}"`]);
}

function defaultPort({ protocol }: URL): number {
  return protocol === 'http:' ? 80 : 443;
}

/** WORKERS: 0 stands for auto. Only Linux spreads connections over several sockets of one port. */
function workerCount(workers: number): number {
  if (process.platform !== 'linux') return 1;
  return workers === 0 ? availableParallelism() : workers;
}

function openSinks(config: Config): LogSink[] {
  const stream = openLogStream(1);
  if (!config.logEnableFile) return [stream];
  const warn = (message: string): void => stream.write(`gpt-load: ${message}\n`);
  return [stream, openLogFile(config.logFilePath, warn)];
}

/** Counts, at each call, the log lines that were lost since the last one. */
function droppedLines(sinks: readonly LogSink[], shared: SharedMemory): () => void {
  const own = new WorkerCounters(shared.counters, COORDINATOR);
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
  return {
    permits: Semaphore.create(config.maxConcurrentRequests),
    counters: Counters.create(),
    vitals: WorkerVitals.create(),
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
