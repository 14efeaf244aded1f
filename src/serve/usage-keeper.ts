// The coordinator's books: takes what the workers have added up, writes it a moment later, and
// answers what was used by whom. Nothing is written twice: a batch that failed is added again as a
// whole, for a transaction that failed has added nothing.

import { readFileSync, statSync } from 'node:fs';
import type { Logger } from '../log/log.ts';
import { costOf, type Prices, parsePrices, priceOf } from '../policy/prices.ts';
import { previewKey } from '../policy/redact.ts';
import type { GroupView } from '../pool/group-view.ts';
import type { KeyTable } from '../pool/table/key-table.ts';
import type { TokenSeries, UsageRow } from '../proxy/usage-tally.ts';
import { UsageStore } from '../store/sqlite/usage-store.ts';
import type { StoredUsage, UsageAnswer, UsageQuestion } from '../store/usage-question.ts';
import type { StateKeeper } from './state-keeper.ts';
import { addRow, addUsage, mergeUsage, rowName } from './usage-sums.ts';

/** With what the workers take (proxy/usage-tally.ts), kill -9 loses nothing older than a second. */
const WRITE_MS = 250;
/**
 * While the disk is full, so many different rows wait; then they are added up without their keys.
 */
const MAX_WAITING_ROWS = 100_000;
/** Keys of one group whose hashes are remembered. */
const MAX_KNOWN_KEYS = 100_000;
const HOUR_MS = 3_600_000;
const PURGE_MS = 6 * HOUR_MS;
/** Rows of one answer. */
const MAX_USAGE_ROWS = 50_000;
/** Series of /metrics; what comes later is `other`, together. */
const MAX_SERIES = 1_000;

export interface UsageKeeperParts {
  readonly state: StateKeeper;
  readonly groups: () => readonly GroupView[];
  /** PRICES_FILE; '' for none. */
  readonly pricesFile: string;
  readonly log: Logger;
}

interface KnownKey {
  readonly life: number;
  readonly keyId: string;
  readonly keyPreview: string;
}

export class UsageKeeper implements Disposable {
  readonly #state: StateKeeper;
  readonly #groups: () => readonly GroupView[];
  readonly #log: Logger;
  readonly #store = new UsageStore();
  /** Tokens since the start, by group, row and life. */
  readonly #ofKeys = new Map<string, number>();
  readonly #series = new Map<string, TokenSeries>();
  readonly #keys = new WeakMap<KeyTable, Map<number, KnownKey>>();
  #waiting = new Map<string, StoredUsage>();
  #timer: NodeJS.Timeout | undefined;
  #purgedMs = 0;
  /** Hours of which something was written since {@link takeHours}. */
  #hours = new Set<number>();
  #isFailing = false;
  readonly #pricesFile: string;
  #pricesMs = 0;
  #pricesFlaw = '';
  #prices: Prices | undefined;

  constructor({ state, groups, pricesFile, log }: UsageKeeperParts) {
    this.#state = state;
    this.#groups = groups;
    this.#pricesFile = pricesFile;
    this.#log = log;
    // What is wrong with it is told at the start, not at the end of a month.
    this.#readPrices();
  }

  /** Takes what a worker has added up. */
  take(rows: readonly UsageRow[]): void {
    for (const row of rows) {
      this.#addSeries(row);
      this.#addToKey(row);
      const stored = this.#stored(row);
      const { hour, client, group, model, keyId } = stored;
      const name = [hour, client, group, model, keyId].join('\n');
      addRow(this.#waiting, name, stored);
    }
    this.#timer ??= setTimeout(() => this.#write(), WRITE_MS).unref();
  }

  /**
   * Answers a question, whole or not at all; what is not written yet is written first.
   * @param others what other books have to say to {@link detailed}
   * @param isOwn false: of the others alone
   * @throws what SQLite says
   */
  ask(
    question: UsageQuestion,
    others: readonly UsageAnswer[] = [],
    isOwn = true,
  ): UsageAnswer[] | 'too_many' {
    this.#write();
    const prices = this.#readPrices();
    const own = isOwn ? this.rows(this.detailed(question), MAX_USAGE_ROWS + 1) : [];
    const rows = others.length === 0 ? own : mergeUsage([...own, ...others]);
    if (rows.length > MAX_USAGE_ROWS) return 'too_many';
    const hasModel = question.groupBy.includes('model');
    return prices === undefined ? rows : withCosts(rows, prices, hasModel);
  }

  /** The question to which an answer has all that costs are made of. */
  detailed(question: UsageQuestion): UsageQuestion {
    const { groupBy } = question;
    const isEnough = this.#readPrices() === undefined || groupBy.includes('model');
    return isEnough ? question : { ...question, groupBy: [...groupBy, 'model'] };
  }

  /** What is written, at most `limit` rows. @throws what SQLite says */
  rows(question: UsageQuestion, limit: number): UsageAnswer[] {
    return this.#store.ask(this.#state.database, question, limit);
  }

  /** These books among those of other instances. @throws what SQLite says */
  get book(): string {
    return this.#store.bookOf(this.#state.database);
  }

  /** Writes what waits; the hours (since 1970) of all that was written since the last call. */
  takeHours(): ReadonlySet<number> {
    this.#write();
    const hours = this.#hours;
    this.#hours = new Set();
    return hours;
  }

  /** Read again when the file has changed; one that cannot be read leaves what was known. */
  #readPrices(): Prices | undefined {
    if (this.#pricesFile === '') return undefined;
    try {
      const { mtimeMs } = statSync(this.#pricesFile);
      if (mtimeMs === this.#pricesMs) return this.#prices;
      this.#pricesMs = mtimeMs;
      this.#prices = parsePrices(readFileSync(this.#pricesFile, 'utf8'));
      this.#pricesFlaw = '';
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      // Not at every question again.
      if (why !== this.#pricesFlaw) this.#log.warn(`PRICES_FILE: ${why}`);
      this.#pricesFlaw = why;
    }
    return this.#prices;
  }

  /** Tokens of the keys in these rows since the start, in their order. */
  tokensOfKeys(group: string, rows: readonly number[]): number[] {
    const view = this.#groups().find(({ name }) => name === group);
    return rows.map((row) => {
      return this.#ofKeys.get(keyName(group, row, view?.table.rows.life[row] ?? 0)) ?? 0;
    });
  }

  #addToKey({ group, row, input, output }: UsageRow): void {
    if (row < 0 || input + output === 0) return;
    const view = this.#groups().find(({ name }) => name === group);
    const name = keyName(group, row, view?.table.rows.life[row] ?? 0);
    if (!this.#ofKeys.has(name) && this.#ofKeys.size >= MAX_KNOWN_KEYS) return;
    this.#ofKeys.set(name, (this.#ofKeys.get(name) ?? 0) + input + output);
  }

  /** Tokens since the start, by client, group and model. */
  get series(): readonly TokenSeries[] {
    return [...this.#series.values()];
  }

  /** Tokens that each client has used in the UTC day of `nowMs`. @throws what SQLite says */
  tokensOfDay(nowMs: number): ReadonlyMap<string, number> {
    const fromHour = Math.floor(nowMs / HOUR_MS / 24) * 24;
    const question = { fromHour, toHour: fromHour + 24, by: 'day', groupBy: ['client'] } as const;
    const rows = this.#store.ask(this.#state.database, question, MAX_USAGE_ROWS);
    return new Map(rows.map(({ client, input, output }) => [client, input + output]));
  }

  [Symbol.dispose](): void {
    this.#write();
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const nowMs = Date.now();
    try {
      if (this.#waiting.size > 0) {
        this.#store.add(this.#state.database, this.#waiting.values());
        for (const { hour } of this.#waiting.values()) this.#hours.add(hour);
        this.#waiting = new Map();
      }
      if (nowMs - this.#purgedMs > PURGE_MS) {
        this.#purgedMs = nowMs;
        this.#store.purge(this.#state.database, Math.floor(nowMs / HOUR_MS));
      }
      if (this.#isFailing) this.#log.info('writing usage works again');
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#log.warn('cannot write usage; will retry', { error });
      this.#isFailing = true;
      if (this.#waiting.size > MAX_WAITING_ROWS) this.#waiting = withoutKeys(this.#waiting);
      this.#timer ??= setTimeout(() => this.#write(), 2 * WRITE_MS).unref();
    }
  }

  #stored({ row, ...sums }: UsageRow): StoredUsage {
    const group = row < 0 ? undefined : this.#groups().find(({ name }) => name === sums.group);
    if (group === undefined) return { ...sums, keyId: '', keyPreview: '' };
    const { keyId, keyPreview } = this.#keyOf(group, row);
    return { ...sums, keyId, keyPreview };
  }

  /** A hash and a preview, remembered for as long as the row has this key. */
  #keyOf(group: GroupView, row: number): KnownKey {
    const { rows } = group.table;
    const known = this.#keys.get(group.table) ?? new Map<number, KnownKey>();
    this.#keys.set(group.table, known);
    const life = rows.life[row] ?? 0;
    const before = known.get(row);
    if (before?.life === life) return before;
    if (known.size >= MAX_KNOWN_KEYS) known.clear();
    const keyPreview = previewKey(rows.key(row));
    const key = { life, keyId: this.#state.keyIdOf(group, row), keyPreview };
    known.set(row, key);
    return key;
  }

  #addSeries(row: UsageRow): void {
    const tokens = row.input + row.output;
    if (tokens === 0) return;
    const named = `${row.client}\n${row.group}\n${row.model}`;
    const isNamed = this.#series.has(named) || this.#series.size < MAX_SERIES;
    const name = isNamed ? named : 'other';
    const { client, group, model } = isNamed ? row : OTHERS;
    const known = this.#series.get(name) ?? { client, group, model, ...NOTHING };
    known.input += row.input;
    known.cached += row.cached;
    known.cacheWrite += row.cacheWrite;
    known.output += row.output;
    known.reasoning += row.reasoning;
    this.#series.set(name, known);
  }
}

/** Adds costs to rows that tell models apart, and then adds up what was not asked for. */
function withCosts(rows: readonly UsageAnswer[], prices: Prices, hasModel: boolean): UsageAnswer[] {
  const added = new Map<string, UsageAnswer>();
  for (const row of rows) {
    const price = priceOf(prices, row.model);
    const isCostPartial = price === undefined && row.input + row.output > 0;
    const cost = price === undefined ? 0 : costOf(price, row);
    const next = { ...row, model: hasModel ? row.model : '', cost, isCostPartial };
    const name = rowName(next);
    const known = added.get(name);
    if (known === undefined) added.set(name, next);
    else {
      const isPartial = known.isCostPartial === true || isCostPartial;
      const total = (known.cost ?? 0) + cost;
      added.set(name, { ...next, ...addUsage(known, next), cost: total, isCostPartial: isPartial });
    }
  }
  return [...added.values()];
}

const OTHERS = { client: 'other', group: 'other', model: 'other' } as const;
const NOTHING = { input: 0, cached: 0, cacheWrite: 0, output: 0, reasoning: 0 } as const;

/** Fewer rows, for a disk that has been full for long. */
function withoutKeys(rows: ReadonlyMap<string, StoredUsage>): Map<string, StoredUsage> {
  const fewer = new Map<string, StoredUsage>();
  for (const row of rows.values()) {
    const less = { ...row, keyId: '', keyPreview: '', model: 'other', client: '' };
    addRow(fewer, `${row.hour}\n${row.group}`, less);
  }
  return fewer;
}

function keyName(group: string, row: number, life: number): string {
  return `${row} ${life} ${group}`;
}
