// `make faults`: every scenario against the program over real sockets, printed as it goes and
// written to docs/RELIABILITY.md. ONLY=words runs those whose names have them, and writes nothing.

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { clientFaults } from './client-faults.ts';
import { keyFaults } from './key-faults.ts';
import { ownFaults } from './own-faults.ts';
import type { Line, Scenario } from './scenario.ts';
import { LIMIT_S } from './subject.ts';
import { tlsFaults } from './tls-faults.ts';
import { upstreamFaults } from './upstream-faults.ts';

/** They wait most of the time. */
const AT_ONCE = 3;
const SCENARIO_MS = 100_000;
const ROOT = join(import.meta.dirname, '../..');

const only = process.env.ONLY ?? '';
const all = [...upstreamFaults, ...tlsFaults, ...keyFaults, ...clientFaults, ...ownFaults];
const scenarios = all.filter(({ area, name }) => `${area} ${name}`.includes(only));
const lines = new Map<Scenario, Line>();

function limited(scenario: Scenario): Promise<Line> {
  const late = new Promise<Line>((_, reject) => {
    setTimeout(() => reject(new Error('took too long')), SCENARIO_MS).unref();
  });
  return Promise.race([scenario.run(), late]);
}

/** The port that was free a moment ago went to somebody else: nothing was tried yet. */
function isPortTaken(error: unknown): boolean {
  return /EADDRINUSE|in use/.test(String(error));
}

/** A scenario that ends badly stays in the table as such. */
function failed(error: unknown): Line {
  const [first = ''] = String(error instanceof Error ? error.message : error).split('\n');
  return { saw: `NOT SURVIVED: ${first}`, blamed: '-', lost: '-', recovery: '-' };
}

async function runAll(queue: Scenario[]): Promise<void> {
  for (let scenario = queue.shift(); scenario !== undefined; scenario = queue.shift()) {
    const line = await limited(scenario)
      .catch((error) => (isPortTaken(error) ? limited(scenario) : Promise.reject(error)))
      .catch(failed);
    lines.set(scenario, line);
    const others =
      line.nginx === undefined ? '' : `  nginx: ${line.nginx}; haproxy: ${line.haproxy}`;
    console.log(
      `${scenario.area}: ${scenario.name}\n  ${line.saw} | blamed ${line.blamed} | lost ${line.lost} | ${line.recovery}\n${others}`,
    );
  }
}

function table(area: string): string {
  const rows = scenarios.filter((scenario) => scenario.area === area);
  const compares = rows.some((scenario) => lines.get(scenario)?.nginx !== undefined);
  const names = ['Scenario', 'The client saw', 'Blamed', 'Lost', 'Recovered after'];
  if (compares) names.push('nginx', 'haproxy');
  const cells = rows.map((scenario) => {
    const { saw, blamed, lost, recovery, nginx = '-', haproxy = '-' } = lines.get(scenario) as Line;
    return [scenario.name, saw, blamed, lost, recovery, ...(compares ? [nginx, haproxy] : [])];
  });
  const row = (words: readonly string[]) =>
    `| ${words.map((word) => word.replaceAll('|', '\\|')).join(' | ')} |`;
  return [`## ${area}`, '', row(names), row(names.map(() => '---')), ...cells.map(row), ''].join(
    '\n',
  );
}

function said(command: string, args: readonly string[]): string {
  const { stdout, stderr, status } = spawnSync(command, [...args], { cwd: ROOT, encoding: 'utf8' });
  return status === 0 ? (`${stdout}${stderr}`.trim().split('\n')[0] ?? '') : 'not installed';
}

function page(): string {
  const [cpu] = cpus();
  const machine = `${cpus().length} × ${cpu?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`;
  const program = process.env.GPT_LOAD_BINARY === undefined ? 'the sources' : 'the packed binary';
  const areas = [...new Set(scenarios.map(({ area }) => area))];
  return `# What gpt-load survives

${scenarios.length} scenarios, run by \`make faults\` on ${new Date().toISOString().slice(0, 10)} at commit ${said('git', ['rev-parse', '--short=12', 'HEAD'])},
against ${program}, over real sockets. Machine: ${machine}. Compared with: ${said('nginx', ['-v']).replace('nginx version: ', '')}; ${said('haproxy', ['-v'])}.

All timeouts are ${LIMIT_S} s, for gpt-load and for the others. Upstream scenarios use two upstreams, one faulty and one healthy, and
four requests in sequence; the names of the other scenarios say what they do. "Lost" counts requests without a complete 200.
"Recovered after" is the time from the end of the fault to the first of three 200s in a row. nginx and haproxy forward to the same
upstreams with their usual settings (\`test/faults/subject.ts\`); \`-\` marks what a plain reverse proxy cannot be compared on.
A 200 that is \`cut\` is visibly incomplete to the client, who may retry.

Requests that an upstream has begun to answer are not retried when the answer is cut short, here as elsewhere. Setting the wall clock
while a key rests changes nothing: the two requests meanwhile are told to wait, and the key is back when its rest is over.

${areas.map(table).join('\n')}`;
}

const queue = [...scenarios];
await Promise.all(Array.from({ length: AT_ONCE }, () => runAll(queue)));
if (only === '') {
  mkdirSync(join(ROOT, 'docs'), { recursive: true });
  writeFileSync(join(ROOT, 'docs/RELIABILITY.md'), page());
  console.log(`${scenarios.length} scenarios are in docs/RELIABILITY.md`);
}
process.exit();
