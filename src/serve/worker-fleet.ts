// The worker threads as the coordinator sees them: started, replaced when they die, drained
// together. Replaces a dead one after a backoff and gives back what it held; what workers do is
// worker.ts.

import type { Worker } from 'node:worker_threads';
import type { ActionReport, KeyAction } from '../admin/dashboard/dashboard.ts';
import type { ListsOfModels } from '../front/model-list.ts';
import type { Logger } from '../log/log.ts';
import type { UsageRow } from '../proxy/usage-tally.ts';
import type {
  FromWorker,
  Question,
  ReloadReport,
  ServedStart,
  ToWorker,
  WorkerStart,
} from './worker-protocol.ts';
import { workerThread } from './worker-thread.ts';

/** A worker that dies at once is replaced after this, doubled each time, up to the maximum. */
const RESTART_BASE_MS = 50;
const RESTART_MAX_MS = 5_000;
/** A worker that lived this long starts over without delay. */
const LIVED_LONG_MS = 30_000;

/**
 * Flags of V8 for the workers' isolates, set once these are there: after the first of them V8 takes
 * no code cache, and Node would compile its own 139 modules of a worker anew, 60 ms, and the
 * worker's script too.
 */
const V8_FLAGS = [
  // V8 guesses from a site's past which objects will live long, and at times guesses that all of a
  // request will: then it costs 65 us of CPU time, not 48, until the process ends.
  '--no-allocation-site-pretenuring',
  // After some seconds without work V8 collects garbage to give memory back, and with it the
  // optimised code: the first thousand requests after 20 s of silence cost 500 us, without it 60.
  // (--no-memory-reducer would have to be set before an isolate is made.)
  '--memory-reducer-gc-count=0',
  // What survives in a worker's young generation is some 60 KiB: to wake other threads for it costs
  // more than to do it here, 2 us of 75 for each request.
  '--no-parallel-scavenge',
  '--no-concurrent-array-buffer-sweeping',
  // V8 frees what it compiled a function with on some idle thread, which leaves holes in the memory
  // of all: 155 MB resident under load. With this flag the worker frees it itself: 125.
  '--no-maglev-destroy-on-background',
] as const;

export interface FleetEvents {
  readonly log: Logger;
  /** Lines of a worker's log, to be written as they are. */
  readonly onLog: (lines: string) => void;
  readonly onReset: (group: string | undefined) => Promise<ReloadReport>;
  readonly onListModels: () => Promise<ListsOfModels>;
  /** Does what a button of the page asks for. */
  readonly onAct: (action: KeyAction) => Promise<ActionReport>;
  /** Answers what only the coordinator knows, or promises to; never throws. */
  readonly onAsk: (question: Question) => unknown;
  readonly onUsage: (rows: readonly UsageRow[]) => void;
  /** A thread is gone: whatever it held must be given back. */
  readonly onDeath: (workerId: number) => void;
  /** For tests and operators: a thread was started. */
  readonly onStart: (worker: Worker, workerId: number) => void;
}

interface Member {
  worker: Worker;
  startedMs: number;
  deaths: number;
  drained: boolean;
  /** It has died, and is replaced when this is due. */
  restart: NodeJS.Timeout | undefined;
}

/** All workers of one process. */
export class WorkerFleet {
  #start: Omit<WorkerStart, 'workerId'>;
  readonly #events: FleetEvents;
  readonly #members: Member[] = [];
  #address: WorkerStart['address'];
  #draining = false;
  #gone: (() => void) | undefined;

  constructor(start: Omit<WorkerStart, 'workerId'>, events: FleetEvents) {
    this.#start = start;
    this.#events = events;
    this.#address = start.address;
  }

  /** Starts `count` workers; the first one's port is everybody's. Rejects when it cannot listen. */
  async launch(count: number): Promise<number> {
    const port = await this.#launchOne(0);
    if (this.#address.kind === 'tcp') this.#address = { ...this.#address, port };
    const others = Array.from({ length: count - 1 }, (_, i) => this.#launchOne(i + 1));
    await Promise.all(others);
    // Loading this module takes 1 to 4 ms, and those are not the first answer's.
    const { setFlagsFromString } = process.getBuiltinModule('node:v8');
    for (const flag of V8_FLAGS) setFlagsFromString(flag);
    return port;
  }

  /** Asks all to finish what runs; settles when all are gone. */
  async drain(): Promise<void> {
    this.#draining = true;
    const gone = new Promise<void>((resolve) => {
      this.#gone = resolve;
    });
    for (const member of this.#members) {
      if (this.#cancelRestart(member)) member.drained = true;
      else this.#tell(member.worker, { kind: 'drain' });
    }
    this.#checkGone();
    await gone;
  }

  /** From now on all serve these groups and clients, those that are started later too. */
  serve(served: ServedStart): void {
    this.#start = { ...this.#start, served };
    for (const { worker } of this.#members) this.#tell(worker, { kind: 'serve', served });
  }

  /** Asks all to read the certificate again. */
  reloadTls(): void {
    for (const { worker } of this.#members) this.#tell(worker, { kind: 'reload_tls' });
  }

  /** Ends all at once. */
  async terminate(): Promise<void> {
    this.#draining = true;
    for (const member of this.#members) this.#cancelRestart(member);
    await Promise.all(this.#members.map(({ worker }) => worker.terminate()));
  }

  #launchOne(workerId: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const worker = this.#spawn(workerId);
      worker.on('message', (message: FromWorker) => {
        if (message.kind === 'listening') resolve(message.port);
        else if (message.kind === 'listen_failed') reject(new Error(message.message));
      });
      worker.once('exit', () =>
        reject(new Error(`worker ${workerId} exited before it was listening`)),
      );
    });
  }

  #spawn(workerId: number): Worker {
    const worker = workerThread();
    const start: WorkerStart = { ...this.#start, address: this.#address, workerId };
    this.#tell(worker, { kind: 'start', start });
    const deaths = this.#members[workerId]?.deaths ?? 0;
    this.#members[workerId] = {
      worker,
      startedMs: performance.now(),
      deaths,
      drained: false,
      restart: undefined,
    };
    worker.on('message', (message: FromWorker) => this.#onMessage(workerId, message));
    worker.on('error', (error) =>
      this.#events.log.error('worker failed', { worker: workerId, error }),
    );
    worker.on('exit', () => this.#onExit(workerId));
    this.#events.onStart(worker, workerId);
    return worker;
  }

  #onMessage(workerId: number, message: FromWorker): void {
    const member = this.#members[workerId];
    if (member === undefined) return;
    switch (message.kind) {
      case 'log':
        this.#events.onLog(message.lines);
        return;
      case 'reset':
        this.#events
          .onReset(message.group)
          .catch((error: Error) => ({ ok: false, message: error.message }))
          .then((report) => {
            this.#tell(member.worker, { kind: 'reloaded', id: message.id, report });
          });
        return;
      case 'list_models':
        this.#events
          .onListModels()
          .catch(() => ({}))
          .then((lists) => this.#tell(member.worker, { kind: 'models', id: message.id, lists }));
        return;
      case 'act':
        this.#events
          .onAct(message.action)
          .catch((error: Error) => ({ ok: false, message: error.message }))
          .then((answer) => this.#tell(member.worker, { kind: 'answer', id: message.id, answer }));
        return;
      case 'ask':
        Promise.resolve(this.#events.onAsk(message.question))
          .catch(() => undefined)
          .then((answer) => this.#tell(member.worker, { kind: 'answer', id: message.id, answer }));
        return;
      case 'usage':
        this.#events.onUsage(message.rows);
        return;
      case 'drained':
        member.drained = true;
        member.worker.terminate();
        return;
      case 'listening':
        return;
      case 'listen_failed':
        this.#events.log.error('cannot listen', { worker: workerId, error: message.message });
        member.worker.terminate();
        return;
      default:
        message satisfies never;
    }
  }

  #onExit(workerId: number): void {
    const member = this.#members[workerId];
    if (member === undefined) return;
    this.#events.onDeath(workerId);
    if (this.#draining) {
      member.drained = true;
      this.#checkGone();
      return;
    }
    const lived = Math.round(performance.now() - member.startedMs);
    member.deaths = lived > LIVED_LONG_MS ? 0 : member.deaths + 1;
    const delay = Math.min(RESTART_MAX_MS, RESTART_BASE_MS * 2 ** Math.min(member.deaths, 10));
    this.#events.log.error('worker died; starting a new one', {
      worker: workerId,
      lived_ms: lived,
    });
    member.restart = setTimeout(() => this.#spawn(workerId), delay);
  }

  /** Whether the member was dead and waited to be replaced; it no longer does. */
  #cancelRestart(member: Member): boolean {
    if (member.restart === undefined) return false;
    clearTimeout(member.restart);
    member.restart = undefined;
    return true;
  }

  #checkGone(): void {
    if (this.#members.every(({ drained }) => drained)) this.#gone?.();
  }

  #tell(worker: Worker, message: ToWorker): void {
    worker.postMessage(message);
  }
}
