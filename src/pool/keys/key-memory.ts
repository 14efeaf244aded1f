// What the table has learned, leaving and entering it: for the state file, which forgets nothing at
// a restart, and for /reset-keys, which forgets everything. How it is stored is up to store/.

import type { KeyState, KeyStatus } from '../../policy/key-breaker.ts';
import { REASONS, type Reason } from '../../policy/reason.ts';
import type { GroupView } from '../group-view.ts';
import type { Bitmap } from '../table/bitmap.ts';
import { UNPINNED } from '../table/key-rows.ts';
import type { KeyTable } from '../table/key-table.ts';
import { ACCOUNT } from '../table/lane-directory.ts';
import { generationOf, isSpotless, READY, stateOf, TICK_MS, VACANT } from '../table/status-word.ts';

/**
 * What is known of one key: for all models (`model` is '') or for one. Times: milliseconds by the
 * steady clock.
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
  readonly row: number;
  /** The era that it belongs to, as the reducer counts them. */
  readonly era: number;
  /** When something last happened to it. */
  readonly triedMs: number;
}

/** What another instance knows of one key. */
export interface HeardStatus extends KnownStatus {
  /** Our era that it knew of: -1, it knew none. */
  readonly era: number;
  /** When it happened. */
  readonly atMs: number;
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
export function* takeChanged(
  table: KeyTable,
  everything: boolean,
  changed = table.changed,
): Generator<ChangedKey, void> {
  const { account, rows } = table;
  if (everything) markAll(table, changed);
  // Rows that change meanwhile, behind the loop, are for the next call.
  for (let row = changed.next(0); row >= 0; ) {
    changed.delete(row);
    if (stateOf(account.words.low(row)) !== VACANT) {
      const about = { key: rows.key(row), pin: rows.pin(row), row };
      for (const status of knownOf(table, row)) yield { ...about, ...status };
    }
    const next = changed.next(row + 1);
    row = next > row ? next : -1;
  }
}

/** Marks every row of which more is known than that it is ready. */
export function markAll(table: KeyTable, changed: Bitmap): void {
  const { rowCount } = table.rows;
  for (const index of [ACCOUNT, ...table.directory.active()]) {
    const { words } = table.lane(index);
    for (let row = 0; row < rowCount; row++) {
      if (stateOf(words.low(row)) !== READY) changed.add(row);
    }
  }
}

type KnownInEra = KnownStatus & Pick<ChangedKey, 'era' | 'triedMs'>;

function* knownOf(table: KeyTable, row: number): Generator<KnownInEra, void> {
  yield knownIn(table, ACCOUNT, row);
  for (const lane of table.directory.active()) {
    const low = table.lane(lane).words.low(row);
    if (generationOf(low) !== 0) yield knownIn(table, lane, row);
  }
}

function knownIn(table: KeyTable, index: number, row: number): KnownInEra {
  const lane = table.lane(index);
  const { state, restCount, deadCount, untilMs, generation } = lane.words.key(row);
  const isOk = state === 'ready' || state === 'vacant';
  return {
    model: index === ACCOUNT ? '' : table.directory.model(index),
    state: isOk ? 'ok' : state,
    reason: REASONS[lane.reasons[row] ?? 0] ?? 'none',
    untilMs: isOk ? 0 : table.buffers.epochMs + untilMs,
    sinceMs: table.timeOf(lane.since[row] ?? 0),
    restCount,
    deadCount,
    era: generation,
    triedMs: table.timeOf(lane.tried[row] ?? 0),
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
 * Takes over what another instance knows of a row.
 * @returns the era in which both know the same; -1: this one knows something worse
 */
export function hear(table: KeyTable, row: number, heard: HeardStatus, nowMs: number): number {
  const { model, restCount, deadCount, era } = heard;
  const nowTick = table.tick(nowMs);
  const state: KeyState = heard.state === 'ok' ? 'ready' : heard.state;
  const isOver = state === 'ready' || heard.untilMs <= nowMs;
  const endMs = state === 'ready' ? 0 : table.sinceEpoch(heard.untilMs);
  // As the word has it: what is the same must compare so.
  const untilMs = Math.ceil(endMs / TICK_MS) * TICK_MS;
  const status = { state, restCount, deadCount, untilMs };
  const known = model === '' ? ACCOUNT : table.laneFor(model, nowTick);
  // A model that has no lane, and needs none.
  if (model !== '' && known === ACCOUNT && isOver) return -1;
  const index = model === '' || known !== ACCOUNT ? known : table.laneToRest(model, 0, nowTick);
  if (model !== '' && index === ACCOUNT) {
    table.applyApart(model, row, { kind: 'restore', status }, nowMs);
    return -1;
  }
  const reason = REASONS.includes(heard.reason) ? heard.reason : 'none';
  const lane = table.lane(index);
  // It did not know of what we know, but it cleared the key after that.
  const isLater = state === 'ready' && heard.atMs > table.timeOf(lane.tried[row] ?? 0);
  const generation = isLater ? lane.words.key(row).generation : era;
  const event = { kind: 'heard', generation, status } as const;
  const change = table.apply(index, row, event, { nowTick, reason, isHeard: true });
  if (change !== null) {
    lane.since[row] = table.tick(heard.sinceMs);
    return change.after.generation;
  }
  const now = lane.words.key(row);
  const isSame = now.state === state && now.untilMs === untilMs;
  return now.generation === era || isSame ? now.generation : -1;
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
