// Whose turn it is: exact round robin over the available rows of a lane, by one shared cursor. No
// neighbour of a dead key takes its share, and N keys over M workers are fair to one request. Which
// rows suit a request is the caller's rank; whether the row is still free to use it checks
// afterwards.

import type { Lane } from './table/lane.ts';

/**
 * Available rows that one pick passes over, all pinned to ejected upstreams say, before it settles
 * for less.
 */
const MAX_SKIPPED_ROWS = 4096;
/**
 * Times that other threads may win the race for the cursor before a pick goes without it. A thread
 * that has just started runs uncompiled, and was seen to lose 64 in a row to those that are warm.
 */
const MAX_LOST_RACES = 1_024;

/** 0: suits. Higher: only if nothing better is left. `NO_WAY`: never. */
export type Rank = (row: number) => number;
export const NO_WAY = 255;

/**
 * The row whose turn it is, the turn going to the one after it; -1 when none is available to this
 * rank.
 */
export function pickRow(lane: Lane, rank: Rank): number {
  for (let race = 0; race < MAX_LOST_RACES; race++) {
    const from = lane.cursor;
    const row = bestFrom(lane, from, rank);
    if (row < 0 || lane.advance(from, row)) return row;
  }
  return bestFrom(lane, lane.cursor, rank);
}

/**
 * The first row of rank 0 in the circle that starts at `from`, else the first one of the best rank.
 */
function bestFrom(lane: Lane, from: number, rank: Rank): number {
  let best = -1;
  let bestRank = NO_WAY;
  let row = lane.available.next(from);
  let hasTurned = false;
  for (let skipped = 0; row >= 0 && skipped < MAX_SKIPPED_ROWS; skipped++) {
    const rowRank = rank(row);
    if (rowRank === 0) return row;
    if (rowRank < bestRank) {
      best = row;
      bestRank = rowRank;
    }
    const next = lane.available.next(row + 1);
    if (next <= row) {
      if (hasTurned) break;
      hasTurned = true;
    }
    if (hasTurned && next >= from) break;
    row = next;
  }
  return best;
}
