// What streams cost: CPU time per event, beside nginx with buffering off, for three ways in which
// events come; and memory per stream that waits.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Bench, compareCpu, cpuFindings, type Finding, run } from './bench.ts';
import { type Contestant, startGptLoad, startNginx } from './contestant.ts';
import type { LoadJob } from './load-job.ts';
import type { Deed } from './messages.ts';
import { residentBytes } from './process-figures.ts';
import { median } from './statistics.ts';

const STREAMS = 20;
const ROUNDS = 5;
/** Events per stream and round, enough that the request itself does not count. */
const EVENTS: readonly { deed: Deed; measure: string; events: number; limit?: number }[] = [
  { deed: 'turn', measure: 'streamed event, one a turn', events: 2000, limit: 1.5 },
  { deed: 'burst', measure: 'streamed event, back to back', events: 6000, limit: 1.25 },
  { deed: 'paced', measure: 'streamed event, 250/s a stream', events: 200 },
];

const IDLE_STREAMS = 2000;
/** Opened and closed again first, so that code and pools are as they are in use. */
const WARM_UP_STREAMS = 200;
/** Garbage is collected and sockets settle meanwhile. */
const SETTLE_MS = 4000;
const SAMPLES = 5;
const SAMPLE_PAUSE_MS = 200;
const STREAM_LIMIT_KIB = 40;
const IDLE_LIMIT_MB = 80;

async function startAll(bench: Bench, stack: AsyncDisposableStack): Promise<Contestant[]> {
  const { upstreamPort, directory, programs } = bench;
  const contestants: Contestant[] = [];
  for (const program of programs) {
    contestants.push(stack.use(await startGptLoad(program, upstreamPort, directory)));
  }
  const nginx = await startNginx(upstreamPort, directory);
  if (nginx !== undefined) contestants.push(stack.use(nginx));
  return contestants;
}

export async function measureEvents(bench: Bench): Promise<Finding[]> {
  await using stack = new AsyncDisposableStack();
  const contestants = await startAll(bench, stack);
  const findings: Finding[] = [];
  for (const { deed, measure, events, limit } of EVENTS) {
    const count = Math.ceil(events * bench.effort);
    const job = (port: number): LoadJob => {
      return { kind: 'streams', port, deed, streams: STREAMS, events: count };
    };
    const units = () => STREAMS * count;
    const costs = await compareCpu(bench, contestants, { rounds: ROUNDS, job, units });
    findings.push(...cpuFindings(bench, measure, costs, limit));
  }
  return findings;
}

export async function measureMemory(bench: Bench): Promise<Finding[]> {
  await using stack = new AsyncDisposableStack();
  const contestants = await startAll(bench, stack);
  await sleep(SETTLE_MS * bench.effort);
  const idle: Record<string, number> = {};
  const perStream: Record<string, number> = {};
  for (const contestant of contestants) {
    const { name, port } = contestant;
    idle[name] = (await settledBytes(contestant)) / 1e6;
    await run(bench, { kind: 'hold', port, streams: WARM_UP_STREAMS });
    await run(bench, { kind: 'release' });
    await sleep(SETTLE_MS * bench.effort);
    const before = await settledBytes(contestant);
    await run(bench, { kind: 'hold', port, streams: IDLE_STREAMS });
    await sleep(SETTLE_MS * bench.effort);
    perStream[name] = ((await settledBytes(contestant)) - before) / IDLE_STREAMS / 1024;
    await run(bench, { kind: 'release' });
  }
  return [
    {
      measure: `memory per idle stream, of ${IDLE_STREAMS}`,
      unit: 'KiB',
      values: perStream,
      limit: STREAM_LIMIT_KIB,
    },
    { measure: 'memory when idle', unit: 'MB', values: idle, limit: IDLE_LIMIT_MB },
  ];
}

async function settledBytes({ pids }: Contestant): Promise<number> {
  const samples: number[] = [];
  for (let i = 0; i < SAMPLES; i += 1) {
    await sleep(SAMPLE_PAUSE_MS);
    samples.push(residentBytes(pids));
  }
  return median(samples);
}
