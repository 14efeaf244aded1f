// Opens the SQLite file behind state-store.ts: ours and sound, made anew, or not at all. Damaged,
// foreign and newer ones are set aside under another name, never deleted; one that cannot be
// written, or that another process holds, is left as it is.

import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { DEFAULT_GROUP } from '../../config/group-settings.ts';
import type { Logger } from '../../log/log.ts';

/** "GPTL", in the header of the file: tells our files from other programs' databases. */
const APPLICATION_ID = 0x4750544c;
/**
 * Raised with every change of the schema; an older file is migrated, a newer one is not touched.
 */
const SCHEMA_VERSION = 2;
/**
 * At the start another instance may still be closing the file; longer than this it is simply in
 * use.
 */
const LOCK_WAIT_MS = 2_000;
/** Files set aside; with so many the operator must look first. */
const MAX_SET_ASIDE = 100;
/** Offsets in the database header (sqlite.org/fileformat2.html#the_database_header). */
const HEADER = {
  bytes: 100,
  magic: 'SQLite format 3\0',
  userVersion: 60,
  applicationId: 68,
} as const;
/** Primary result codes (sqlite.org/rescode.html); extended ones carry them in the low byte. */
const RESULT = { busy: 5, corrupt: 11, notADatabase: 26 } as const;

const KEY_STATE = `CREATE TABLE key_state (
  group_name TEXT NOT NULL, key_id TEXT NOT NULL, model TEXT NOT NULL, state TEXT NOT NULL,
  reason TEXT NOT NULL, until_ms INTEGER NOT NULL, since_ms INTEGER NOT NULL,
  rest_count INTEGER NOT NULL, dead_count INTEGER NOT NULL, absent_since_ms INTEGER,
  PRIMARY KEY (group_name, key_id, model)
) STRICT, WITHOUT ROWID;`;

const SCHEMA = `BEGIN IMMEDIATE;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
${KEY_STATE}
PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${SCHEMA_VERSION};
COMMIT;`;

/**
 * Tables that came later, and that an older version does not miss: made where they are not there.
 */
const ADDITIONS = `CREATE TABLE IF NOT EXISTS resource_keys (
  group_name TEXT NOT NULL, resource_id INTEGER NOT NULL, key_id TEXT NOT NULL,
  seen_ms INTEGER NOT NULL, PRIMARY KEY (group_name, resource_id)
) STRICT, WITHOUT ROWID;`;

/** From schema 1, which knew no groups: all that it holds is about the group of the environment. */
const FROM_SCHEMA_1 = `BEGIN IMMEDIATE;
ALTER TABLE key_state RENAME TO key_state_1;
${KEY_STATE}
INSERT INTO key_state SELECT '${DEFAULT_GROUP}', key_id, model, state, reason, until_ms, since_ms,
  rest_count, dead_count, absent_since_ms FROM key_state_1;
DROP TABLE key_state_1;
PRAGMA user_version = ${SCHEMA_VERSION};
COMMIT;`;

export interface OpenStateFile {
  readonly db: DatabaseSync;
  /**
   * Mixed into every key's hash, so that two files, or a file and a list of hashes, never match.
   */
  readonly salt: string;
}

/** What a caller that already used the file knows: why it must go, and the salt to go on with. */
export interface Replacement {
  readonly damage: string;
  readonly salt: string;
}

/**
 * Opens the file, or makes it (mode 0600, and its directory). Null, after one warning, when there
 * can be none: the proxy then runs from memory. Waits at most LOCK_WAIT_MS for another instance to
 * close it.
 */
export function openStateFile(
  path: string,
  log: Logger,
  replacement?: Replacement,
): OpenStateFile | null {
  try {
    const file = prepareFile(path);
    const flaw = replacement?.damage ?? flawOf(file);
    if (flaw !== null) setAside(file, flaw, log);
    try {
      return openSound(file, replacement?.salt);
    } catch (error) {
      if (!isDamage(error)) throw error;
      setAside(file, messageOf(error), log);
      return openSound(file, replacement?.salt);
    }
  } catch (error) {
    const why = isBusy(error) ? 'another process is using it' : messageOf(error);
    log.warn(`state file ${path}: ${why}; key states are kept in memory only and lost at exit`);
    return null;
  }
}

/**
 * True when SQLite says that the file itself is broken, as opposed to full, locked or read-only.
 */
export function isDamage(error: unknown): boolean {
  const code = resultOf(error);
  return code === RESULT.corrupt || code === RESULT.notADatabase;
}

function isBusy(error: unknown): boolean {
  return resultOf(error) === RESULT.busy;
}

function resultOf(error: unknown): number {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : 0;
  return typeof code === 'number' ? code & 0xff : 0;
}

/**
 * The real path, the file (and its directory) existing and readable by its owner alone. Throws what
 * the file system says.
 */
function prepareFile(path: string): string {
  const wanted = resolve(path);
  if (!existsSync(dirname(wanted))) mkdirSync(dirname(wanted));
  const file = existsSync(wanted) ? realpathSync(wanted) : wanted;
  if (existsSync(file) && !statSync(file).isFile()) throw new Error('not a regular file');
  closeSync(openSync(file, 'a', 0o600));
  // SQLite gives its -wal the mode of the file itself. Best effort: the file may be another user's.
  if ((statSync(file).mode & 0o077) !== 0) attempt(() => chmodSync(file, 0o600));
  return file;
}

/** Reads the header without SQLite, which would already replay a foreign database's journal. */
function flawOf(file: string): string | null {
  const header = Buffer.alloc(HEADER.bytes);
  const fd = openSync(file, 'r');
  const bytes = readSync(fd, header, 0, HEADER.bytes, 0);
  closeSync(fd);
  if (bytes === 0) return null;
  if (bytes < HEADER.bytes || header.toString('latin1', 0, 16) !== HEADER.magic) {
    return 'it is not a SQLite database';
  }
  if (header.readUInt32BE(HEADER.applicationId) !== APPLICATION_ID) {
    return 'it belongs to another program';
  }
  const version = header.readUInt32BE(HEADER.userVersion);
  return version > SCHEMA_VERSION ? `it was written by a newer gpt-load (schema ${version})` : null;
}

/**
 * Moves the file and its journals to `<file>.damaged-<n>`, so that nothing is ever destroyed here.
 */
function setAside(file: string, why: string, log: Logger): void {
  for (let n = 1; n <= MAX_SET_ASIDE; n++) {
    const aside = `${file}.damaged-${n}`;
    if (existsSync(aside)) continue;
    // Journals first: SQLite would replay one that it finds beside the new file.
    for (const suffix of ['-wal', '-journal', '']) {
      if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
    }
    rmSync(`${file}-shm`, { force: true });
    closeSync(openSync(file, 'a', 0o600));
    log.warn(`state file ${file} cannot be used: ${why}; moved to ${aside}; starting a new one`);
    return;
  }
  throw new Error(`${why}, and there are ${MAX_SET_ASIDE} such files already; remove some`);
}

/**
 * WAL with synchronous=NORMAL: a commit is in the kernel's cache at once, which survives kill -9,
 * and a loss of power can drop the last commits but never break the file (sqlite.org/wal.html). The
 * exclusive lock tells a second instance, and spares the -shm file.
 */
function openSound(file: string, salt: string | undefined): OpenStateFile {
  const db = new DatabaseSync(file, { timeout: LOCK_WAIT_MS });
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE');
    const { user_version: version } = db.prepare('PRAGMA user_version').get() as {
      user_version: number;
    };
    if (version === 0) db.exec(SCHEMA);
    else if (version === 1) db.exec(FROM_SCHEMA_1);
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    const check = db.prepare('PRAGMA quick_check(1)').get();
    if (check?.quick_check !== 'ok') throw damaged(String(check?.quick_check));
    db.exec(ADDITIONS);
    db.exec('BEGIN IMMEDIATE');
    const insert = db.prepare("INSERT INTO meta VALUES ('salt', ?) ON CONFLICT DO NOTHING");
    insert.run(salt ?? randomBytes(16).toString('hex'));
    db.exec('COMMIT');
    const row = db.prepare("SELECT value FROM meta WHERE name = 'salt'").get();
    return { db, salt: String(row?.value) };
  } catch (error) {
    db.close();
    throw error;
  }
}

function damaged(message: string): Error {
  return Object.assign(new Error(message), { errcode: RESULT.corrupt });
}

function attempt(act: () => void): void {
  try {
    act();
  } catch {
    // The caller said that this may fail.
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
