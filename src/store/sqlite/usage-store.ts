// What was used, by hour and by day, in tables of the state file or, without one, in memory: added
// up, asked for, and forgotten after three months. Who counts is serve/usage-keeper.ts.

import { randomBytes } from 'node:crypto';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import {
  KEEP_USAGE_DAYS,
  type StoredUsage,
  USAGE_DIMENSIONS,
  type UsageAnswer,
  type UsageDimension,
  type UsageQuestion,
} from '../usage-question.ts';

/** Models that are told apart; those that come later are `other`, together. */
export const MAX_USAGE_MODELS = 1_000;
/** Of these, those that only failed requests have named: clients make names up. */
const MAX_FAILED_MODELS = MAX_USAGE_MODELS / 2;
const OTHER = 'other';
const MAX_REMEMBERED_KEYS = 100_000;
const HOURS_PER_DAY = 24;

const SUMS = 'requests, failed, unknown, input, cached, cache_write, output, reasoning';
const NAMES = SUMS.split(', ');
const ROW = `start INTEGER NOT NULL, client TEXT NOT NULL, group_name TEXT NOT NULL,
  model TEXT NOT NULL, key_id TEXT NOT NULL, ${NAMES.map((name) => `${name} INTEGER NOT NULL`)},
  PRIMARY KEY (start, client, group_name, model, key_id)`;
const SCHEMA = `CREATE TABLE IF NOT EXISTS usage_hour (${ROW}) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS usage_day (${ROW}) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS usage_key (key_id TEXT PRIMARY KEY, preview TEXT NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS usage_book (id TEXT NOT NULL) STRICT;`;
const COLUMNS: Readonly<Record<UsageDimension, string>> = {
  client: 'client',
  group: 'group_name',
  model: 'model',
  key: 'key_id',
};

function upsert(table: string): string {
  const marks = Array.from({ length: 5 + NAMES.length }, () => '?').join(', ');
  const added = NAMES.map((name) => `${name} = ${name} + excluded.${name}`).join(', ');
  return `INSERT INTO ${table} VALUES (${marks}) ON CONFLICT DO UPDATE SET ${added}`;
}

export class UsageStore {
  #db: DatabaseSync | null = null;
  #models = new Set<string>();
  #book = '';
  /** Those whose previews are stored. */
  readonly #keys = new Set<string>();
  /** Prepared once for a database. */
  #statements: Readonly<Record<'hour' | 'day' | 'key', StatementSync>> | undefined;

  /**
   * Uses a database, or memory where there is none (any more). Cheap when it is the one in use.
   * @throws what SQLite says
   */
  #use(db: DatabaseSync | null): DatabaseSync {
    if (this.#db !== null && (db === null || db === this.#db)) return this.#db;
    const next = db ?? new DatabaseSync(':memory:');
    next.exec(SCHEMA);
    this.#keys.clear();
    this.#models = modelsIn(next);
    this.#book = bookIn(next);
    this.#statements = {
      hour: next.prepare(upsert('usage_hour')),
      day: next.prepare(upsert('usage_day')),
      key: next.prepare('INSERT INTO usage_key VALUES (?, ?) ON CONFLICT DO NOTHING'),
    };
    this.#db = next;
    return next;
  }

  /**
   * Adds rows in one transaction.
   * @param db the state file's; null: there is none
   * @throws what SQLite says; then nothing was added
   */
  add(db: DatabaseSync | null, rows: Iterable<StoredUsage>): void {
    const used = this.#use(db);
    if (this.#statements === undefined) return;
    const { hour, day, key } = this.#statements;
    used.exec('BEGIN IMMEDIATE');
    try {
      for (const row of rows) {
        const model = this.#known(row);
        const what = [row.client, row.group, model, row.keyId] as const;
        const { requests, failed, unknown, input, cached, cacheWrite, output, reasoning } = row;
        const sums = [requests, failed, unknown, input, cached, cacheWrite, output, reasoning];
        hour.run(row.hour, ...what, ...sums);
        day.run(row.hour - (row.hour % HOURS_PER_DAY), ...what, ...sums);
        if (row.keyId === '' || this.#keys.has(row.keyId)) continue;
        key.run(row.keyId, row.keyPreview);
        if (this.#keys.size < MAX_REMEMBERED_KEYS) this.#keys.add(row.keyId);
      }
      used.exec('COMMIT');
    } catch (error) {
      this.#keys.clear();
      if (used.isTransaction) used.exec('ROLLBACK');
      throw error;
    }
  }

  /**
   * Sums by time and by what was asked for, at most `limit` rows, oldest first.
   * @throws what SQLite says
   */
  ask(db: DatabaseSync | null, question: UsageQuestion, limit: number): UsageAnswer[] {
    const used = this.#use(db);
    const { fromHour, toHour, by, groupBy } = question;
    const has = (dimension: UsageDimension) => groupBy.includes(dimension);
    const select = USAGE_DIMENSIONS.map((dimension) => {
      const column = COLUMNS[dimension];
      if (!has(dimension)) return `'' AS "${dimension}"`;
      return dimension === 'key'
        ? `coalesce((SELECT preview FROM usage_key k WHERE k.key_id = u.key_id), '') AS "key"`
        : `${column} AS "${dimension}"`;
    });
    const grouped = ['start', ...groupBy.map((dimension) => COLUMNS[dimension])];
    const sums = NAMES.map((name) => `sum(${name}) AS ${name}`).join(', ');
    const text = `SELECT start AS hour, ${select.join(', ')}, ${sums} FROM usage_${by} u
      WHERE start >= ? AND start < ? GROUP BY ${grouped.join(', ')}
      ORDER BY ${grouped.join(', ')} LIMIT ?`;
    return used.prepare(text).all(fromHour, toHour, limit).map(asAnswer);
  }

  /**
   * The name of these books among those of other instances: it goes with the file, and memory has
   * another one at each start.
   * @throws what SQLite says
   */
  bookOf(db: DatabaseSync | null): string {
    this.#use(db);
    return this.#book;
  }

  /** Forgets what is older than KEEP_USAGE_DAYS. @throws what SQLite says */
  purge(db: DatabaseSync | null, nowHour: number): void {
    const used = this.#use(db);
    const before = nowHour - KEEP_USAGE_DAYS * HOURS_PER_DAY;
    for (const table of ['usage_hour', 'usage_day']) {
      used.prepare(`DELETE FROM ${table} WHERE start < ?`).run(before);
    }
    this.#keys.clear();
    used.exec(`DELETE FROM usage_key WHERE key_id NOT IN (SELECT key_id FROM usage_day)`);
    // Those that are not in the books any more make room for others.
    this.#models = modelsIn(used);
  }

  #known({ model, requests, failed }: StoredUsage): string {
    if (this.#models.has(model)) return model;
    const most = failed < requests ? MAX_USAGE_MODELS : MAX_FAILED_MODELS;
    if (this.#models.size >= most) return OTHER;
    this.#models.add(model);
    return model;
  }
}

function modelsIn(db: DatabaseSync): Set<string> {
  const rows = db.prepare('SELECT DISTINCT model FROM usage_day LIMIT ?').all(MAX_USAGE_MODELS);
  return new Set(rows.map(({ model }) => String(model)));
}

function bookIn(db: DatabaseSync): string {
  const made = randomBytes(12).toString('base64url');
  db.prepare('INSERT INTO usage_book SELECT ? WHERE NOT EXISTS (SELECT 1 FROM usage_book)').run(
    made,
  );
  return String(db.prepare('SELECT id FROM usage_book').get()?.id);
}

function asAnswer(row: Record<string, unknown>): UsageAnswer {
  const { cache_write: cacheWrite, ...rest } = row;
  return { ...rest, cacheWrite } as unknown as UsageAnswer;
}
