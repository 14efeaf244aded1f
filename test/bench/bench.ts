// What every measure gets and gives: the running roles, how long a run may be, and findings. Holds the
// one way in which CPU time is compared: rounds that alternate between the contestants.

import type { Contestant, Program } from './contestant.ts';
import type { LoadJob, LoadResult } from './load-job.ts';
import { cpuMs } from './process-figures.ts';
import type { Role } from './role.ts';
import { median } from './statistics.ts';

export interface Bench {
  readonly load: Role;
  readonly upstreamPort: number;
  /** For key files, configuration and whatever the contestants write. */
  readonly directory: string;
  /** The first one is this tree; others are compared with it. */
  readonly programs: readonly Program[];
  /** Scales the length of everything; 1 by default. */
  readonly effort: number;
  /** A name in programs: that one is the subject of limits. */
  readonly subject: string;
}

/** One line of the result. */
export interface Finding {
  readonly measure: string;
  readonly unit: string;
  /** By contestant. */
  readonly values: Readonly<Record<string, number>>;
  /** What `ratio` compares, such as `gpt-load / nginx`. */
  readonly ratioOf?: string;
  readonly ratio?: number;
  /** What issue 4 allows, for the ratio if there is one, else for the value. */
  readonly limit?: number;
}

/** CPU time in microseconds per unit of work. */
export interface Cost {
  readonly contestant: Contestant;
  readonly usPerUnit: number;
  readonly unitsPerSecond: number;
}

/**
 * Runs the job for each contestant in turn, `rounds` times, after one round that warms up and does not
 * count. Alternating lets whatever else the machine does fall on all alike.
 * @param units how many units of work a result stands for
 */
export async function compareCpu(
  bench: Bench,
  contestants: readonly Contestant[],
  plan: {
    readonly rounds: number;
    readonly job: (port: number, isWarmUp: boolean) => LoadJob;
    readonly units: (result: LoadResult) => number;
  },
): Promise<Cost[]> {
  const samples = contestants.map((contestant) => ({
    contestant,
    us: [] as number[],
    rates: [] as number[],
  }));
  for (let round = -1; round < plan.rounds; round += 1) {
    for (const { contestant, us, rates } of samples) {
      const before = cpuMs(contestant.pids);
      const result = await run(bench, plan.job(contestant.port, round < 0));
      if (round < 0) continue;
      const units = plan.units(result);
      us.push(((cpuMs(contestant.pids) - before) * 1000) / units);
      rates.push((units * 1000) / result.elapsedMs);
    }
  }
  return samples.map(({ contestant, us, rates }) => ({
    contestant,
    usPerUnit: median(us),
    unitsPerSecond: median(rates),
  }));
}

/** Runs one job; anything but success of every request makes its figures worthless. */
export async function run(bench: Bench, job: LoadJob): Promise<LoadResult> {
  const result = await bench.load.ask<LoadResult>(job);
  if (result.failed > 0)
    throw new Error(`${result.failed} of ${job.kind} failed, ${result.done} did not`);
  return result;
}

/** CPU costs as a finding: each contestant's, and the ratio of the subject to `to`. */
export function cpuFinding(
  bench: Bench,
  measure: string,
  costs: readonly Cost[],
  against: { readonly to: string; readonly limit?: number },
): Finding {
  const measured = costs.filter(({ contestant }) => contestant.pids.length > 0);
  const values = Object.fromEntries(
    measured.map(({ contestant, usPerUnit }) => [contestant.name, usPerUnit]),
  );
  return {
    measure,
    unit: 'us CPU',
    values,
    ...ratio(values, bench.subject, against.to),
    ...(against.limit === undefined ? {} : { limit: against.limit }),
  };
}

/** Nothing where there is nothing to compare with. */
export function ratio(
  values: Readonly<Record<string, number>>,
  subject: string,
  to: string,
): Pick<Finding, 'ratio' | 'ratioOf'> {
  const [ours, theirs] = [values[subject], values[to]];
  if (ours === undefined || theirs === undefined) return {};
  return { ratioOf: `${subject} / ${to}`, ratio: ours / theirs };
}
