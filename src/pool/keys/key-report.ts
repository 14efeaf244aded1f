// What the table says of itself to people: how many keys are in which state, and which ones rest or
// are blacklisted, and why. Never a key, previews only. Costs a pass over the rows, milliseconds
// for a million.

import { REASONS, type Reason } from '../../policy/reason.ts';
import { previewKey } from '../../policy/redact.ts';
import { type KeyQuotas, QUOTA_KINDS, type QuotaKind } from '../limits/key-quotas.ts';
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
  /** Of the healthy ones, those that have reached a limit of their own. */
  readonly atLimit: number;
  /** Rests of a key for one model. */
  readonly restingForModel: number;
  /** The row whose turn it is. */
  readonly currentIndex: number;
}

/** One blacklisted key. Times are Unix milliseconds. */
export interface BlacklistedKey {
  readonly row: number;
  readonly preview: string;
  /** What its file calls it; '' for nothing. */
  readonly name: string;
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
  readonly name: string;
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
  let atLimit = 0;
  const full = table.aside?.lane;
  for (let row = 0; row < rowCount; row++) {
    const state = stateOf(halves[2 * row] ?? 0);
    if (state === READY) {
      healthy++;
      if (full !== undefined && !full.words.isAvailable(row, nowTick)) atLimit++;
    } else if (state === DEAD) blacklisted++;
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
  return { total, healthy, blacklisted, resting, atLimit, restingForModel, currentIndex };
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
      name: rows.name(row),
      reason: reasonOf(account, row),
      blacklistAtMs: table.wallTimeOf(account.since[row] ?? 0),
      failCount: deadCount,
      probeAtMs: table.wallTime(untilMs),
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
      const untilMs = table.wallTimeOf(tick);
      listed.push({
        row,
        preview,
        name: rows.name(row),
        model,
        untilMs,
        reason: reasonOf(lane, row),
      });
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
        name: rows.name(row),
        model,
        untilMs: table.wallTimeOf(tick),
        reason,
      });
    },
  );
  return listed;
}

/** What a key's line and its group allow, and how much of it is used. */
export interface LimitedKey {
  readonly preview: string;
  readonly name: string;
  readonly weight: number;
  readonly tier: number;
  readonly limits: readonly { kind: QuotaKind; limit: number; used: number }[];
  /** Which of them is reached; undefined: none is. */
  readonly full: QuotaKind | undefined;
}

/** The first `limit` keys that have limits, or a name, weight or tier of their own. */
export function listLimited(table: KeyTable, limit: number, nowMs: number): LimitedKey[] {
  const { account, rows, quotas } = table;
  const listed: LimitedKey[] = [];
  for (let row = 0; row < rows.rowCount && listed.length < limit; row++) {
    if (!holdsKey(account, row)) continue;
    const limits = quotas === undefined ? [] : limitsOf(quotas, row, nowMs);
    const about = { name: rows.name(row), weight: rows.weight(row), tier: rows.tier(row) };
    const isPlain = about.name === '' && about.weight === 1 && about.tier === 1;
    if (isPlain && limits.length === 0) continue;
    const full = quotas?.fullOf(row, nowMs)?.kind;
    listed.push({ preview: previewKey(rows.key(row)), ...about, limits, full });
  }
  return listed;
}

function limitsOf(quotas: KeyQuotas, row: number, nowMs: number) {
  const used = { ...quotas.now(row, nowMs), rpd: quotas.ofDay(row, nowMs) };
  return QUOTA_KINDS.flatMap((kind) => {
    const limit = quotas.limit(row, kind);
    return limit === 0 ? [] : [{ kind, limit, used: used[kind] }];
  });
}

function holdsKey(account: Lane, row: number): boolean {
  return stateOf(account.words.low(row)) !== VACANT;
}

function reasonOf(lane: Lane, row: number): Reason {
  return REASONS[lane.reasons[row] ?? 0] ?? 'none';
}
