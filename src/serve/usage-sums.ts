// Sums of usage: added up, and rows of several books put together as if one had kept them all.

import type { UsageAnswer, UsageSums } from '../store/sqlite/usage-store.ts';

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
  for (const row of rows) {
    const name = JSON.stringify([row.hour, row.client, row.group, row.model, row.key]);
    const known = merged.get(name);
    merged.set(name, known === undefined ? row : { ...row, ...addUsage(known, row) });
  }
  return [...merged.values()].sort(byTimeAndNames);
}

function byTimeAndNames(a: UsageAnswer, b: UsageAnswer): number {
  if (a.hour !== b.hour) return a.hour - b.hour;
  for (const name of ['client', 'group', 'model', 'key'] as const) {
    if (a[name] !== b[name]) return a[name] < b[name] ? -1 : 1;
  }
  return 0;
}
