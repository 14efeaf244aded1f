// What a day has counted of each key, leaving the shared memory for the state file and coming back
// after a restart: a provider's day does not begin anew because this program did.

import type { GroupView } from '../group-view.ts';
import { stateOf, VACANT } from '../table/status-word.ts';

const DAY_MS = 86_400_000;

/** How many requests a row's key has had in the UTC day that began at `dayStartMs` (Unix time). */
export interface DayCount {
  readonly row: number;
  readonly count: number;
  readonly dayStartMs: number;
  readonly dayEndMs: number;
}

/** Notices which counts have changed since it looked last. One per group; coordinator only. */
export class DayMemory {
  #seen = new Int32Array(0);

  /**
   * Those that changed; with `everything`, all. A pass over the rows where keys have a day's limit.
   */
  *changed(group: GroupView, everything: boolean, nowMs: number): Generator<DayCount, void> {
    const { quotas, rows, account } = group.table;
    if (quotas === undefined) return;
    const { rowCount } = rows;
    if (this.#seen.length < rowCount) {
      const seen = new Int32Array(2 * rowCount);
      seen.set(this.#seen);
      this.#seen = seen;
    }
    const dayStartMs = quotas.dayStartMs(nowMs);
    for (let row = 0; row < rowCount; row++) {
      const word = quotas.dayWord(row);
      if (word === 0 || (!everything && word === this.#seen[row])) continue;
      this.#seen[row] = word;
      const count = quotas.ofDay(row, nowMs);
      if (count === 0 || stateOf(account.words.low(row)) === VACANT) continue;
      yield { row, count, dayStartMs, dayEndMs: dayStartMs + DAY_MS };
    }
  }
}
