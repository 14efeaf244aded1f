// GET /dashboard/keys: the keys of a group, filtered, a page of them at a time; and how many are in
// which state over stretches of the file, for the grid. Previews only.

import { REASONS, reasonText } from '../../policy/reason.ts';
import { previewKey } from '../../policy/redact.ts';
import type { GroupView } from '../../pool/group-view.ts';
import { QUOTA_KINDS } from '../../pool/limits/key-quotas.ts';
import { COOLING, DEAD, READY, stateOf, VACANT } from '../../pool/table/status-word.ts';

export const KEY_STATES = ['healthy', 'resting', 'blacklisted', 'at_limit'] as const;
export type KeyState = (typeof KEY_STATES)[number];

export interface KeyQuestion {
  /** Only keys in this state. */
  readonly state: KeyState | undefined;
  /** Part of a preview or a name. */
  readonly text: string;
  readonly reason: string;
  /** Rows before this one are passed over. */
  readonly from: number;
  readonly limit: number;
}

/** Rows that one question looks at by their text; more are for the next one. */
const MAX_TEXT_ROWS = 100_000;
/** Cells of the grid: each stands for as many keys as it must. */
const MAX_CELLS = 1_000;

/** One page of keys, and the row with which the next begins; null: there is none. */
export function keyPage(group: GroupView, question: KeyQuestion, nowMs: number) {
  const { table } = group;
  const { rowCount } = table.rows;
  const rows: ReturnType<typeof keyDetails>[] = [];
  const nowTick = table.tick(nowMs);
  let looked = 0;
  let row = question.from;
  for (; row < rowCount && rows.length < question.limit; row++) {
    const state = keyState(group, row, nowTick);
    if (state === undefined) continue;
    if (question.state !== undefined && state !== question.state) continue;
    const reason = reasonOf(group, row, state);
    if (question.reason !== '' && reason !== question.reason) continue;
    if (question.text !== '') {
      looked += 1;
      if (looked > MAX_TEXT_ROWS) break;
      const words = [previewKey(table.rows.key(row)), table.rows.name(row), reason];
      const shown = words.join(' ').toLowerCase();
      if (!shown.includes(question.text.toLowerCase())) continue;
    }
    rows.push(keyDetails(group, row, { state, reason, nowMs }));
  }
  return { rows, next: row < rowCount ? row : null, grid: gridOf(group, nowTick) };
}

function keyState(group: GroupView, row: number, nowTick: number): KeyState | undefined {
  const { account, aside } = group.table;
  const state = stateOf(account.words.low(row));
  if (state === VACANT) return undefined;
  if (state === DEAD) return 'blacklisted';
  if (state === COOLING && account.words.tick(row) > nowTick) return 'resting';
  return aside !== undefined && !aside.lane.words.isAvailable(row, nowTick)
    ? 'at_limit'
    : 'healthy';
}

function reasonOf(group: GroupView, row: number, state: KeyState): string {
  if (state === 'healthy') return '';
  const { account, aside } = group.table;
  if (state === 'at_limit') return QUOTA_KINDS[aside?.lane.reasons[row] ?? 0] ?? '';
  return REASONS[account.reasons[row] ?? 0] ?? 'none';
}

interface Judged {
  readonly state: KeyState;
  readonly reason: string;
  readonly nowMs: number;
}

function keyDetails(group: GroupView, row: number, { state, reason, nowMs }: Judged) {
  const { table, upstreams } = group;
  const { rows, account, quotas, aside } = table;
  const { deadCount, restCount, untilMs } = account.words.key(row);
  const isAside = state === 'at_limit';
  const until = isAside
    ? table.wallTimeOf(aside?.lane.words.tick(row) ?? 0)
    : table.wallTime(untilMs);
  const known = REASONS.find((one) => one === reason);
  const used = quotas && { ...quotas.now(row, nowMs), rpd: quotas.ofDay(row, nowMs) };
  return {
    row,
    life: rows.life[row] ?? 0,
    preview: previewKey(rows.key(row)),
    name: rows.name(row),
    state,
    reason,
    explanation: known === undefined || state === 'healthy' ? '' : reasonText(known),
    until: state === 'healthy' ? null : until / 1000,
    since: state === 'healthy' || isAside ? null : table.wallTimeOf(account.since[row] ?? 0) / 1000,
    served: (rows.served[row] ?? 0) >>> 0,
    failures: deadCount + restCount,
    weight: rows.weight(row),
    tier: rows.tier(row),
    upstream: rows.pin(row) === 0xffff ? null : upstreams.get(rows.pin(row)).href,
    has_proxy: rows.proxy(row) !== 0xffff,
    limits: QUOTA_KINDS.flatMap((kind) => {
      const limit = quotas?.limit(row, kind) ?? 0;
      return limit === 0 ? [] : [{ kind, limit, used: used?.[kind] ?? 0 }];
    }),
  };
}

/** For each cell how many keys are healthy, resting or at a limit, and blacklisted. */
function gridOf(group: GroupView, nowTick: number): { size: number; cells: number[][] } {
  const { rowCount } = group.table.rows;
  const size = Math.max(1, Math.ceil(rowCount / MAX_CELLS));
  const cells: number[][] = [];
  const { halves } = group.table.account.words;
  for (let start = 0; start < rowCount; start += size) {
    const cell = [0, 0, 0];
    for (let row = start; row < Math.min(rowCount, start + size); row++) {
      const state = stateOf(halves[2 * row] ?? 0);
      if (state === VACANT) continue;
      const isOver = (halves[2 * row + 1] ?? 0) >>> 0 <= nowTick;
      const at = state === READY || (state === COOLING && isOver) ? 0 : state === COOLING ? 1 : 2;
      cell[at] = (cell[at] ?? 0) + 1;
    }
    cells.push(cell);
  }
  return { size, cells };
}
