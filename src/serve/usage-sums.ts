// Sums of usage: added up, and rows of several books put together as if one had kept them all.

import type { UsageAnswer, UsageSums } from '../store/usage-question.ts';

/** What tells a row from all others of one question: two of the same name are one. */
export function rowName({ hour, client, group, model, key }: UsageAnswer): string {
  return JSON.stringify([hour, client, group, model, key]);
}

/** Puts a row into what is kept by name, or adds it to the one that is there. */
export function addRow<Row extends UsageSums>(
  rows: Map<string, Row>,
  name: string,
  row: Row,
): void {
  const known = rows.get(name);
  rows.set(name, known === undefined ? row : { ...row, ...addUsage(known, row) });
}

export function addUsage(a: UsageSums, b: UsageSums): UsageSums {
  return {
    requests: a.requests + b.requests,
    failed: a.failed + b.failed,
    unknown: a.unknown + b.unknown,
    input: a.input + b.input,
    cached: a.cached + b.cached,
    cacheWrite: a.cacheWrite + b.cacheWrite,
    output: a.output + b.output,
    reasoning: a.reasoning + b.reasoning,
  };
}

/** One row for all that have time and names in common, in the order of one book's answer. */
export function mergeUsage(rows: readonly UsageAnswer[]): UsageAnswer[] {
  const merged = new Map<string, UsageAnswer>();
  for (const row of rows) addRow(merged, rowName(row), row);
  return [...merged.values()].sort(byTimeAndNames);
}

function byTimeAndNames(a: UsageAnswer, b: UsageAnswer): number {
  if (a.hour !== b.hour) return a.hour - b.hour;
  for (const name of ['client', 'group', 'model', 'key'] as const) {
    if (a[name] !== b[name]) return a[name] < b[name] ? -1 : 1;
  }
  return 0;
}
