// What the table has learned, leaving and entering it: for the state file, which forgets nothing at
// a restart, and for /reset-keys, which forgets everything. How it is stored is up to store/.

import type { KeyState, KeyStatus } from '../../policy/key-breaker.ts';
import { REASONS, type Reason } from '../../policy/reason.ts';
import type { GroupView } from '../group-view.ts';
import { UNPINNED } from '../table/key-rows.ts';
import type { KeyTable } from '../table/key-table.ts';
import { ACCOUNT } from '../table/lane-directory.ts';
import { generationOf, isSpotless, READY, stateOf, VACANT } from '../table/status-word.ts';

/**
 * What is known of one key: for all models (`model` is '') or for one. Times: Unix milliseconds.
 */
export interface KnownStatus {
  readonly model: string;
  /** `ok`: there is nothing to remember, and what was stored can go. */
  readonly state: 'ok' | Exclude<KeyState, 'ready' | 'vacant'>;
  readonly reason: Reason;
  readonly untilMs: number;
  readonly sinceMs: number;
  readonly restCount: number;
  readonly deadCount: number;
}

/** The same with the key it is about: whole, for the store to hash. */
export interface ChangedKey extends KnownStatus {
  readonly key: string;
  /** Index of the upstream that the key is bound to, or UNPINNED. */
  readonly pin: number;
}

/** Lets every key be tried again: all counts, rests and deaths are forgotten. */
export function forgetAll(table: KeyTable, nowMs: number): void {
  const cause = { nowTick: table.tick(nowMs), reason: 'none' } as const;
  table.modelRests.clear();
  const { rowCount } = table.rows;
  for (const index of [ACCOUNT, ...table.directory.active()]) {
    const { words } = table.lane(index);
    for (let row = 0; row < rowCount; row++) {
      const low = words.low(row);
      // A key about which nothing is known has nothing to forget, and keeps its era.
      if (isSpotless(low) || stateOf(low) === VACANT) continue;
      table.apply(index, row, { kind: 'reset' }, cause);
    }
  }
}

/**
 * What changed since it was last asked for, once for each key however often it changed; with
 * `everything`, all that is worth keeping. Rows are taken from the list one by one, as the caller
 * goes on.
 */
export function* takeChanged(table: KeyTable, everything: boolean): Generator<ChangedKey, void> {
  const { changed, account, rows } = table;
  if (everything) markAll(table);
  // Rows that change meanwhile, behind the loop, are for the next call.
  for (let row = changed.next(0); row >= 0; ) {
    changed.delete(row);
    if (stateOf(account.words.low(row)) !== VACANT) {
      const about = { key: rows.key(row), pin: rows.pin(row) };
      for (const status of knownOf(table, row)) yield { ...about, ...status };
    }
    const next = changed.next(row + 1);
    row = next > row ? next : -1;
  }
}

function markAll(table: KeyTable): void {
  const { rowCount } = table.rows;
  for (const index of [ACCOUNT, ...table.directory.active()]) {
    const { words } = table.lane(index);
    for (let row = 0; row < rowCount; row++) {
      if (stateOf(words.low(row)) !== READY) table.changed.add(row);
    }
  }
}

function* knownOf(table: KeyTable, row: number): Generator<KnownStatus, void> {
  yield knownIn(table, ACCOUNT, row);
  for (const lane of table.directory.active()) {
    const low = table.lane(lane).words.low(row);
    if (generationOf(low) !== 0) yield knownIn(table, lane, row);
  }
}

function knownIn(table: KeyTable, index: number, row: number): KnownStatus {
  const lane = table.lane(index);
  const { state, restCount, deadCount, untilMs } = lane.words.key(row);
  const isOk = state === 'ready' || state === 'vacant';
  return {
    model: index === ACCOUNT ? '' : table.directory.model(index),
    state: isOk ? 'ok' : state,
    reason: REASONS[lane.reasons[row] ?? 0] ?? 'none',
    untilMs: isOk ? 0 : table.buffers.epochMs + untilMs,
    sinceMs: table.timeOf(lane.since[row] ?? 0),
    restCount,
    deadCount,
  };
}

/**
 * Puts back what was known of a row before a restart. Rests that are over and carry no count are
 * not worth a lane.
 */
export function recall(table: KeyTable, row: number, known: KnownStatus, nowMs: number): void {
  const nowTick = table.tick(nowMs);
  if (known.state === 'ok') return;
  if (known.model !== '' && known.untilMs <= nowMs) return;
  const lane = known.model === '' ? ACCOUNT : table.laneToRest(known.model, 0, nowTick);
  const { state, restCount, deadCount } = known;
  const untilMs = table.sinceEpoch(known.untilMs);
  const status: Omit<KeyStatus, 'generation'> = { state, restCount, deadCount, untilMs };
  if (known.model !== '' && lane === ACCOUNT) {
    table.applyApart(known.model, row, { kind: 'restore', status }, nowMs);
    return;
  }
  const reason = REASONS.includes(known.reason) ? known.reason : 'none';
  table.apply(lane, row, { kind: 'restore', status }, { nowTick, reason });
  const since = table.tick(known.sinceMs);
  table.lane(lane).since[row] = since;
  table.lane(lane).tried[row] = since;
}

/**
 * Gives a group's new memory what the old one had learned about the keys that both have. Their
 * upstreams may differ, so keys are compared by their bytes and the address that they are bound to.
 */
export function carryOver(from: GroupView, to: GroupView, nowMs: number): void {
  const learned = new Map<string, KnownStatus[]>();
  for (const { key, pin, ...status } of takeChanged(from.table, true)) {
    if (status.state === 'ok') continue;
    const name = boundName(from, key, pin);
    const known = learned.get(name);
    if (known === undefined) learned.set(name, [status]);
    else known.push(status);
  }
  if (learned.size === 0) return;
  const { rows, account } = to.table;
  for (let row = 0; row < rows.rowCount; row++) {
    if (stateOf(account.words.low(row)) === VACANT) continue;
    const known = learned.get(boundName(to, rows.key(row), rows.pin(row))) ?? [];
    for (const status of known) recall(to.table, row, status, nowMs);
  }
}

/** The same key bound to another upstream is another key. */
export function boundName({ upstreams }: GroupView, key: string, pin: number): string {
  return pin === UNPINNED ? key : `${key} ${upstreams.get(pin).href}`;
}
