// What a proxy adds to the time of a request at a rate that is far below its limit.

import { type Bench, type Finding, run } from './bench.ts';
import { type Contestant, direct, startGptLoad, startNginx } from './contestant.ts';
import { median, percentile } from './statistics.ts';

const PER_SECOND = 500;
const CONNECTIONS = 64;
const ROUND_MS = 1200;
const ROUNDS = 7;
/** What the design asks for, in milliseconds over direct access. */
const LIMITS = { p50: 1, p99: 5 };

export async function measureLatency(bench: Bench): Promise<Finding[]> {
  const { upstreamPort, directory, programs } = bench;
  await using stack = new AsyncDisposableStack();
  const contestants: Contestant[] = [direct(upstreamPort)];
  for (const program of programs) {
    contestants.push(stack.use(await startGptLoad(program, upstreamPort, directory)));
  }
  const nginx = await startNginx(upstreamPort, directory);
  if (nginx !== undefined) contestants.push(stack.use(nginx));
  const samples = new Map(contestants.map(({ name }) => [name, [] as (readonly number[])[]]));
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const { name, port } of contestants) {
      const shape = { connections: CONNECTIONS, perSecond: PER_SECOND };
      const durationMs = ROUND_MS * bench.effort;
      const { latenciesMs } = await run(bench, { kind: 'rate', port, durationMs, ...shape });
      if (round >= 0) samples.get(name)?.push(latenciesMs);
    }
  }
  const shares = [
    ['p50', 0.5],
    ['p99', 0.99],
  ] as const;
  return shares.map(([label, share]) => {
    // The median round's: one round in which the machine did something else does not count.
    const of = (name: string) =>
      median((samples.get(name) ?? []).map((round) => percentile(round, share)));
    const base = of('direct');
    const added = contestants
      .filter(({ name }) => name !== 'direct')
      .map(({ name }) => [name, of(name) - base]);
    return {
      measure: `added latency ${label} at ${PER_SECOND}/s`,
      unit: 'ms',
      values: { direct: base, ...Object.fromEntries(added) },
      limit: LIMITS[label],
    };
  });
}
