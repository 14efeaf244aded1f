// `make bench`: measures this tree beside direct access and nginx in one run, and prints ratios.
//   ARGS='--only requests,events'   some measures
//   ARGS=--quick                    a tenth of the time, for a look
//   ARGS='--base DIR'               another tree of this program, with its node_modules, beside it
//   ARGS='--profile requests'       where the time goes
//   ARGS=--anyway                   on a machine that is busy with other things
// GPT_LOAD_BINARY measures a packed executable in place of the bundle of src/.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { commit } from '../../build/bundle.ts';
import { ROOT } from '../../build/targets.ts';
import type { Bench, Finding } from './bench.ts';
import type { Program } from './contestant.ts';
import { measureHttp2 } from './measure-http2.ts';
import { measureLatency } from './measure-latency.ts';
import { measurePool } from './measure-pool.ts';
import {
  measureCold,
  measureFaults,
  measureRequestLog,
  measureRequests,
  measureSyscalls,
  measureWorkers,
} from './measure-requests.ts';
import { measureStartup } from './measure-startup.ts';
import { measureEvents, measureMemory } from './measure-streams.ts';
import { profile } from './profile.ts';
import { assertQuiet } from './quiet.ts';
import { table } from './report.ts';
import { Role } from './role.ts';

const MEASURES: Readonly<Record<string, (bench: Bench) => Promise<Finding[]>>> = {
  requests: measureRequests,
  faults: measureFaults,
  syscalls: measureSyscalls,
  workers: measureWorkers,
  cold: measureCold,
  http2: measureHttp2,
  events: measureEvents,
  memory: measureMemory,
  log: measureRequestLog,
  latency: measureLatency,
  pool: measurePool,
  startup: measureStartup,
};
const QUICK_EFFORT = 0.1;
const SUBJECT = 'gpt-load';

/** By the tree's own build scripts: what they make differs from version to version. */
async function programOf(name: string, tree: string, directory: string): Promise<Program> {
  const output = join(directory, `${name}.cjs`);
  const { bundle, PROGRAM } = await import(pathToFileURL(join(tree, 'build/bundle.ts')).href);
  await bundle({ ...PROGRAM, output });
  return { name, command: [process.execPath, output] };
}

async function programs(base: string | undefined, directory: string): Promise<Program[]> {
  const binary = process.env.GPT_LOAD_BINARY;
  const own = binary
    ? { name: SUBJECT, command: [resolve(binary)] }
    : await programOf(SUBJECT, ROOT, directory);
  return base === undefined ? [own] : [own, await programOf('base', resolve(base), directory)];
}

function chosen(only: string | undefined): string[] {
  const names = only?.split(',') ?? Object.keys(MEASURES);
  const unknown = names.find((name) => !(name in MEASURES));
  if (unknown !== undefined) {
    throw new RangeError(`--only knows ${Object.keys(MEASURES).join(', ')}; not ${unknown}`);
  }
  return names;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      base: { type: 'string' },
      profile: { type: 'string' },
      anyway: { type: 'boolean', default: false },
      json: { type: 'string', default: 'bench-results.json' },
    },
  });
  const names = chosen(values.only);
  if (!values.anyway) await assertQuiet();
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-bench-'));
  try {
    await using upstream = new Role('upstream.ts');
    await using load = new Role('load.ts');
    const { port: upstreamPort } = await upstream.next<{ port: number }>();
    const effort = values.quick ? QUICK_EFFORT : 1;
    const roles = { load, upstreamPort, directory, effort, subject: SUBJECT };
    if (values.profile !== undefined) {
      console.log(await profile({ ...roles, programs: [] }, values.profile));
      return;
    }
    const bench: Bench = { ...roles, programs: await programs(values.base, directory) };
    const findings: Finding[] = [];
    for (const name of names) {
      const startMs = performance.now();
      const found = (await MEASURES[name]?.(bench)) ?? [];
      findings.push(...found);
      const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
      console.log(found.length > 0 ? table(found, SUBJECT) : `${name}: needs \`make build\` first`);
      console.log(`(${name}: ${seconds} s)\n`);
    }
    console.log(table(findings, SUBJECT));
    writeFileSync(values.json, `${JSON.stringify({ ...about(), findings }, null, 2)}\n`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What the figures depend on besides the code. */
function about() {
  const kernel = execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim();
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, kernel, node: process.version };
  return { commit: commit(), measuredAt: new Date().toISOString(), machine };
}

if (process.platform !== 'linux') {
  console.error('make bench reads CPU time and memory from /proc: it runs on Linux only');
  process.exitCode = 1;
} else await main();
