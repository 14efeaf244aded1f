// Whom to suspect when every key of an upstream is rejected within a minute: the upstream or the
// way there, hardly all the keys. The coordinator asks now and then, and says it loudly.

import { UNPINNED } from './table/key-rows.ts';
import type { KeyTable } from './table/key-table.ts';
import { ACCOUNT } from './table/lane-directory.ts';
import { DEAD, stateOf, TICK_MS, VACANT } from './table/status-word.ts';
import type { Upstream } from './upstreams/upstream-list.ts';
import type { UpstreamPool } from './upstreams/upstream-pool.ts';

/** All rejections within this time of each other are one event. */
const SUSPICION_WINDOW_MS = 60_000;
/** Keys of a suspected upstream are probed this soon, whatever DEAD_KEY_PROBE_INTERVAL says. */
const SUSPECT_PROBE_MS = 60_000;
/** A single rejected key proves nothing about its upstream. */
const MIN_REJECTED = 2;

export class Suspicion {
  readonly #table: KeyTable;
  readonly #upstreams: UpstreamPool;

  constructor(table: KeyTable, upstreams: UpstreamPool) {
    this.#table = table;
    this.#upstreams = upstreams;
  }

  /**
   * Upstreams that have just come under suspicion: say so. Their keys are probed once a minute from
   * then on, until one of them works there. Cheap unless keys were blacklisted since the last
   * success.
   */
  check(nowMs: number): Upstream[] {
    const { list } = this.#upstreams;
    const suspected: Upstream[] = [];
    for (let index = 0; index < list.count; index++) {
      if (Atomics.load(list.rejections, index) < MIN_REJECTED) continue;
      const wasSuspect = Atomics.load(list.suspect, index) !== 0;
      if (!wasSuspect && !this.#rejectedAllAtOnce(index)) continue;
      Atomics.store(list.suspect, index, 1);
      this.#bringProbesForward(index, nowMs);
      if (!wasSuspect) suspected.push(list.get(index));
    }
    return suspected;
  }

  /** This upstream rejected every key that may go to it, all of them within the window. */
  #rejectedAllAtOnce(index: number): boolean {
    const { account, rows } = this.#table;
    const { rowCount } = rows;
    let rejected = 0;
    let first = Number.POSITIVE_INFINITY;
    let last = 0;
    for (let row = 0; row < rowCount; row++) {
      const state = stateOf(account.words.low(row));
      if (state === VACANT || !this.#serves(index, row)) continue;
      if (state !== DEAD || rows.blamed[row] !== index) return false;
      const since = account.since[row] ?? 0;
      first = Math.min(first, since);
      last = Math.max(last, since);
      if ((last - first) * TICK_MS > SUSPICION_WINDOW_MS) return false;
      rejected++;
    }
    return rejected >= MIN_REJECTED;
  }

  #serves(index: number, row: number): boolean {
    const pin = this.#table.rows.pin(row);
    return pin === index || (pin === UNPINNED && index < this.#upstreams.list.defaults);
  }

  #bringProbesForward(index: number, nowMs: number): void {
    const table = this.#table;
    const nowTick = table.tick(nowMs);
    const untilMs = table.sinceEpoch(nowMs) + SUSPECT_PROBE_MS;
    const { rowCount } = table.rows;
    for (let row = 0; row < rowCount; row++) {
      const isDead = stateOf(table.account.words.low(row)) === DEAD;
      if (!isDead || table.rows.blamed[row] !== index) continue;
      const cause = { nowTick, reason: 'none' } as const;
      table.apply(ACCOUNT, row, { kind: 'bring_forward', untilMs }, cause);
    }
  }
}
