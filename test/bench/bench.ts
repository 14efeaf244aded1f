// What every measure gets and gives: the running roles, how long a run may be, and findings. Holds
// the one way in which CPU time is compared: rounds that alternate between the contestants.

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
  /** What is allowed, for the ratio if there is one, else for the value. */
  readonly limit?: number;
}

/** What one unit of work cost a contestant, round by round. */
export interface Cost {
  readonly contestant: Contestant;
  /** CPU time in microseconds. */
  readonly usPerUnit: readonly number[];
  readonly unitsPerSecond: readonly number[];
}

/**
 * Runs the job for each contestant in turn, `rounds` times, each time after one that warms up and
 * does not count. Alternating lets whatever else the machine does fall on all alike.
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
  const costs = contestants.map((contestant) => ({
    contestant,
    usPerUnit: [] as number[],
    unitsPerSecond: [] as number[],
  }));
  for (let round = 0; round < plan.rounds; round += 1) {
    for (const { contestant, usPerUnit, unitsPerSecond } of costs) {
      // Before each round: V8 drops optimised code while the others have their turns.
      await run(bench, plan.job(contestant.port, true));
      const before = cpuMs(contestant.pids);
      const result = await run(bench, plan.job(contestant.port, false));
      const units = plan.units(result);
      usPerUnit.push(((cpuMs(contestant.pids) - before) * 1000) / units);
      unitsPerSecond.push((units * 1000) / result.elapsedMs);
    }
  }
  return costs;
}

/** Runs one job; anything but success of every request makes its figures worthless. */
export async function run(bench: Bench, job: LoadJob): Promise<LoadResult> {
  const result = await bench.load.ask<LoadResult>(job);
  if (result.failed > 0)
    throw new Error(`${result.failed} of ${job.kind} failed, ${result.done} did not`);
  return result;
}

/**
 * CPU costs as a finding: each contestant's median, and the median over the rounds of the ratio of
 * the subject to `to`, as what disturbs one round disturbs both.
 */
export function cpuFinding(
  subject: string,
  measure: string,
  costs: readonly Cost[],
  against: { readonly to: string; readonly limit?: number },
): Finding {
  const { to, limit } = against;
  const byName = new Map(costs.map(({ contestant, usPerUnit }) => [contestant.name, usPerUnit]));
  byName.delete('direct');
  const [ours, theirs] = [byName.get(subject), byName.get(to)];
  const values = [...byName].map(([name, us]) => [name, median(us)]);
  const finding = { measure, unit: 'us CPU', values: Object.fromEntries(values) };
  if (ours === undefined || theirs === undefined) return finding;
  const ratios = ours.map((us, round) => us / (theirs[round] ?? Number.NaN));
  const ratio = { ratioOf: `${subject} / ${to}`, ratio: median(ratios) };
  return { ...finding, ...ratio, ...(limit === undefined ? {} : { limit }) };
}

/** The subject's finding against nginx, and against the base tree where one takes part. */
export function cpuFindings(
  bench: Bench,
  measure: string,
  costs: readonly Cost[],
  limit?: number,
): Finding[] {
  const { subject } = bench;
  const limited = { to: 'nginx', ...(limit === undefined ? {} : { limit }) };
  const found = [cpuFinding(subject, measure, costs, limited)];
  for (const { name } of bench.programs.slice(1)) {
    found.push(cpuFinding(subject, `${measure}, beside ${name}`, costs, { to: name }));
  }
  return found;
}
