// What the table says of itself to people: how many keys are in which state, and which ones rest or
// are blacklisted, and why. Never a key, previews only. Costs a pass over the rows, milliseconds
// for a million.

import { REASONS, type Reason } from '../../policy/reason.ts';
import { previewKey } from '../../policy/redact.ts';
import type { KeyTable } from '../table/key-table.ts';
import type { Lane } from '../table/lane.ts';
import { ACCOUNT } from '../table/lane-directory.ts';
import { DEAD, READY, stateOf, VACANT } from '../table/status-word.ts';

/** How many keys are in which state, over the whole table. */
export interface KeySummary {
  /** healthy + blacklisted + resting. */
  readonly total: number;
  /** Usable now, if perhaps not for every model. */
  readonly healthy: number;
  readonly blacklisted: number;
  /** Cooling for all models. */
  readonly resting: number;
  /** Rests of a key for one model. */
  readonly restingForModel: number;
  /** The row whose turn it is. */
  readonly currentIndex: number;
}

/** One blacklisted key. Times are Unix milliseconds. */
export interface BlacklistedKey {
  readonly row: number;
  readonly preview: string;
  readonly reason: Reason;
  readonly blacklistAtMs: number;
  /** Rejections in a row. */
  readonly failCount: number;
  /** When it is tried again. */
  readonly probeAtMs: number;
  /** Index of the upstream that rejected it. */
  readonly upstream: number;
}

/** One rest of one key. Times are Unix milliseconds. */
export interface RestingKey {
  readonly row: number;
  readonly preview: string;
  /** Null: for all models. */
  readonly model: string | null;
  readonly untilMs: number;
  readonly reason: Reason;
}

/** Counts all rows at `nowMs`: a pass over the table. */
export function summarise(table: KeyTable, nowMs: number): KeySummary {
  const { account, rows } = table;
  const { halves } = account.words;
  const nowTick = table.tick(nowMs);
  const { rowCount } = rows;
  let healthy = 0;
  let blacklisted = 0;
  let resting = 0;
  for (let row = 0; row < rowCount; row++) {
    const state = stateOf(halves[2 * row] ?? 0);
    if (state === READY) healthy++;
    else if (state === DEAD) blacklisted++;
    else if (state !== VACANT) {
      if ((halves[2 * row + 1] ?? 0) >>> 0 <= nowTick) healthy++;
      else resting++;
    }
  }
  let restingForModel = 0;
  for (const lane of table.directory.active()) {
    table.lane(lane).visitResting(rowCount, (row) => {
      if (table.lane(lane).words.tick(row) > nowTick && holdsKey(account, row)) restingForModel++;
    });
  }
  table.modelRests.visit(
    nowTick,
    (row) => rows.life[row] ?? 0,
    ({ row }) => {
      if (holdsKey(account, row)) restingForModel++;
    },
  );
  const total = healthy + blacklisted + resting;
  const currentIndex = rowCount === 0 ? 0 : account.cursor % rowCount;
  return { total, healthy, blacklisted, resting, restingForModel, currentIndex };
}

/** The first `limit` blacklisted keys, in the order of their rows. */
export function listBlacklisted(table: KeyTable, limit: number): BlacklistedKey[] {
  const { account, rows } = table;
  const { rowCount } = rows;
  const listed: BlacklistedKey[] = [];
  for (let row = 0; row < rowCount && listed.length < limit; row++) {
    if (stateOf(account.words.low(row)) !== DEAD) continue;
    const { deadCount, untilMs } = account.words.key(row);
    listed.push({
      row,
      preview: previewKey(rows.key(row)),
      reason: reasonOf(account, row),
      blacklistAtMs: table.timeOf(account.since[row] ?? 0),
      failCount: deadCount,
      probeAtMs: table.buffers.epochMs + untilMs,
      upstream: rows.blamed[row] ?? 0,
    });
  }
  return listed;
}

/** The first `limit` rests that are not over: those for all models, then those for each model. */
export function listResting(table: KeyTable, limit: number, nowMs: number): RestingKey[] {
  const { account, rows, directory } = table;
  const nowTick = table.tick(nowMs);
  const listed: RestingKey[] = [];
  const list = (lane: Lane, model: string | null) => {
    lane.visitResting(rows.rowCount, (row) => {
      const isDead = stateOf(lane.words.low(row)) === DEAD;
      const tick = lane.words.tick(row);
      if (listed.length >= limit || tick <= nowTick || !holdsKey(account, row)) return;
      // A key that is blacklisted is listed as that; without access to a model it rests for this
      // model.
      if (isDead && model === null) return;
      const preview = previewKey(rows.key(row));
      const untilMs = table.timeOf(tick);
      listed.push({ row, preview, model, untilMs, reason: reasonOf(lane, row) });
    });
  };
  list(table.lane(ACCOUNT), null);
  for (const lane of directory.active()) list(table.lane(lane), directory.model(lane));
  table.modelRests.visit(
    nowTick,
    (row) => rows.life[row] ?? 0,
    ({ row, model, tick, isDead }) => {
      if (listed.length >= limit || !holdsKey(account, row)) return;
      const reason = isDead ? 'model_unavailable' : 'rate_limited';
      listed.push({
        row,
        preview: previewKey(rows.key(row)),
        model,
        untilMs: table.timeOf(tick),
        reason,
      });
    },
  );
  return listed;
}

function holdsKey(account: Lane, row: number): boolean {
  return stateOf(account.words.low(row)) !== VACANT;
}

function reasonOf(lane: Lane, row: number): Reason {
  return REASONS[lane.reasons[row] ?? 0] ?? 'none';
}
