// What to do when no key is available: looks at every row, a few milliseconds for a million, to
// learn when the first one returns, or which dead one failed longest ago. Picking from available
// keys is pick.ts.

import { PROBE_CLAIM_MS } from '../policy/key-breaker.ts';
import { QUOTA_KINDS } from './limits/key-quotas.ts';
import type { KeyTable } from './table/key-table.ts';
import type { Lane } from './table/lane.ts';
import { COOLING, NEVER_TICK, READY, stateOf, TICK_MS, VACANT } from './table/status-word.ts';

/**
 * Why there is no key: `busy`: at least one has only reached a limit of its own; `resting`: at
 * least one returns by itself; `dead`: all are blacklisted; `no_access`: none has access to this
 * model; `no_keys`: the table is empty; `used_up`: those that there are were tried.
 */
export type Shortage = 'busy' | 'resting' | 'dead' | 'no_access' | 'no_keys' | 'used_up';

export interface Survey {
  readonly shortage: Shortage;
  /** When the first resting key returns; NEVER_TICK: none rests. */
  readonly firstReturnTick: number;
  /** The untried dead key that failed or was probed longest ago; -1: none. */
  readonly oldestDead: number;
  /** A row was available without being known as such: look again. */
  readonly hasHealed: boolean;
  /**
   * A usable row among so many that rest for this model that a pick may have missed it; -1: none.
   */
  readonly apart: number;
}

/** Of a request, what a survey is about. */
export interface Surveyed {
  /** The only row that counts; undefined: all do. */
  readonly onlyRow?: number;
  readonly model: string | undefined;
  readonly triedRows: readonly number[];
}

/**
 * Looks at all rows as this lane sees them. A row that should be available and is not is published.
 */
export function survey(
  table: KeyTable,
  laneIndex: number,
  nowTick: number,
  { triedRows, model, onlyRow = -1 }: Surveyed,
): Survey {
  const { account } = table;
  const lane = table.lane(laneIndex);
  const { rowCount } = table.rows;
  const full = table.aside?.lane;
  const restsApart = model !== undefined && table.mayRestApart(model);
  let apart = -1;
  const seen = { usable: 0, busy: 0, dead: 0, noAccess: 0 };
  let firstReturnTick = NEVER_TICK;
  let oldestDead = -1;
  let oldestTick = NEVER_TICK;
  let hasHealed = false;
  const from = Math.max(0, onlyRow);
  const to = onlyRow < 0 ? rowCount : onlyRow + 1;
  for (let row = from; row < to; row++) {
    const whole = returnTick(account, row, nowTick);
    if (whole === VACANT_ROW) continue;
    let own = lane === account ? whole : returnTick(lane, row, nowTick);
    if (restsApart && own >= 0) own = Math.max(own, table.restsApartUntil(model, row));
    if (whole === DEAD_ROW || own === DEAD_ROW) {
      if (whole === DEAD_ROW) seen.dead++;
      else seen.noAccess++;
      const tick = (whole === DEAD_ROW ? account : lane).tried[row] ?? 0;
      const isResting = whole > nowTick || own > nowTick;
      if (tick >= oldestTick || isResting || triedRows.includes(row)) continue;
      oldestTick = tick;
      oldestDead = row;
      continue;
    }
    const aside = full === undefined ? 0 : roomTick(full, row, nowTick);
    if (whole > nowTick || own > nowTick || aside > nowTick) {
      if (whole <= nowTick && own <= nowTick) seen.busy++;
      firstReturnTick = Math.min(firstReturnTick, Math.max(whole, own, aside));
    } else {
      seen.usable++;
      if (restsApart && apart < 0 && !triedRows.includes(row)) apart = row;
      if (table.has(lane, row)) continue;
      table.publish(laneIndex, row, nowTick);
      hasHealed = true;
    }
  }
  const shortage = nameShortage(seen, firstReturnTick);
  return { shortage, firstReturnTick, oldestDead, hasHealed, apart };
}

/** A request under way is expected to end about so soon. */
const ENDS_SOON_TICKS = Math.ceil(1_000 / TICK_MS);
const CLAIM_TICKS = Math.ceil(PROBE_CLAIM_MS / TICK_MS);
const VACANT_ROW = -1;
const DEAD_ROW = -2;

/** When a row that has reached a limit of its own has room; of requests under way nobody knows. */
function roomTick(full: Lane, row: number, nowTick: number): number {
  const { halves } = full.words;
  if (stateOf(halves[2 * row] ?? 0) === READY) return 0;
  const tick = (halves[2 * row + 1] ?? 0) >>> 0;
  const isConcurrency = QUOTA_KINDS[full.reasons[row] ?? 0] === 'concurrency';
  return isConcurrency ? Math.min(tick, nowTick + ENDS_SOON_TICKS) : tick;
}

/** When the row is available: 0 at once, a tick, or one of the two that have no time. */
function returnTick(lane: Lane, row: number, nowTick: number): number {
  const { halves } = lane.words;
  const state = stateOf(halves[2 * row] ?? 0);
  if (state === READY) return 0;
  if (state === VACANT) return VACANT_ROW;
  const tick = (halves[2 * row + 1] ?? 0) >>> 0;
  if (state === COOLING && isOnTrial(lane, row, tick)) {
    return Math.min(tick, nowTick + ENDS_SOON_TICKS);
  }
  return state === COOLING || tick <= nowTick ? tick : DEAD_ROW;
}

/** Its long rest is over, and a request is on its way to see whether the key is back. */
function isOnTrial({ since, tried }: Lane, row: number, tick: number): boolean {
  const claimed = tried[row] ?? 0;
  return tick - claimed === CLAIM_TICKS && (since[row] ?? 0) < claimed;
}

function nameShortage(
  seen: { usable: number; busy: number; dead: number; noAccess: number },
  firstReturnTick: number,
): Shortage {
  if (seen.busy > 0) return 'busy';
  if (firstReturnTick !== NEVER_TICK) return 'resting';
  if (seen.usable > 0) return 'used_up';
  if (seen.noAccess > 0) return 'no_access';
  return seen.dead > 0 ? 'dead' : 'no_keys';
}
