// What a small request costs: CPU time beside nginx's, and requests per second for information; and
// what the request log adds to it.

import { type Bench, compareCpu, cpuFinding, cpuFindings, type Finding } from './bench.ts';
import { type Contestant, direct, startGptLoad, startNginx } from './contestant.ts';
import type { LoadJob } from './load-job.ts';
import { median } from './statistics.ts';

const CONNECTIONS = 50;
/**
 * Short and many: V8 drops optimised code once in a while after an idle gap, and takes two seconds
 * to make it anew. Such rounds must stay few.
 */
const ROUND_MS = 300;
const ROUNDS = 21;
const WARM_UP_MS = 3000;
/** What issue 4 asks for. */
const REQUEST_LIMIT = 5;
const LOG_LIMIT = 1.15;

function plan(bench: Bench) {
  const job = (port: number, isWarmUp: boolean): LoadJob => ({
    kind: 'requests',
    port,
    connections: CONNECTIONS,
    durationMs: (isWarmUp ? WARM_UP_MS : ROUND_MS) * bench.effort,
  });
  return { rounds: ROUNDS, job, units: (result: { done: number }) => result.done };
}

export async function measureRequests(bench: Bench): Promise<Finding[]> {
  const { upstreamPort, directory } = bench;
  await using stack = new AsyncDisposableStack();
  const contestants: Contestant[] = [direct(upstreamPort)];
  for (const program of bench.programs) {
    contestants.push(stack.use(await startGptLoad(program, upstreamPort, directory)));
  }
  const nginx = await startNginx(upstreamPort, directory);
  if (nginx !== undefined) contestants.push(stack.use(nginx));
  const costs = await compareCpu(bench, contestants, plan(bench));
  const rates = costs.map(({ contestant, unitsPerSecond }) => [
    contestant.name,
    median(unitsPerSecond),
  ]);
  return [
    ...cpuFindings(bench, 'small request', costs, REQUEST_LIMIT),
    { measure: 'small requests per second', unit: '1/s', values: Object.fromEntries(rates) },
  ];
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
