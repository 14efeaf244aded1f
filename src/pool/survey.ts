// What to do when no key is available: looks at every row, a few milliseconds for a million, to
// learn when the first one returns, or which dead one failed longest ago. Picking from available
// keys is pick.ts.

import type { KeyTable } from './table/key-table.ts';
import type { Lane } from './table/lane.ts';
import { COOLING, NEVER_TICK, READY, stateOf, VACANT } from './table/status-word.ts';

/**
 * Why there is no key: `resting`: at least one returns by itself; `dead`: all are blacklisted;
 * `no_access`: none has access to this model; `no_keys`: the table is empty; `used_up`: those that
 * there are were tried.
 */
export type Shortage = 'resting' | 'dead' | 'no_access' | 'no_keys' | 'used_up';

export interface Survey {
  readonly shortage: Shortage;
  /** When the first resting key returns; NEVER_TICK: none rests. */
  readonly firstReturnTick: number;
  /** The untried dead key that failed or was probed longest ago; -1: none. */
  readonly oldestDead: number;
  /** A row was available without being known as such: look again. */
  readonly hasHealed: boolean;
}

/**
 * Looks at all rows as this lane sees them. A row that should be available and is not is published.
 */
export function survey(
  table: KeyTable,
  laneIndex: number,
  nowTick: number,
  triedRows: readonly number[],
): Survey {
  const { account } = table;
  const lane = table.lane(laneIndex);
  const { rowCount } = table.rows;
  const seen = { usable: 0, dead: 0, noAccess: 0 };
  let firstReturnTick = NEVER_TICK;
  let oldestDead = -1;
  let oldestTick = NEVER_TICK;
  let hasHealed = false;
  for (let row = 0; row < rowCount; row++) {
    const whole = returnTick(account, row, nowTick);
    if (whole === VACANT_ROW) continue;
    const own = lane === account ? whole : returnTick(lane, row, nowTick);
    if (whole === DEAD_ROW || own === DEAD_ROW) {
      if (whole === DEAD_ROW) seen.dead++;
      else seen.noAccess++;
      const tick = (whole === DEAD_ROW ? account : lane).tried[row] ?? 0;
      const isResting = whole > nowTick || own > nowTick;
      if (tick >= oldestTick || isResting || triedRows.includes(row)) continue;
      oldestTick = tick;
      oldestDead = row;
    } else if (whole > nowTick || own > nowTick) {
      firstReturnTick = Math.min(firstReturnTick, Math.max(whole, own));
    } else {
      seen.usable++;
      if (lane.available.has(row)) continue;
      table.publish(laneIndex, row, nowTick);
      hasHealed = true;
    }
  }
  const shortage = nameShortage(seen, firstReturnTick);
  return { shortage, firstReturnTick, oldestDead, hasHealed };
}

const VACANT_ROW = -1;
const DEAD_ROW = -2;

/** When the row is available: 0 at once, a tick, or one of the two that have no time. */
function returnTick(lane: Lane, row: number, nowTick: number): number {
  const { halves } = lane.words;
  const state = stateOf(halves[2 * row] ?? 0);
  if (state === READY) return 0;
  if (state === VACANT) return VACANT_ROW;
  const tick = (halves[2 * row + 1] ?? 0) >>> 0;
  return state === COOLING || tick <= nowTick ? tick : DEAD_ROW;
}

function nameShortage(
  seen: { usable: number; dead: number; noAccess: number },
  firstReturnTick: number,
): Shortage {
  if (firstReturnTick !== NEVER_TICK) return 'resting';
  if (seen.usable > 0) return 'used_up';
  if (seen.noAccess > 0) return 'no_access';
  return seen.dead > 0 ? 'dead' : 'no_keys';
}
