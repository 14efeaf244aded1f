// What the page shows of the past: one point every five seconds for an hour and one per minute for
// a day, and recent changes. Counters are read every five seconds, whether anybody looks or not.

import type { Alert } from '../policy/alert-message.ts';
import { BUCKETS, type Counters, type Histogram } from '../pool/counts/counters.ts';
import type { GroupView } from '../pool/group-view.ts';
import { AlertWatch } from './alerts/alert-watch.ts';
import type { UsageKeeper } from './usage-keeper.ts';

/** `[Unix seconds, requests, failed, p50 ms, p95 ms, tokens]` of the time before. */
export type HistoryPoint = readonly [number, number, number, number, number, number];

/** What a page is given, or what is new since it was given something. */
export interface DashboardHistory {
  /** Every five seconds. */
  readonly recent: readonly HistoryPoint[];
  readonly minutes: readonly HistoryPoint[];
  /** Newest last. */
  readonly changes: readonly Alert[];
}

const STEP_MS = 5_000;
const MAX_RECENT = 720;
const STEPS_PER_MINUTE = 12;
const MAX_MINUTES = 1_440;
const MAX_CHANGES = 100;

const TROUBLES = ['key_dead', 'key_cooldown', 'upstream_fault'] as const;

/** The counters at one moment. */
interface Reading {
  readonly requests: number;
  readonly failed: number;
  readonly tokens: number;
  /** Attempts that may have changed the state of a key or an upstream. */
  readonly troubles: number;
  readonly duration: readonly number[];
}

/** A sum over all workers takes 4 ms the first time, and a start is no time for it. */
const AT_START: Reading = { requests: 0, failed: 0, tokens: 0, troubles: 0, duration: [] };

export class DashboardKeeper {
  readonly #counters: Counters;
  readonly #usage: UsageKeeper;
  readonly #watch: AlertWatch;
  readonly #recent: HistoryPoint[] = [];
  readonly #minutes: HistoryPoint[] = [];
  readonly #changes: Alert[] = [];
  #last = AT_START;
  #minute = AT_START;
  #steps = 0;
  #troubles = 0;
  #dueMs: number;

  constructor(counters: Counters, usage: UsageKeeper, nowMs: number) {
    this.#counters = counters;
    this.#usage = usage;
    this.#watch = new AlertWatch(nowMs, 0);
    this.#dueMs = nowMs + STEP_MS;
  }

  /** How things are from the start on is no change. */
  begin(groups: readonly GroupView[], nowMs: number): void {
    this.#watch.look(groups, nowMs);
  }

  /** Something was done by hand: the next look is due whatever the counters say. */
  lookAgain(): void {
    this.#troubles = -1;
  }

  /** Called once a second. @param wallMs what people call it; `nowMs` is by the steady clock */
  keepHouse(groups: readonly GroupView[], nowMs: number, wallMs: number): void {
    if (nowMs < this.#dueMs) return;
    this.#dueMs = nowMs + STEP_MS - ((nowMs - this.#dueMs) % STEP_MS);
    const now = this.#read();
    push(this.#recent, pointBetween(this.#last, now, wallMs), MAX_RECENT);
    this.#last = now;
    this.#steps += 1;
    if (this.#steps % STEPS_PER_MINUTE === 0) {
      push(this.#minutes, pointBetween(this.#minute, now, wallMs), MAX_MINUTES);
      this.#minute = now;
    }
    // A look is a pass over all keys: where all was well and nothing has failed, there is no need.
    if (this.#watch.isCalm && now.troubles === this.#troubles) return;
    this.#troubles = now.troubles;
    for (const change of this.#watch.look(groups, nowMs)) push(this.#changes, change, MAX_CHANGES);
  }

  /** What is newer than this; 0: everything. @param sinceSeconds Unix time */
  since(sinceSeconds: number): DashboardHistory {
    const isNew = ([seconds]: HistoryPoint) => seconds > sinceSeconds;
    return {
      recent: this.#recent.filter(isNew),
      minutes: this.#minutes.filter(isNew),
      changes: this.#changes.filter(({ at }) => Date.parse(at) / 1000 > sinceSeconds),
    };
  }

  #read(): Reading {
    const { totals, histograms } = this.#counters.sum();
    const tokens = this.#usage.series.reduce((sum, { input, output }) => sum + input + output, 0);
    const { requests, failed } = totals;
    const troubles = TROUBLES.reduce((sum, verdict) => sum + totals[`attempt.${verdict}`], 0);
    return { requests, failed, tokens, troubles, duration: countsOf(histograms.totalMs) };
  }
}

function countsOf({ counts }: Histogram): readonly number[] {
  return counts;
}

function push<T>(list: T[], value: T, most: number): void {
  list.push(value);
  if (list.length > most) list.shift();
}

function pointBetween(before: Reading, after: Reading, wallMs: number): HistoryPoint {
  const counts = after.duration.map((count, i) => count - (before.duration[i] ?? 0));
  return [
    Math.round(wallMs / 1000),
    after.requests - before.requests,
    after.failed - before.failed,
    quantile(counts, 0.5),
    quantile(counts, 0.95),
    after.tokens - before.tokens,
  ];
}

/** Of counts by bucket, in milliseconds, evenly spread within a bucket; -1: there were none. */
function quantile(counts: readonly number[], share: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return -1;
  let left = share * total;
  for (const [i, count] of counts.entries()) {
    if (left > count) {
      left -= count;
      continue;
    }
    const from = BUCKETS[i - 1] ?? 0;
    const to = BUCKETS[i] ?? from * 2;
    return Math.round(from + ((to - from) * left) / Math.max(1, count));
  }
  return BUCKETS.at(-1) ?? 0;
}
