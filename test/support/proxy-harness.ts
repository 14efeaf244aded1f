// The request path of one worker in this process: a real HTTP server in front, shared memory behind
// the keys, and a transport that plays a script instead of asking an upstream. What a client saw,
// what was sent, and what is still held afterwards can all be read.

import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { Admin } from '../../src/admin/admin.ts';
import { type Config, type Env, parseConfig } from '../../src/config/config.ts';
import { groupOfEnvironment } from '../../src/config/group-settings.ts';
import { withoutFile } from '../../src/config/grouping.ts';
import { Auth } from '../../src/front/auth.ts';
import { TrustedProxies } from '../../src/front/client-address.ts';
import { OwnSite } from '../../src/front/own-site.ts';
import { Router } from '../../src/front/router.ts';
import { createHttpServer } from '../../src/front/server.ts';
import { AccessLog } from '../../src/log/access-log.ts';
import { createLogger, type LoggerOptions } from '../../src/log/log.ts';
import type { FaultCode } from '../../src/policy/verdict.ts';
import { ClientCounts } from '../../src/pool/counts/client-counts.ts';
import { Counters, WorkerCounters } from '../../src/pool/counts/counters.ts';
import { WorkerVitals } from '../../src/pool/counts/worker-vitals.ts';
import { FleetMemory } from '../../src/pool/fleet-memory.ts';
import { type Group, servedGroup } from '../../src/pool/group.ts';
import { attachGroup, createGroup } from '../../src/pool/group-view.ts';
import { parseKeys } from '../../src/pool/keys/key-file.ts';
import { KeyReload } from '../../src/pool/keys/key-reload.ts';
import { type KeySummary, summarise } from '../../src/pool/keys/key-report.ts';
import { ClientLimits } from '../../src/pool/limits/client-limits.ts';
import { WaitingLine } from '../../src/pool/limits/waiting-line.ts';
import { Semaphore } from '../../src/pool/semaphore.ts';
import type { Upstream } from '../../src/pool/upstreams/upstream-list.ts';
import { Accounting } from '../../src/proxy/accounting.ts';
import { Answers } from '../../src/proxy/answer/answer.ts';
import { Cors } from '../../src/proxy/answer/cors.ts';
import { Attempts } from '../../src/proxy/attempt.ts';
import { ReplayBudget } from '../../src/proxy/body.ts';
import { RequestProxy } from '../../src/proxy/proxy.ts';
import { Routing } from '../../src/proxy/routing.ts';
import { Tunnels } from '../../src/proxy/tunnel.ts';
import { Deadlines } from '../../src/upstream/deadlines.ts';
import {
  type Transport,
  UpstreamCall,
  type UpstreamRequest,
} from '../../src/upstream/transport.ts';

/** What the upstream does with one attempt. */
export type Step =
  | { readonly kind: 'fault'; readonly code: FaultCode; readonly sent?: boolean }
  /** Nothing comes until the attempt is given up. */
  | { readonly kind: 'silence' }
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly fields?: readonly string[];
      readonly chunks?: readonly string[];
      /** How the body goes on after its chunks: it ends, breaks off, or stays open. */
      readonly ending?: 'end' | 'cut' | 'open';
    };

/** One attempt as the transport saw it. */
export interface Sent {
  readonly key: string;
  readonly upstream: string;
  readonly path: string;
  readonly body: string;
  /** Why it was given up, if it was. */
  aborted: FaultCode | undefined;
  /** Breaks the body of its answer off. */
  cut(): void;
}

export interface Harness extends AsyncDisposable {
  readonly port: number;
  readonly sent: readonly Sent[];
  /** Log lines as JSON. */
  readonly lines: readonly Record<string, unknown>[];
  /** States of the keys now. */
  keys(): KeySummary;
  /** Faults in a row of each upstream. */
  failures(): number[];
  /** What requests hold now; all 0 when none runs. */
  held(): { inFlight: number; openLeases: number; openStreams: number };
}

class ScriptedCall extends UpstreamCall {
  readonly record: Sent;
  readonly #body = new PassThrough();

  constructor(upstream: Upstream, request: UpstreamRequest, deadlines: Deadlines, step: Step) {
    super(request, deadlines);
    const at = request.fields.findIndex((name) => name.toLowerCase() === 'authorization');
    this.record = {
      key: (request.fields[at + 1] ?? '').replace('Bearer ', ''),
      upstream: upstream.href,
      path: request.path,
      body: Buffer.concat(request.chunks).toString(),
      aborted: undefined,
      cut: () => this.#body.destroy(new Error('cut')),
    };
    this.#body.on('error', () => undefined);
    this.awaitHeaders();
    setImmediate(() => this.#play(step));
  }

  #play(step: Step): void {
    if (step.kind === 'silence') return;
    if (step.kind === 'fault') {
      const { code, sent = true } = step;
      this.settle({ kind: 'fault', code, sent, message: code });
      return;
    }
    const { status, fields = [], chunks = [], ending = 'end' } = step;
    const type = fields.includes('Content-Type') ? [] : ['Content-Type', 'application/json'];
    const rawHeaders = [...type, ...fields];
    const body = this.#body;
    let whole = false;
    body.once('end', () => {
      whole = true;
    });
    const about = { status, statusMessage: '', rawHeaders, whole: undefined, body } as const;
    this.settle({ kind: 'answer', ...about, trailers: () => [], complete: () => whole });
    for (const chunk of chunks) body.write(chunk);
    if (ending === 'end') body.end();
    else if (ending === 'cut') setTimeout(() => this.record.cut(), 20);
  }

  abort(code: FaultCode): void {
    this.record.aborted ??= code;
    this.settle({ kind: 'fault', code, sent: true, message: code });
    this.#body.destroy();
  }
}

/** @param script one step for each attempt, in order; the last one repeats */
export async function proxyHarness(
  script: readonly Step[],
  setup: {
    keys?: readonly string[];
    env?: Env;
    /** In place of the script. */
    transport?: (deadlines: Deadlines) => Transport;
  } = {},
): Promise<Harness> {
  const { keys = ['sk-test-a-0123456789', 'sk-test-b-0123456789'], env = {} } = setup;
  const config = parseConfig({ OPENAI_BASE_URL: 'http://one.test', ...env });
  const deadlines = new Deadlines(() => performance.now());
  const sent: Sent[] = [];
  const scripted: Transport = {
    send: (upstream, request) => {
      const step = script[Math.min(sent.length, script.length - 1)];
      if (step === undefined) throw new Error('the script is empty');
      const call = new ScriptedCall(upstream, request, deadlines, step);
      sent.push(call.record);
      return call;
    },
    close: () => undefined,
  };
  const transport = setup.transport?.(deadlines) ?? scripted;
  const shared = Counters.create();
  const counters = new WorkerCounters(shared, 0);
  const settings = groupOfEnvironment(config);
  const view = attachGroup(createGroup('default', settings, { epochMs: Date.now() }));
  const group = servedGroup(view, { counters, random: () => 0.5, now: Date.now, workerId: 0 });
  const file = parseKeys(Buffer.from(keys.join('\n')), 'keys.txt');
  if (!file.ok) throw new Error(file.problems.join('\n'));
  new KeyReload(view.table, view.upstreams.list).apply(file.keys, Date.now());
  const lines: Record<string, unknown>[] = [];
  const router = routerOf({ config, deadlines, transport, shared, counters, group, lines });
  const server = createHttpServer({ readTimeoutMs: 0, idleTimeoutMs: 0 }, router.handle);
  const port = await listen(server);
  const { list } = view.upstreams;
  return {
    port,
    sent,
    lines,
    keys: () => summarise(view.table, Date.now()),
    failures: () => Array.from({ length: list.count }, (_, i) => view.upstreams.status(i).failures),
    held: () => new Counters(shared).sum().gauges,
    [Symbol.asyncDispose]: async () => {
      transport.close();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Wiring {
  readonly config: Config;
  readonly deadlines: Deadlines;
  readonly transport: Transport;
  readonly shared: SharedArrayBuffer;
  readonly counters: WorkerCounters;
  readonly group: Group;
  readonly lines: Record<string, unknown>[];
}

/** As in serve/worker.ts. */
function routerOf({
  config,
  deadlines,
  transport,
  shared,
  counters,
  group,
  lines,
}: Wiring): Router {
  const logging: LoggerOptions = {
    level: 'debug',
    format: 'json',
    colour: false,
    clock: Date.now,
    write: (line) => void lines.push(JSON.parse(line)),
  };
  const log = createLogger(logging);
  const permits = new Semaphore(Semaphore.create(config.maxConcurrentRequests), 0);
  const cors = new Cors(config);
  const answers = new Answers(config, cors, deadlines);
  const now = Date.now;
  const inside = { permits, counters, deadlines, now, log };
  const proxy = new RequestProxy({
    ...inside,
    attempts: new Attempts(transport, deadlines),
    answers,
    tunnels: new Tunnels(deadlines),
    budget: new ReplayBudget(config.maxReplayBodyBytes),
    accounting: new Accounting(undefined, new ClientLimits(ClientLimits.create(1, 1), 0), now),
    queue: {
      line: new WaitingLine(WaitingLine.create(), 0),
      now,
      limitMs: config.queueTimeoutMs,
      isFree: () => permits.hasFree,
    },
  });
  const clientCounts = new ClientCounts(ClientCounts.create());
  const admin = new Admin({
    config,
    version: 'test',
    now,
    instance: '',
    groups: () => [group],
    grouping: () => undefined,
    clients: () => [],
    clientCounts,
    usage: () => Promise.resolve(undefined),
    tokens: () => Promise.resolve([]),
    seats: new Semaphore(Semaphore.create(1), 0),
    history: () => Promise.resolve(undefined),
    act: () => Promise.resolve(undefined),
    keyTokens: () => Promise.resolve([]),
    counters: new Counters(shared),
    vitals: WorkerVitals.create(),
    startedAtMs: Date.now(),
    reset: async () => ({ ok: true, message: '' }),
    requests: async () => null,
    fleet: new FleetMemory(FleetMemory.create()),
    askFleet: async () => undefined,
  });
  const auth = new Auth(config.authKey, placed(config));
  const ownSite = new OwnSite(config.host, config.allowedHosts);
  const accessLog = new AccessLog(logging);
  const trustedProxies = new TrustedProxies([]);
  const parts = {
    config,
    admin,
    ownSite,
    cors,
    proxy,
    answers,
    accessLog,
    trails: { add: () => {} },
    trustedProxies,
    clientCounts,
    clientLimits: new ClientLimits(ClientLimits.create(1, 1), 0),
    listModels: async () => ({}),
  };
  const routing = new Routing([group], false);
  return new Router({ ...inside, ...parts, idPrefix: 'test' }, { routing, auth });
}

function placed(config: Config) {
  return withoutFile(config).clients.map((client) => ({ ...client, place: 0 }));
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
