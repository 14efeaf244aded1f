// What a small request costs when the upstream is reached over TLS: HTTP/2 beside HTTP/1.1, the
// same upstream, the same program.

import { fixturePath } from '../support/tls-fixture.ts';
import { type Bench, compareCpu, cpuFinding, type Finding } from './bench.ts';
import { type Contestant, startGptLoad } from './contestant.ts';
import { Role } from './role.ts';

const CONNECTIONS = 50;
const ROUND_MS = 700;
const ROUNDS = 5;
const WARM_UP_MS = 2000;

export async function measureHttp2(bench: Bench): Promise<Finding[]> {
  const [program] = bench.programs;
  if (program === undefined) return [];
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(new Role('tls-upstream.ts'));
  const { port } = await upstream.next<{ port: number }>();
  const contestants: Contestant[] = [];
  for (const name of ['HTTP/2 upstream', 'HTTP/1.1 upstream']) {
    const env = {
      OPENAI_BASE_URL: `https://localhost:${port}`,
      EXTRA_CA_FILE: fixturePath('ca.pem'),
      UPSTREAM_HTTP2: String(name.startsWith('HTTP/2')),
    };
    contestants.push(
      stack.use(await startGptLoad({ ...program, name }, port, bench.directory, env)),
    );
  }
  const costs = await compareCpu(bench, contestants, {
    rounds: ROUNDS,
    job: (gptLoadPort, isWarmUp) => ({
      kind: 'requests',
      port: gptLoadPort,
      connections: CONNECTIONS,
      durationMs: (isWarmUp ? WARM_UP_MS : ROUND_MS) * bench.effort,
    }),
    units: (result) => result.done,
  });
  const to = 'HTTP/1.1 upstream';
  return [cpuFinding('HTTP/2 upstream', 'small request, upstream over TLS', costs, { to })];
}
