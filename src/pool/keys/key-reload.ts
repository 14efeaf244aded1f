// Makes the table hold exactly the keys of a file: unchanged keys keep their rows and what was
// learned about them, removed ones leave, new ones get rows. Coordinator only: it alone writes
// rows. The workers see each row change by itself and need no message.

import { NO_QUOTAS } from '../limits/key-quotas.ts';
import { hashKey, MAX_WEIGHT, NO_PROXY, type RowCounts, UNPINNED } from '../table/key-rows.ts';
import type { KeyTable } from '../table/key-table.ts';
import { ACCOUNT } from '../table/lane-directory.ts';
import { stateOf, VACANT } from '../table/status-word.ts';
import type { ProxyList } from '../upstreams/proxy-list.ts';
import type { UpstreamList } from '../upstreams/upstream-list.ts';
import { type KeyAttributes, NO_ATTRIBUTES } from './key-attributes.ts';
import type { ParsedKeys } from './key-file.ts';

/**
 * A row that a key left goes to no other for so long, while there are fresh ones: its last leases
 * end.
 */
export const ROW_GRACE_MS = 60_000;
/** Duplicates that are told with their lines. */
const MAX_TOLD_DUPLICATES = 20;

export interface Duplicate {
  readonly line: number;
  readonly firstLine: number;
}

export interface ReloadResult {
  /** Keys in the table now. */
  readonly total: number;
  readonly kept: number;
  readonly added: number;
  readonly removed: number;
  /** Keys that were kept, with other attributes. */
  readonly changed: number;
  /**
   * Rows of keys that were not in the table before: what a state file knows of them can be
   * restored.
   */
  readonly addedRows: readonly number[];
  readonly duplicates: number;
  /** The first MAX_TOLD_DUPLICATES of them. */
  readonly toldDuplicates: readonly Duplicate[];
  /** Keys for which the table, its bytes or its list of upstreams had no room. */
  readonly dropped: number;
}

export class KeyReload {
  readonly #table: KeyTable;
  readonly #upstreams: UpstreamList;
  /** Rows that keys left, the first to leave in front, and when they did. */
  #vacant: { readonly row: number; readonly atMs: number }[] = [];
  /** So many of them have been given away again; taken off once a reload, not one by one. */
  #reused = 0;
  #rowCount = 0;
  #isFirst = true;

  constructor(table: KeyTable, upstreams: UpstreamList) {
    this.#table = table;
    this.#upstreams = upstreams;
  }

  /**
   * Applies a file that was found good. `startIndex` (START_INDEX) counts for the first call only.
   */
  apply(keys: ParsedKeys, nowMs: number, startIndex = 0): ReloadResult {
    const { rows, account } = this.#table;
    const pins = keys.pinUrls.map((href) => this.#upstreams.add(href));
    const described = new Described(this.#table, this.#upstreams.proxies, keys);
    const index = new RowIndex(this.#table, this.#rowCount, keys.count);
    const tally = new Tally(this.#rowCount + keys.count);
    /** Gives key `i` its row; false: there is no room. */
    const place = (i: number): boolean => {
      const key = keySlice(keys, i, pins);
      if (key === null) return false;
      const line = keys.lines[i] ?? 0;
      const known = index.find(key);
      if (known >= 0) {
        if (tally.found(known, line)) described.again(known, i, nowMs);
        return true;
      }
      const row = this.#occupy(key, i, described, nowMs);
      return row >= 0 && tally.added(index.add(row), line);
    };
    // New keys before the old ones leave: there is no moment without keys when all are replaced.
    const waiting: number[] = [];
    for (let i = 0; i < keys.count; i++) if (!place(i)) waiting.push(i);
    const removed = this.#vacateMissing(tally.foundOn, nowMs);
    const dropped = waiting.filter((i) => !place(i)).length;
    this.#vacant = this.#vacant.slice(this.#reused);
    this.#reused = 0;
    const { kept, addedRows, duplicates, toldDuplicates } = tally;
    const total = kept + addedRows.length;
    rows.publishCounts({ rowCount: this.#rowCount, occupied: total, ...this.#ranges() });
    if (this.#isFirst && total > 0) account.cursor = startIndex % total;
    this.#isFirst = false;
    const added = addedRows.length;
    const { changed } = described;
    return { total, kept, added, removed, changed, addedRows, duplicates, toldDuplicates, dropped };
  }

  /** Writes a key into a free row and makes it available; -1: there is no room. */
  #occupy(key: KeySlice, i: number, described: Described, nowMs: number): number {
    const { rows, directory } = this.#table;
    const row = this.#freeRow(nowMs);
    if (row < 0 || !rows.write(row, key.source, key.start, key.end)) return -1;
    rows.setPin(row, key.pin);
    described.first(row, i, row < this.#rowCount);
    const cause = { nowTick: this.#table.tick(nowMs), reason: 'none' } as const;
    if (row === this.#rowCount) {
      // Never used: its words are zero, which is ready.
      this.#rowCount++;
      this.#table.publish(ACCOUNT, row, cause.nowTick);
      return row;
    }
    this.#reused++;
    for (const lane of directory.active()) this.#table.apply(lane, row, { kind: 'reset' }, cause);
    this.#table.apply(ACCOUNT, row, { kind: 'reset' }, cause);
    return row;
  }

  #ranges(): Omit<RowCounts, 'rowCount' | 'occupied'> {
    const { rows, account } = this.#table;
    const ranges = { pinned: 0, tiers: 1, heaviest: 1, lightest: MAX_WEIGHT };
    for (let row = 0; row < this.#rowCount; row++) {
      if (stateOf(account.words.low(row)) === VACANT) continue;
      if (rows.pin(row) !== UNPINNED) ranges.pinned++;
      ranges.tiers = Math.max(ranges.tiers, rows.tier(row));
      const weight = rows.weight(row);
      ranges.heaviest = Math.max(ranges.heaviest, weight);
      ranges.lightest = Math.min(ranges.lightest, weight);
    }
    return ranges;
  }

  #freeRow(nowMs: number): number {
    const oldest = this.#vacant[this.#reused];
    if (oldest !== undefined && oldest.atMs + ROW_GRACE_MS <= nowMs) return oldest.row;
    if (this.#rowCount < this.#table.rows.capacity) return this.#rowCount;
    return oldest?.row ?? -1;
  }

  /** Takes out the keys that the file no longer has; how many. */
  #vacateMissing(foundOn: Uint32Array, nowMs: number): number {
    const { account } = this.#table;
    const cause = { nowTick: this.#table.tick(nowMs), reason: 'none' } as const;
    let removed = 0;
    // Against the cursors' direction: in step with one, a lease would find each key just gone.
    for (let row = this.#rowCount - 1; row >= 0; row--) {
      if (foundOn[row] !== 0 || stateOf(account.words.low(row)) === VACANT) continue;
      this.#table.apply(ACCOUNT, row, { kind: 'vacate' }, cause);
      this.#vacant.push({ row, atMs: nowMs });
      removed++;
    }
    return removed;
  }
}

/** What one reload has come across. */
class Tally {
  /** Line on which a row's key was found in this file; 0: not found. */
  readonly foundOn: Uint32Array;
  readonly addedRows: number[] = [];
  readonly toldDuplicates: Duplicate[] = [];
  kept = 0;
  duplicates = 0;

  constructor(rows: number) {
    this.foundOn = new Uint32Array(rows);
  }

  /** A key that has a row; false: from an earlier line of the same file. */
  found(row: number, line: number): boolean {
    const firstLine = this.foundOn[row] ?? 0;
    if (firstLine === 0) {
      this.kept++;
      this.foundOn[row] = line;
      return true;
    }
    this.duplicates++;
    if (this.toldDuplicates.length < MAX_TOLD_DUPLICATES) {
      this.toldDuplicates.push({ line, firstLine });
    }
    return false;
  }

  added(row: number, line: number): true {
    this.foundOn[row] = line;
    this.addedRows.push(row);
    return true;
  }
}

/** Gives rows what the file says about their keys. */
class Described {
  /** Keys that had a row before, and now have other attributes. */
  changed = 0;
  readonly #table: KeyTable;
  readonly #keys: ParsedKeys;
  /** Index of each set's proxy. */
  readonly #proxies: readonly number[];

  constructor(table: KeyTable, proxies: ProxyList, keys: ParsedKeys) {
    this.#table = table;
    this.#keys = keys;
    this.#proxies = keys.attributeSets.map(({ proxy }) => {
      return proxy === '' ? NO_PROXY : proxies.add(proxy);
    });
    if (keys.attributeSets.some(({ quotas }) => quotas !== NO_QUOTAS)) table.rows.markQuotas();
  }

  /** A row that nobody uses yet. */
  first(row: number, i: number, isReused: boolean): void {
    const { rows, quotas } = this.#table;
    const { set, proxy, name } = this.#of(i);
    rows.setPreferences(row, { weight: set.weight, tier: set.tier, proxy });
    if (name !== '') rows.setName(row, name);
    if (quotas === undefined) return;
    // Memory that was never touched is not made real by clearing it.
    if (isReused) quotas.clear(row);
    quotas.setOwn(row, set.quotas);
  }

  /** A row in use, whose line may have changed. */
  again(row: number, i: number, nowMs: number): void {
    const { rows, quotas } = this.#table;
    const { set, proxy, name } = this.#of(i);
    const isMoved = rows.tier(row) !== set.tier;
    const isOther = isMoved || rows.weight(row) !== set.weight || rows.proxy(row) !== proxy;
    const isRenamed = rows.name(row) !== name;
    const hasOtherLimits = quotas?.setOwn(row, set.quotas) ?? false;
    if (!isOther && !isRenamed && !hasOtherLimits) return;
    this.changed++;
    if (isMoved) this.#table.withdraw(row);
    rows.setPreferences(row, { weight: set.weight, tier: set.tier, proxy });
    if (isRenamed) rows.setName(row, name);
    if (hasOtherLimits) this.#table.aside?.reconsider(row, nowMs);
    if (isMoved) this.#table.publish(ACCOUNT, row, this.#table.tick(nowMs));
  }

  #of(i: number): { set: KeyAttributes; proxy: number; name: string } {
    const { attributes, attributeSets, names } = this.#keys;
    const index = attributes[i] ?? 0;
    const set = attributeSets[index] ?? NO_ATTRIBUTES;
    return { set, proxy: this.#proxies[index] ?? NO_PROXY, name: names.get(i) ?? '' };
  }
}

/** Finds rows by key and pin. Open addressing, at most half full; lives for one reload. */
class RowIndex {
  readonly #table: KeyTable;
  /** Row + 1; 0 ends a search. */
  readonly #slots: Int32Array;

  constructor(table: KeyTable, rowCount: number, newKeys: number) {
    this.#table = table;
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * (rowCount + newKeys) + 2)));
    for (let row = 0; row < rowCount; row++) {
      if (stateOf(table.account.words.low(row)) !== VACANT) this.add(row);
    }
  }

  /** Enters a row and gives it back. */
  add(row: number): number {
    const { rows } = this.#table;
    const mask = this.#slots.length - 1;
    let slot = rows.hash(row) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = row + 1;
    return row;
  }

  /** The row of this key with this pin; -1: none. */
  find({ source, start, end, pin }: KeySlice): number {
    const { rows } = this.#table;
    const mask = this.#slots.length - 1;
    for (let slot = hashKey(source, start, end, pin) & mask; ; slot = (slot + 1) & mask) {
      const row = (this.#slots[slot] ?? 0) - 1;
      if (row < 0) return -1;
      if (rows.pin(row) === pin && rows.holds(row, source, start, end)) return row;
    }
  }
}

/** A key where it stands in its file, and the upstream that it is bound to. */
interface KeySlice {
  readonly source: Buffer;
  readonly start: number;
  readonly end: number;
  readonly pin: number;
}

/**
 * Null: bound to an upstream for which there was no room. `pins`: indexes of the file's upstreams.
 */
function keySlice(keys: ParsedKeys, i: number, pins: readonly number[]): KeySlice | null {
  const bound = keys.pins[i] ?? 0;
  const pin = bound === 0 ? UNPINNED : (pins[bound - 1] ?? -1);
  if (pin < 0) return null;
  return { source: keys.source, start: keys.starts[i] ?? 0, end: keys.ends[i] ?? 0, pin };
}
