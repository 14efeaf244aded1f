// Whose turn it is: round robin over the available rows of a lane, by one shared cursor. No
// neighbour of a dead key takes its share, and N keys over M workers are fair to one request. Where
// weights differ, a row sits out some of the passes over the rows, evenly. Which rows suit a
// request is the caller's rank; whether the row is still free to use it checks afterwards.

import type { Bitmap } from './table/bitmap.ts';
import { type Lane, passOfTurn, rowOfTurn } from './table/lane.ts';

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

/** Weights of rows, and the largest of them. */
export interface Weights {
  readonly heaviest: number;
  weight(row: number): number;
}

/** Where to look, and what counts. */
export interface Search {
  readonly lane: Lane;
  /** How many tiers have rows; a later one is used when an earlier one has none that is as good. */
  readonly tiers: number;
  /** undefined: all weigh the same. */
  readonly weights: Weights | undefined;
}

/** A row that was found: how well it suits, in which tier, and in which pass its turn is. */
interface Found {
  row: number;
  rank: number;
  pass: number;
}

/**
 * The row whose turn it is, the turn going to the one after it; -1 when none is available to this
 * rank.
 */
export function pickRow(search: Search, rank: Rank): number {
  const { lane } = search;
  const found: Found = { row: -1, rank: NO_WAY, pass: 0 };
  for (let race = 0; race < MAX_LOST_RACES; race++) {
    const { turn } = lane;
    bestOf(search, turn, rank, found);
    if (found.row < 0 || lane.advance(turn, found.row, found.pass)) return found.row;
  }
  bestOf(search, lane.turn, rank, found);
  return found.row;
}

/** The best row of the lowest tier that has one as good. */
function bestOf({ lane, tiers, weights }: Search, turn: number, rank: Rank, found: Found): void {
  found.row = -1;
  found.rank = NO_WAY;
  for (let tier = 0; tier < tiers; tier++) {
    const available = lane.tiers[tier];
    if (available === undefined) return;
    if (weights === undefined) firstFrom(available, rowOfTurn(turn), rank, found);
    else nextByWeight({ available, weights }, turn, rank, found);
    if (found.rank === 0) return;
  }
}

/**
 * The first row of rank 0 in the circle that starts at `from`, else the first one of the best rank,
 * if it is better than what was found.
 */
function firstFrom(available: Bitmap, from: number, rank: Rank, found: Found): void {
  let row = available.next(from);
  let hasTurned = false;
  found.pass = 0;
  for (let skipped = 0; row >= 0 && skipped < MAX_SKIPPED_ROWS; skipped++) {
    const rowRank = rank(row);
    if (rowRank < found.rank) {
      found.row = row;
      found.rank = rowRank;
      if (rowRank === 0) return;
    }
    const next = available.next(row + 1);
    if (next <= row) {
      if (hasTurned) return;
      hasTurned = true;
    }
    if (hasTurned && next >= from) return;
    row = next;
  }
}

/**
 * The same where weights differ: among rows of the best rank the one whose turn comes first, by
 * pass and then by row.
 */
function nextByWeight(
  { available, weights }: { readonly available: Bitmap; readonly weights: Weights },
  turn: number,
  rank: Rank,
  found: Found,
): void {
  const from = rowOfTurn(turn);
  const pass = passOfTurn(turn) % weights.heaviest;
  let soonest = Infinity;
  let row = available.next(from);
  let hasTurned = row < from;
  for (let skipped = 0; row >= 0 && skipped < MAX_SKIPPED_ROWS; skipped++) {
    const rowRank = rank(row);
    const isBetter = rowRank < found.rank;
    if (isBetter || (rowRank === found.rank && rowRank !== NO_WAY && soonest < Infinity)) {
      const turned = Number(hasTurned);
      const wait = turned + passesUntil(row, pass + turned, weights);
      // Within one pass the lower row comes first.
      const isLower = wait === soonest && row < found.row;
      if (isBetter || wait < soonest || isLower) {
        soonest = wait;
        found.row = row;
        found.rank = rowRank;
        found.pass = (pass + wait) % weights.heaviest;
      }
      // Nothing that comes later has an earlier turn.
      if (rowRank === 0 && wait === turned) return;
    }
    const next = available.next(row + 1);
    if (next <= row) {
      if (hasTurned) return;
      hasTurned = true;
    }
    if (hasTurned && next >= from) return;
    row = next;
  }
}

/**
 * Passes until one in which the row takes part. In as many passes as the largest weight it takes
 * part in as many as its own weight, evenly (as Bresenham draws a line), and rows of one weight in
 * different ones.
 */
function passesUntil(row: number, pass: number, weights: Weights): number {
  const { heaviest } = weights;
  const weight = weights.weight(row);
  const at = (pass * weight + Math.imul(row, PHASE)) % heaviest;
  const left = at < 0 ? at + heaviest : at;
  return left < weight ? 0 : Math.ceil((heaviest - left) / weight);
}

/** Spreads the rows over the passes. */
const PHASE = 0x9e3779b1 | 0;
