// Where CPU time goes: runs one load against this tree's sources under Node's CPU profiler and
// tells the functions with the most time of their own. The profiles stay in the working directory.

import { mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../build/targets.ts';
import { type Bench, run } from './bench.ts';
import { startGptLoad } from './contestant.ts';
import type { LoadJob } from './load-job.ts';

const DURATION_MS = 6000;
const STREAMS = 20;
const TOP = 45;
const SAMPLE_US = 200;

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { functionName: string; url: string; lineNumber: number };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** `what`: requests, turn, burst or paced. Returns a table of the busiest thread. */
export async function profile(bench: Bench, what: string): Promise<string> {
  const profiles = join(bench.directory, 'profiles');
  mkdirSync(profiles);
  const flags = ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-interval=${SAMPLE_US}`];
  const command = [process.execPath, ...flags, join(ROOT, 'src/main.ts')];
  {
    await using program = await startGptLoad(
      { name: 'profiled', command },
      bench.upstreamPort,
      bench.directory,
    );
    await run(bench, loadFor(what, program.port, DURATION_MS * bench.effort));
  }
  const files = readdirSync(profiles).map((file) => join(profiles, file));
  const all = files.map((file) => ({
    file,
    busy: summarise(JSON.parse(readFileSync(file, 'utf8'))),
  }));
  const busiest = all.toSorted((a, b) => b.busy.totalUs - a.busy.totalUs)[0];
  if (busiest === undefined) throw new Error('no profile was written');
  const kept = `bench-${what}.cpuprofile`;
  renameSync(busiest.file, kept);
  return `${busiest.busy.text}\n(the whole of it: ${kept})`;
}

function loadFor(what: string, port: number, durationMs: number): LoadJob {
  switch (what) {
    case 'requests':
      return { kind: 'requests', port, connections: 50, durationMs };
    case 'turn':
    case 'burst':
    case 'paced': {
      const events = Math.ceil(durationMs * (what === 'paced' ? 0.25 : 4));
      return { kind: 'streams', port, deed: what, streams: STREAMS, events };
    }
    default:
      throw new RangeError(`--profile knows requests, turn, burst and paced; not ${what}`);
  }
}

/** Time of one's own, by function and by file, as shares of the time that was not idle. */
function summarise({ nodes, samples, timeDeltas }: Profile): { totalUs: number; text: string } {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const byFunction = new Map<string, number>();
  const byFile = new Map<string, number>();
  let totalUs = 0;
  samples.forEach((id, i) => {
    const frame = names.get(id);
    const us = timeDeltas[i] ?? 0;
    if (frame === undefined || frame.functionName === '(idle)') return;
    totalUs += us;
    const file = frame.url.replace(/^file:\/\/.*\/src\//, 'src/') || '(native)';
    const name = `${frame.functionName || '(anonymous)'} ${file}:${frame.lineNumber + 1}`;
    byFunction.set(name, (byFunction.get(name) ?? 0) + us);
    byFile.set(file, (byFile.get(file) ?? 0) + us);
  });
  const text = [top(byFile, totalUs), top(byFunction, totalUs)].join('\n\n');
  return { totalUs, text };
}

function top(times: ReadonlyMap<string, number>, totalUs: number): string {
  return [...times]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, TOP)
    .map(([name, us]) => `${((us / totalUs) * 100).toFixed(1).padStart(5)} %  ${name}`)
    .join('\n');
}
