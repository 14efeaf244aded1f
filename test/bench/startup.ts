// How long from exec to the first answered request, and how much memory an idle instance keeps: the
// packed executable against plain Node on the bundle. `node test/bench/startup.ts [--runs 21]`
// prints a table; `--json FILE` keeps the figures. Needs `make build`. Runs alternate, so that
// whatever else the machine does falls on both.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:http';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { freePort } from '../support/peer-process.ts';

const root = resolve(import.meta.dirname, '../..');
const START_LIMIT_MS = 10_000;
const RETRY_MS = 1;
/** After this long without a request it counts as idle. */
const SETTLE_MS = 1000;

interface Sample {
  /** From just before exec to the last byte of the first answer. */
  readonly firstAnswerMs: number;
  /** CPU time of all threads until then (Linux; elsewhere NaN, as the memory is). */
  readonly cpuMs: number;
  /** Memory of its own (Anonymous of smaps_rollup), and all that is resident. */
  readonly privateBytes: number;
  readonly residentBytes: number;
}

function answered(port: number): Promise<boolean> {
  return new Promise((done) => {
    const call = request({ host: '127.0.0.1', port, path: '/health', agent: false }, (answer) => {
      answer.resume().on('end', () => done(answer.statusCode === 200));
    });
    call.on('error', () => done(false)).end();
  });
}

/** CPU time of all threads so far, in milliseconds: a busy machine lengthens waits, not this. */
function cpuMsOf(pid: number): number {
  if (process.platform !== 'linux') return Number.NaN;
  const threads = readdirSync(`/proc/${pid}/task`);
  // sched-stats: the first number is time on the CPU in nanoseconds.
  const stats = threads.map((id) => readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8'));
  return stats.reduce((sum, stat) => sum + Number(stat.split(' ')[0]), 0) / 1e6;
}

function memoryOf(pid: number): Pick<Sample, 'privateBytes' | 'residentBytes'> {
  if (process.platform !== 'linux') return { privateBytes: Number.NaN, residentBytes: Number.NaN };
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kibibytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, 'm').exec(text)?.[1]);
  return { privateBytes: kibibytes('Anonymous') * 1024, residentBytes: kibibytes('Rss') * 1024 };
}

async function measure(command: readonly string[]): Promise<Sample> {
  const [file = '', ...args] = command;
  const cwd = mkdtempSync(join(tmpdir(), 'gpt-load-startup-'));
  writeFileSync(join(cwd, 'keys.txt'), 'sk-0000000000000000000000000000\n');
  const port = await freePort();
  const env = { PORT: String(port), HOST: '127.0.0.1', LOG_LEVEL: 'error' };
  const startMs = performance.now();
  const child = spawn(file, [...args, 'serve'], { cwd, env, stdio: 'ignore' });
  const ended = once(child, 'exit');
  try {
    while (!(await answered(port))) {
      if (performance.now() - startMs > START_LIMIT_MS || child.exitCode !== null) {
        throw new Error(`${command.join(' ')} does not answer on port ${port}`);
      }
      await sleep(RETRY_MS);
    }
    const firstAnswerMs = performance.now() - startMs;
    const cpuMs = cpuMsOf(child.pid ?? 0);
    await sleep(SETTLE_MS);
    return { firstAnswerMs, cpuMs, ...memoryOf(child.pid ?? 0) };
  } finally {
    child.kill('SIGTERM');
    await ended;
    rmSync(cwd, { recursive: true, force: true });
  }
}

function summary(samples: readonly Sample[]) {
  const sorted = (key: keyof Sample) => samples.map((s) => s[key]).toSorted((a, b) => a - b);
  const median = (key: keyof Sample) => sorted(key)[Math.floor(samples.length / 2)] ?? Number.NaN;
  const times = sorted('firstAnswerMs');
  const round = (n: number) => Math.round(n * 10) / 10;
  return {
    runs: samples.length,
    firstAnswerMs: round(median('firstAnswerMs')),
    fastestMs: round(times[0] ?? Number.NaN),
    slowestMs: round(times.at(-1) ?? Number.NaN),
    cpuMs: round(median('cpuMs')),
    privateMB: round(median('privateBytes') / 1e6),
    residentMB: round(median('residentBytes') / 1e6),
  };
}

/** Bytes of everything that is built: the bundle, executables, archives. */
function sizes(): Record<string, number> {
  const files = ['dist', 'build', 'release'].flatMap((folder) =>
    existsSync(join(root, folder))
      ? readdirSync(join(root, folder)).map((name) => `${folder}/${name}`)
      : [],
  );
  const built = files.filter((file) => /main\.cjs$|\/gpt-load/.test(file)).toSorted();
  return Object.fromEntries(built.map((file) => [file, statSync(join(root, file)).size]));
}

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '21' },
    json: { type: 'string' },
    binary: { type: 'string', default: join(root, 'build/gpt-load') },
    bundle: { type: 'string', default: join(root, 'dist/main.cjs') },
  },
});
const contestants = {
  binary: [resolve(values.binary)],
  'node dist/main.cjs': [process.execPath, resolve(values.bundle)],
};
const samples = new Map(Object.keys(contestants).map((name) => [name, [] as Sample[]]));
// The first round warms the page cache and is thrown away.
for (let run = -1; run < Number(values.runs); run++) {
  for (const [name, command] of Object.entries(contestants)) {
    const sample = await measure(command);
    if (run >= 0) samples.get(name)?.push(sample);
  }
}
const results = Object.fromEntries([...samples].map(([name, list]) => [name, summary(list)]));
console.log(`exec to first answered request, idle memory (${availableParallelism()} workers)`);
console.table(results);
if (values.json !== undefined) {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
  const kept = { machine, results, sizeBytes: sizes() };
  writeFileSync(values.json, `${JSON.stringify(kept, null, 2)}\n`);
}
