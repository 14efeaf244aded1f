// Between the key table and the state file: what was learned goes out in batches and comes back at
// the start, and when a key returns to the key file. Matches stored rows with keys, and the wall
// clock's times in the file with the steady ones in memory; how it is stored is up to store/.

import type { DatabaseSync } from 'node:sqlite';
import type { Logger } from '../log/log.ts';
import type { Reason } from '../policy/reason.ts';
import type { ClockMemory } from '../pool/clock-memory.ts';
import type { GroupView } from '../pool/group-view.ts';
import { boundName, type KnownStatus, recall, takeChanged } from '../pool/keys/key-memory.ts';
import { DayMemory } from '../pool/limits/day-memory.ts';
import type { ResourceKeys } from '../pool/resource-keys.ts';
import type { KeyTable } from '../pool/table/key-table.ts';
import { stateOf, VACANT } from '../pool/table/status-word.ts';
import { type StateRow, StateStore } from '../store/sqlite/state-store.ts';
import { type StateSource, StateWriter } from '../store/sqlite/state-writer.ts';
import type { SteadyClock } from './steady-clock.ts';

/** Nothing older than this is lost by kill -9. */
const RESOURCES_INTERVAL_MS = 1_000;

/** A row that holds how often a key was used on a day. */
const DAY = 'day';
const DAY_ROW = '\u0000day';

/** Keeps the state file of one process. With no file, it does nothing. */
export class StateKeeper implements Disposable {
  #groups: () => readonly GroupView[] = () => [];
  /** How many things of each group are stored. */
  readonly #madeOf = new WeakMap<ResourceKeys, number>();
  #timer: NodeJS.Timeout | undefined;
  readonly #dayMemories = new WeakMap<KeyTable, DayMemory>();
  readonly #store: StateStore;
  readonly #writer: StateWriter;
  readonly #clock: SteadyClock;
  /** How the clocks differed when the file's times were written. */
  #aheadMs = 0;

  /** @param path STATE_FILE; '' for none */
  constructor(path: string, clock: SteadyClock, log: Logger) {
    this.#clock = clock;
    this.#store = StateStore.open(path, log);
    const source: StateSource = { changes: (everything) => this.#changes(everything) };
    const timeout = (act: () => void, delayMs: number) => {
      const timer = setTimeout(act, delayMs).unref();
      return () => clearTimeout(timer);
    };
    this.#writer = new StateWriter(this.#store, source, { now: () => performance.now(), timeout });
  }

  /** The open file; null: there is none. */
  get database(): DatabaseSync | null {
    return this.#store.database;
  }

  /** What the key of a row is called in the file. */
  keyIdOf(group: GroupView, row: number): string {
    return this.#idOf(group, row);
  }

  /** Names the groups whose keys it is about, as they are at any time. */
  of(groups: () => readonly GroupView[]): void {
    this.#groups = groups;
  }

  /** Writes what has changed, now. */
  flush(): void {
    this.#writer.flush();
  }

  /**
   * Gives keys that have just come into a group's table what is stored about them.
   * @returns how many keys were remembered
   */
  restore(group: GroupView, added: readonly number[]): number {
    const stored = new Map<string, StateRow[]>();
    for (const row of this.#store.load(group.name)) {
      const known = stored.get(row.keyId);
      if (known === undefined) stored.set(row.keyId, [row]);
      else known.push(row);
    }
    if (stored.size === 0) return 0;
    const present = this.#present(group, stored);
    const { memory } = this.#clock;
    const nowMs = this.#clock.now();
    this.#store.sweep(group.name, (id) => present.has(id), memory.wallOf(nowMs));
    let remembered = 0;
    for (const row of added) {
      const known = stored.get(this.#idOf(group, row));
      if (known === undefined) continue;
      remembered += 1;
      for (const status of known) {
        if (status.state === DAY) recallDay(group, row, status, nowMs);
        else recall(group.table, row, asKnown(status, memory, nowMs), nowMs);
      }
    }
    return remembered;
  }

  /** Gives a group that has just got its keys what is stored about things that they made. */
  restoreResources({ name, table, resources, ...group }: GroupView): void {
    if (resources.made !== 0) return;
    const stored = new Map<string, bigint[]>();
    this.#store.purgeResources(name);
    for (const { resource, keyId } of this.#store.loadResources(name)) {
      const known = stored.get(keyId);
      if (known === undefined) stored.set(keyId, [resource]);
      else known.push(resource);
    }
    if (stored.size === 0) return;
    const view = { name, table, resources, ...group };
    for (let row = 0; row < table.rows.rowCount; row++) {
      const keyHash = table.rows.hash(row);
      const made = stored.get(this.#idOf(view, row)) ?? [];
      // Newest first, as they were read: the newest is to be the last to go.
      for (const id of made.toReversed()) resources.remember({ id, row, keyHash });
    }
    this.#madeOf.set(resources, resources.made);
  }

  /** Stores what was made since it was called last. */
  #writeResources(): void {
    for (const group of this.#groups()) {
      const { resources, table, name } = group;
      const { made } = resources;
      const before = this.#madeOf.get(resources) ?? 0;
      if (made === before || !this.#store.persistent) continue;
      const rows = resources.since(before).flatMap(({ id, row, keyHash }) => {
        if (!table.holdsHash(row, keyHash)) return [];
        return [{ resource: id, keyId: this.#idOf(group, row) }];
      });
      if (this.#store.writeResources(name, rows, Date.now())) this.#madeOf.set(resources, made);
    }
  }

  /** Writes changes from now on, at most once a second. */
  start(): void {
    this.#writer.start();
    this.#timer = setInterval(() => this.#writeResources(), RESOURCES_INTERVAL_MS).unref();
  }

  /** The last batch, and the end of the file's use. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#writeResources();
    this.#writer.stop();
    this.#store.close();
  }

  *#changes(isAll: boolean): Generator<StateRow, void> {
    const { memory } = this.#clock;
    // The file's times are the wall clock's: where that was set, they are all to be written anew.
    const everything = isAll || memory.aheadMs !== this.#aheadMs;
    this.#aheadMs = memory.aheadMs;
    for (const group of this.#groups()) {
      for (const { key, pin, ...status } of takeChanged(group.table, everything)) {
        const keyId = this.#store.keyId(boundName(group, key, pin));
        const sinceMs = memory.wallOf(status.sinceMs);
        const untilMs = status.untilMs === 0 ? 0 : memory.wallOf(status.untilMs);
        const row = { ...status, sinceMs, untilMs, group: group.name, keyId };
        if (status.model !== DAY_ROW) yield row;
      }
      yield* this.#days(group, everything);
    }
  }

  /** A day's counts stand among the states, as those of a model that nobody can ask for. */
  *#days(group: GroupView, everything: boolean): Generator<StateRow, void> {
    const memory = this.#dayMemories.get(group.table) ?? new DayMemory();
    this.#dayMemories.set(group.table, memory);
    const about = { group: group.name, model: DAY_ROW, state: DAY, reason: 'none', deadCount: 0 };
    for (const { row, count, ...day } of memory.changed(group, everything, this.#clock.now())) {
      const keyId = this.#idOf(group, row);
      const times = { sinceMs: day.dayStartMs, untilMs: day.dayEndMs };
      yield { ...about, keyId, ...times, restCount: count };
    }
  }

  /** Which of the stored names belong to keys that are in the table now. */
  #present(group: GroupView, stored: ReadonlyMap<string, unknown>): Set<string> {
    const { rows, account } = group.table;
    const { rowCount } = rows;
    const present = new Set<string>();
    for (let row = 0; row < rowCount; row++) {
      if (stateOf(account.words.low(row)) === VACANT) continue;
      const id = this.#idOf(group, row);
      if (stored.has(id)) present.add(id);
    }
    return present;
  }

  #idOf(group: GroupView, row: number): string {
    const { rows } = group.table;
    return this.#store.keyId(boundName(group, rows.key(row), rows.pin(row)));
  }
}

function recallDay({ table }: GroupView, row: number, stored: StateRow, nowMs: number): void {
  const wallMs = table.clock.wallOf(nowMs);
  if (wallMs < stored.sinceMs || wallMs >= stored.untilMs) return;
  table.quotas?.restoreDay(row, stored.restCount, nowMs);
  table.aside?.review(row, nowMs);
}

/**
 * A word that this version does not know reads as nothing to remember. What began in the future was
 * written before the clock was set back, or is read by a machine that does not know the time yet:
 * it is not to last longer than it would have in all.
 */
function asKnown(
  { state, reason, ...row }: StateRow,
  clock: ClockMemory,
  nowMs: number,
): KnownStatus {
  const known = state === 'cooling' || state === 'dead' ? state : 'ok';
  const sinceMs = Math.min(nowMs, clock.steadyOf(row.sinceMs));
  const untilMs = Math.min(clock.steadyOf(row.untilMs), nowMs + row.untilMs - row.sinceMs);
  return { ...row, sinceMs, untilMs, state: known, reason: reason as Reason };
}
