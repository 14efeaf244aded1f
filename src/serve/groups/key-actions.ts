// What an operator does to a single key: blacklist it, release it, probe it. Rows are named
// together with the life that the operator saw: a key that has left in the meantime is left alone.

import type { ActionReport, KeyAction } from '../../admin/dashboard/dashboard.ts';
import type { GroupView } from '../../pool/group-view.ts';
import { ACCOUNT } from '../../pool/table/lane-directory.ts';
import { stateOf, VACANT } from '../../pool/table/status-word.ts';

/**
 * A key that was blacklisted by hand is not probed before this: it is for the operator to release.
 */
const BY_HAND_MS = 365 * 24 * 3_600_000;

export type RowAction = Exclude<KeyAction, { action: 'add' }>;

/** Whether the row still has the key that the operator saw. */
export function isSameKey({ table }: GroupView, { row, life }: RowAction): boolean {
  if (row < 0 || row >= table.rows.rowCount || table.rows.life[row] !== life) return false;
  return stateOf(table.account.words.low(row)) !== VACANT;
}

export const GONE: ActionReport = { ok: false, message: 'this key is no longer in the key file' };

/** Makes a key ready, for all models. */
export function release({ table }: GroupView, row: number, nowMs: number): ActionReport {
  const cause = { nowTick: table.tick(nowMs), reason: 'none' } as const;
  for (const lane of [ACCOUNT, ...table.directory.active()]) {
    table.apply(lane, row, { kind: 'reset' }, cause);
  }
  return { ok: true, message: 'the key is back in rotation' };
}

/** Takes a key out until it is released. */
export function blacklist({ table }: GroupView, row: number, nowMs: number): ActionReport {
  const untilMs = table.sinceEpoch(nowMs) + BY_HAND_MS;
  const status = { state: 'dead', restCount: 0, deadCount: 1, untilMs } as const;
  const cause = { nowTick: table.tick(nowMs), reason: 'manual' } as const;
  table.apply(ACCOUNT, row, { kind: 'restore', status }, cause);
  return { ok: true, message: 'the key is blacklisted until it is released' };
}
