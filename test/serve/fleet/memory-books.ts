// Books of usage in memory, without the workers that fill them.

import { UsageStore } from '../../../src/store/sqlite/usage-store.ts';
import type { StoredUsage } from '../../../src/store/usage-question.ts';

const SUMS = { failed: 0, unknown: 0, cached: 0, cacheWrite: 0, output: 0, reasoning: 0 };

/** One request of this hour. */
export function usageRow(of: Partial<StoredUsage> = {}): StoredUsage {
  const names = {
    client: 'ci',
    group: 'default',
    model: 'gpt-4o',
    keyId: 'k',
    keyPreview: 'sk-a...wxyz',
  };
  return {
    hour: Math.floor(Date.now() / 3_600_000),
    ...names,
    requests: 1,
    input: 10,
    ...SUMS,
    ...of,
  };
}

/** Books in memory, and what was written since it was asked for last. */
export class MemoryBooks {
  readonly #store = new UsageStore();
  #hours = new Set<number>();

  add(...rows: StoredUsage[]): void {
    this.#store.add(null, rows);
    for (const { hour } of rows) this.#hours.add(hour);
  }

  get book() {
    return this.#store.bookOf(null);
  }

  takeHours() {
    const hours = this.#hours;
    this.#hours = new Set();
    return hours;
  }

  rows(...asked: Parameters<UsageStore['ask']> extends [unknown, ...infer Rest] ? Rest : never) {
    return this.#store.ask(null, ...asked);
  }
}
