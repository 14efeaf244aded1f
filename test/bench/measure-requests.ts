// What a small request costs: CPU time beside nginx and the yardsticks, saturated, at a fixed rate
// where everybody pays the same wake-ups, and with few connections; system calls; what a second
// worker brings, what the request log adds, and what the first requests cost.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, compareCpu, cpuFinding, cpuFindings, type Finding, run } from './bench.ts';
import {
  type Contestant,
  direct,
  startGptLoad,
  startNginx,
  startYardsticks,
} from './contestant.ts';
import type { LoadJob } from './load-job.ts';
import { cpuMs } from './process-figures.ts';
import { median } from './statistics.ts';

const CONNECTIONS = 50;
const FEW_CONNECTIONS = 8;
const ROUND_MS = 1500;
const ROUNDS = 5;
/** Before each round. */
const WARM_UP_MS = 1500;
const RATE_PER_SECOND = 2000;
/** The first requests after the start and after a pause. */
const FIRST_REQUESTS = 1000;
const PAUSE_MS = 60_000;
/** Against nginx, as the design asks. */
const REQUEST_LIMIT = 5;
const RATE_LIMIT = 4.5;
const LOG_LIMIT = 1.15;
const COLD_LIMIT = 1.5;
/** Against the yardsticks. */
const YARDSTICK_LIMITS = { 'bare-undici': 1.3, 'bare-http': 0.75 } as const;

const done = (result: { done: number }): number => result.done;

function plan(bench: Bench, connections = CONNECTIONS) {
  const job = (port: number, isWarmUp: boolean): LoadJob => ({
    kind: 'requests',
    port,
    connections,
    durationMs: (isWarmUp ? WARM_UP_MS : ROUND_MS) * bench.effort,
  });
  return { rounds: ROUNDS, job, units: done };
}

function ratePlan(bench: Bench) {
  const job = (port: number, isWarmUp: boolean): LoadJob => ({
    kind: 'rate',
    port,
    connections: CONNECTIONS,
    durationMs: (isWarmUp ? WARM_UP_MS : ROUND_MS) * bench.effort,
    perSecond: RATE_PER_SECOND,
  });
  return { rounds: ROUNDS, job, units: done };
}

/** Every tree of this program, nginx, and the yardsticks. */
async function startAll(bench: Bench, stack: AsyncDisposableStack): Promise<Contestant[]> {
  const { upstreamPort, directory } = bench;
  const contestants: Contestant[] = [];
  for (const program of bench.programs) {
    contestants.push(
      stack.use(await startGptLoad(program, upstreamPort, directory, { keys: 100 })),
    );
  }
  const nginx = await startNginx(upstreamPort, directory);
  if (nginx !== undefined) contestants.push(stack.use(nginx));
  for (const each of await startYardsticks(upstreamPort)) contestants.push(stack.use(each));
  return contestants;
}

export async function measureRequests(bench: Bench): Promise<Finding[]> {
  await using stack = new AsyncDisposableStack();
  const contestants = await startAll(bench, stack);
  const costs = await compareCpu(bench, [direct(bench.upstreamPort), ...contestants], plan(bench));
  const rates = costs.map((cost) => [cost.contestant.name, median(cost.unitsPerSecond)]);
  const against = Object.entries(YARDSTICK_LIMITS).map(([to, limit]) =>
    cpuFinding(bench.subject, `small request, beside ${to}`, costs, { to, limit }),
  );
  const fixed = await compareCpu(bench, contestants, ratePlan(bench));
  const few = await compareCpu(bench, contestants, plan(bench, FEW_CONNECTIONS));
  return [
    ...cpuFindings(bench, 'small request, saturated', costs, REQUEST_LIMIT),
    ...against,
    { measure: 'small requests per second', unit: '1/s', values: Object.fromEntries(rates) },
    ...cpuFindings(bench, `small request, at ${RATE_PER_SECOND}/s`, fixed, RATE_LIMIT),
    cpuFinding(bench.subject, `the same, beside bare-undici`, fixed, {
      to: 'bare-undici',
      limit: YARDSTICK_LIMITS['bare-undici'],
    }),
    ...cpuFindings(bench, `small request, ${FEW_CONNECTIONS} connections`, few),
  ];
}

/** Ten keys, retries, and one answer in a hundred a server error that another key mends. */
export async function measureFaults(bench: Bench): Promise<Finding[]> {
  const { upstreamPort, directory } = bench;
  await using stack = new AsyncDisposableStack();
  const contestants: Contestant[] = [];
  // An upstream that fails now and then must not be ejected for it: there is no other.
  const env = { keys: 10, MAX_RETRIES: '3', UPSTREAM_FAILURE_THRESHOLD: '1000' };
  for (const program of bench.programs) {
    contestants.push(stack.use(await startGptLoad(program, upstreamPort, directory, env)));
  }
  const { job, ...rest } = plan(bench, FEW_CONNECTIONS);
  const faulty = (port: number, isWarmUp: boolean): LoadJob => {
    return { ...job(port, isWarmUp), deed: 'faulty' } as LoadJob;
  };
  const costs = await compareCpu(bench, contestants, { ...rest, job: faulty });
  return cpuFindings(bench, `1 % faults, 10 keys, ${FEW_CONNECTIONS} connections`, costs);
}

/** System calls of the whole process tree per request, counted by strace. */
export async function measureSyscalls(bench: Bench): Promise<Finding[]> {
  if (spawnSync('strace', ['-V']).status !== 0) return [];
  await using stack = new AsyncDisposableStack();
  const contestants = await startAll(bench, stack);
  const values: Record<string, number> = {};
  const { job } = plan(bench);
  for (const { name, port, pids } of contestants) {
    await run(bench, job(port, true));
    const attach = pids.flatMap((pid) => ['-p', String(pid)]);
    const strace = spawn('strace', ['-f', '-c', '-q', ...attach], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let table = '';
    strace.stderr.setEncoding('utf8').on('data', (text: string) => {
      table += text;
    });
    await sleep(500);
    const result = await run(bench, job(port, false));
    strace.kill('SIGINT');
    await once(strace, 'close');
    const total = /^\s*100\.00\s+\S+\s+(?:\d+\s+)?(\d+)\s+(?:\d+\s+)?total$/m.exec(table)?.[1];
    if (total !== undefined) values[name] = Number(total) / result.done;
  }
  return [{ measure: 'system calls per request', unit: '', values }];
}

/** What a second worker brings where there is a core for it. */
export async function measureWorkers(bench: Bench): Promise<Finding[]> {
  const { upstreamPort, directory } = bench;
  const [program] = bench.programs;
  if (program === undefined) return [];
  await using stack = new AsyncDisposableStack();
  const contestants: Contestant[] = [];
  for (const workers of ['1', '2']) {
    const named = { ...program, name: `${workers} worker${workers === '1' ? '' : 's'}` };
    const env = { WORKERS: workers };
    contestants.push(stack.use(await startGptLoad(named, upstreamPort, directory, env)));
  }
  const costs = await compareCpu(bench, contestants, plan(bench));
  const rates = costs.map((cost) => [cost.contestant.name, median(cost.unitsPerSecond)]);
  return [
    cpuFinding('2 workers', 'small request, two workers', costs, { to: '1 worker' }),
    { measure: 'requests per second', unit: '1/s', values: Object.fromEntries(rates) },
  ];
}

/** The first requests of a process, and those after a minute of silence, beside the warm cost. */
export async function measureCold(bench: Bench): Promise<Finding[]> {
  const { upstreamPort, directory, subject } = bench;
  await using stack = new AsyncDisposableStack();
  const [program] = bench.programs;
  if (program === undefined) return [];
  const contestant = stack.use(await startGptLoad(program, upstreamPort, directory));
  const warmJob = plan(bench, FEW_CONNECTIONS).job(contestant.port, true);
  const cost = async (job: LoadJob): Promise<number> => {
    const before = cpuMs(contestant.pids);
    const result = await run(bench, job);
    return ((cpuMs(contestant.pids) - before) * 1000) / result.done;
  };
  const few = { ...warmJob, durationMs: PAUSE_MS, count: FIRST_REQUESTS } as LoadJob;
  const first = await cost(few);
  for (let i = 0; i < ROUNDS; i += 1) await run(bench, warmJob);
  const warm = await cost(warmJob);
  await sleep(PAUSE_MS * bench.effort);
  const later = await cost(few);
  return (
    [
      [`first ${FIRST_REQUESTS} requests`, first],
      [`first ${FIRST_REQUESTS} requests after a minute's silence`, later],
    ] as const
  ).map(([measure, value]) => ({
    measure,
    unit: 'us CPU',
    values: { [subject]: value, warm },
    ratioOf: `${subject} / warm`,
    ratio: value / warm,
    limit: COLD_LIMIT,
  }));
}

export async function measureRequestLog(bench: Bench): Promise<Finding[]> {
  const { upstreamPort, directory } = bench;
  const [program] = bench.programs;
  if (program === undefined) return [];
  await using stack = new AsyncDisposableStack();
  const contestants: Contestant[] = [];
  for (const [name, format] of [
    [bench.subject, undefined],
    ['text log', 'text'],
    ['JSON log', 'json'],
  ] as const) {
    const env = {
      LOG_ENABLE_REQUEST: String(format !== undefined),
      LOG_FORMAT: format ?? 'text',
    };
    const started = await startGptLoad({ ...program, name }, upstreamPort, directory, env);
    contestants.push(stack.use(started));
  }
  const costs = await compareCpu(bench, contestants, plan(bench));
  return ['text log', 'JSON log'].map((name) => {
    const two = costs.filter(({ contestant }) => [bench.subject, name].includes(contestant.name));
    return cpuFinding(name, `request log on (${name})`, two, {
      to: bench.subject,
      limit: LOG_LIMIT,
    });
  });
}
