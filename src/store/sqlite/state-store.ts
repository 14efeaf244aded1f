// What was learned about each key, kept in a SQLite file so that it survives a restart or `kill
// -9`. A file that cannot be used is set aside or left alone, and the proxy runs from memory. When
// to write is up to state-writer.ts, what a row means to the pool.

import { hash, randomBytes } from 'node:crypto';
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import type { Logger } from '../../log/log.ts';
import { isDamage, openStateFile } from './state-file.ts';

/**
 * What is known about one key: for the whole account (`model` is '') or for one model. Times: Unix
 * ms.
 */
export interface StateRow {
  /** Name of the group: the same key in two groups is judged in each by itself. */
  readonly group: string;
  /** From {@link StateStore.keyId}; says nothing about the key without this file's salt. */
  readonly keyId: string;
  readonly model: string;
  /** `ok` erases the row. The others are the pool's words; the store only keeps them. */
  readonly state: string;
  /** Id of policy/reason.ts. */
  readonly reason: string;
  /** Until when; 0: not limited. */
  readonly untilMs: number;
  /** Since when it is in this state. */
  readonly sinceMs: number;
  /** Rests in a row, for the backoff. */
  readonly restCount: number;
  /** Rejections in a row, for BLACKLIST_THRESHOLD. */
  readonly deadCount: number;
}

/** How long the state of a key that left the key file is kept, should it come back. */
export const KEEP_ABSENT_KEYS_MS = 30 * 24 * 3_600_000;
/** How long a rest that is over still counts for the length of the next one. */
export const KEEP_ENDED_RESTS_MS = 24 * 3_600_000;
/** Names of models come from clients: a longer one is not stored. */
export const MAX_MODEL_LENGTH = 256;

const UPSERT = `INSERT INTO key_state
  (group_name, key_id, model, state, reason, until_ms, since_ms, rest_count, dead_count)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET state = excluded.state, reason = excluded.reason,
  until_ms = excluded.until_ms, since_ms = excluded.since_ms,
  rest_count = excluded.rest_count, dead_count = excluded.dead_count, absent_since_ms = NULL`;
const PURGE = `DELETE FROM key_state
  WHERE group_name = ? AND (absent_since_ms < ? OR (state <> 'dead' AND until_ms < ?))`;
const ERASE = 'DELETE FROM key_state WHERE group_name = ? AND key_id = ? AND model = ?';
const SELECT = `SELECT group_name AS "group", key_id AS keyId, model, state, reason, until_ms AS untilMs,
  since_ms AS sinceMs, rest_count AS restCount, dead_count AS deadCount FROM key_state
  WHERE group_name = ?`;

/** One thing of the provider (a hash of its name) and the key that knows it. */
export interface ResourceRow {
  readonly resource: bigint;
  readonly keyId: string;
}

/** Things that are remembered for each group. */
export const MAX_RESOURCES = 100_000;
const SELECT_RESOURCES = `SELECT resource_id, key_id FROM resource_keys WHERE group_name = ?
  ORDER BY seen_ms DESC LIMIT ?`;
const UPSERT_RESOURCE = `INSERT INTO resource_keys VALUES (?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET key_id = excluded.key_id, seen_ms = excluded.seen_ms`;
const PURGE_RESOURCES = `DELETE FROM resource_keys WHERE group_name = ? AND seen_ms < (
  SELECT seen_ms FROM resource_keys WHERE group_name = ? ORDER BY seen_ms DESC LIMIT 1 OFFSET ?)`;

/**
 * The state file, or nothing at all (`persistent` false) when there is none that can be written.
 */
export class StateStore {
  readonly #log: Logger;
  readonly #path: string;
  readonly #salt: string;
  #db: DatabaseSync | null;
  #complained = false;
  #era = 0;

  private constructor(path: string, log: Logger) {
    this.#log = log;
    this.#path = path;
    const opened = path === '' ? null : openStateFile(path, log);
    this.#db = opened?.db ?? null;
    this.#salt = opened?.salt ?? randomBytes(16).toString('hex');
  }

  /**
   * Opens or makes the file at `path` ('': none). Never throws: what is wrong is logged as a
   * warning.
   */
  static open(path: string, log: Logger): StateStore {
    return new StateStore(path, log);
  }

  /** The open file, for the other tables in it; null: there is none (any more). */
  get database(): DatabaseSync | null {
    return this.#db;
  }

  get persistent(): boolean {
    return this.#db !== null;
  }

  /** Raised when the file was replaced while in use: all rows must be written again. */
  get era(): number {
    return this.#era;
  }

  /**
   * The name that `key` has in this file: a salted hash (about 0.4 us), different in every file.
   */
  keyId(key: string): string {
    return hash('sha256', this.#salt + key, 'base64url').slice(0, 22);
  }

  /** A group's rows, in no order, one by one: a million of them need no memory here. */
  *load(group: string): Generator<StateRow, void> {
    const rows = this.#attempt('read', (db) => db.prepare(SELECT).iterate(group));
    for (;;) {
      const next = this.#attempt('read', () => rows?.next());
      if (next === undefined || next.done === true) return;
      yield next.value as unknown as StateRow;
    }
  }

  /**
   * Stores rows in one transaction; a later row for the same key and model replaces an earlier one.
   * False: nothing was stored (disk full, say); the caller keeps the rows and tries again.
   */
  write(rows: Iterable<StateRow>): boolean {
    if (this.#db === null) return true;
    const done = this.#attempt('write', (db) => {
      inTransaction(db, () => {
        const upsert = db.prepare(UPSERT);
        const erase = db.prepare(ERASE);
        for (const row of rows) {
          if (row.model.length > MAX_MODEL_LENGTH) continue;
          if (row.state === 'ok') erase.run(row.group, row.keyId, row.model);
          else upsert.run(...columnsOf(row));
        }
      });
      return true;
    });
    return done ?? false;
  }

  /** Whose key knows which things of the provider: those remembered last, of one group. */
  *loadResources(group: string): Generator<ResourceRow, void> {
    const rows = this.#attempt('read', (db) => {
      const statement = db.prepare(SELECT_RESOURCES);
      statement.setReadBigInts(true);
      return statement.all(group, MAX_RESOURCES);
    });
    for (const row of rows ?? []) {
      yield { resource: row.resource_id as bigint, keyId: String(row.key_id) };
    }
  }

  /** Stores them in one transaction. False: nothing was stored. */
  writeResources(group: string, rows: Iterable<ResourceRow>, nowMs: number): boolean {
    if (this.#db === null) return true;
    const done = this.#attempt('write', (db) => {
      inTransaction(db, () => {
        const upsert = db.prepare(UPSERT_RESOURCE);
        for (const { resource, keyId } of rows) upsert.run(group, resource, keyId, nowMs);
      });
      return true;
    });
    return done ?? false;
  }

  /** Forgets all but the last MAX_RESOURCES of a group. */
  purgeResources(group: string): void {
    this.#attempt('write', (db) => {
      db.prepare(PURGE_RESOURCES).run(group, group, MAX_RESOURCES);
    });
  }

  /**
   * After the key file of a group was read: marks rows of keys that are no longer in it, unmarks
   * those that came back, and deletes what is of no use any more: KEEP_ABSENT_KEYS_MS,
   * KEEP_ENDED_RESTS_MS.
   * Costs one step per stored row.
   */
  sweep(group: string, isKnown: (keyId: string) => boolean, nowMs: number): void {
    this.#attempt('write', (db) => {
      const changed: string[] = [];
      const select =
        'SELECT key_id AS id, max(absent_since_ms) AS since FROM key_state WHERE group_name = ?';
      for (const row of db.prepare(`${select} GROUP BY key_id`).iterate(group)) {
        const id = String(row.id);
        if (isKnown(id) !== (row.since === null)) changed.push(id);
      }
      inTransaction(db, () => {
        const mark = db.prepare(
          'UPDATE key_state SET absent_since_ms = ? WHERE group_name = ? AND key_id = ?',
        );
        for (const id of changed) mark.run(isKnown(id) ? null : nowMs, group, id);
        const purge = db.prepare(PURGE);
        purge.run(group, nowMs - KEEP_ABSENT_KEYS_MS, nowMs - KEEP_ENDED_RESTS_MS);
      });
    });
  }

  /** Merges the write-ahead log into the file and closes it. A second call does nothing. */
  close(): void {
    const db = this.#db;
    this.#db = null;
    try {
      db?.close();
    } catch (error) {
      this.#log.warn(`state file ${this.#path}: closing failed: ${messageOf(error)}`);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #attempt<T>(verb: 'read' | 'write', act: (db: DatabaseSync) => T): T | undefined {
    if (this.#db === null) return undefined;
    try {
      const result = act(this.#db);
      // Reading goes on while the disk is full: only a write shows that it is not any more.
      if (this.#complained && verb === 'write') {
        this.#complained = false;
        this.#log.info(`state file ${this.#path}: is written again`);
      }
      return result;
    } catch (error) {
      if (isDamage(error)) this.#replace(error);
      else if (!this.#complained) {
        this.#complained = true;
        this.#log.warn(`state file ${this.#path}: cannot ${verb}: ${messageOf(error)}; will retry`);
      }
      return undefined;
    }
  }

  /**
   * A file that proves damaged while it is in use: aside with it, on with a new one of the same
   * salt.
   */
  #replace(error: unknown): void {
    this.close();
    const replacement = { damage: messageOf(error), salt: this.#salt };
    this.#db = openStateFile(this.#path, this.#log, replacement)?.db ?? null;
    this.#era++;
  }
}

function columnsOf(row: StateRow): SQLInputValue[] {
  return [
    row.group,
    row.keyId,
    row.model,
    row.state,
    row.reason,
    Math.round(row.untilMs),
    Math.round(row.sinceMs),
    row.restCount,
    row.deadCount,
  ];
}

function inTransaction(db: DatabaseSync, act: () => void): void {
  db.exec('BEGIN IMMEDIATE');
  try {
    act();
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
