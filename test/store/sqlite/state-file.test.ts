// Every way in which a state file can be unusable, and what becomes of it.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { StateStore } from '../../../src/store/sqlite/state-store.ts';
import { deadRow, folder, KEY, listener } from './state-fixture.ts';

const UNUSABLE: [string, (file: string) => void, RegExp][] = [
  [
    'text',
    (file) => writeFileSync(file, 'sk-not-a-database\n'.repeat(50)),
    /not a SQLite database/,
  ],
  ['short text', (file) => writeFileSync(file, 'hi'), /not a SQLite database/],
  ['foreign', (file) => make(file, 'CREATE TABLE notes (x)'), /belongs to another program/],
  [
    'newer',
    (file) =>
      make(file, 'PRAGMA application_id=1196446796; PRAGMA user_version=9; CREATE TABLE t (x)'),
    /written by a newer gpt-load \(schema 9\)/,
  ],
  ['torn', tear, /malformed|disk image|not a database|page|Tree/],
];

for (const [name, spoil, why] of UNUSABLE) {
  test(`state store sets a ${name} file aside, says so, and goes on with a new one`, (t) => {
    const at = folder(t);
    const file = join(at, 'a.db');
    spoil(file);
    const before = readFileSync(file);
    const log = listener();
    using store = StateStore.open(file, log);
    assert.equal(store.persistent, true);
    assert.equal(store.write([deadRow(store, KEY)]), true);
    assert.equal([...store.load('default')].length, 1);
    assert.deepEqual(readFileSync(`${file}.damaged-1`), before);
    assert.equal(log.lines.length, 1);
    assert.match(log.lines[0] ?? '', why);
    assert.match(log.lines[0] ?? '', /moved to .*a\.db\.damaged-1/);
  });
}

test('state store replaces a file that breaks while in use and says that all must be written again', (t) => {
  const file = join(folder(t), 'a.db');
  const log = listener();
  fill(file, 40_000); // more than SQLite's cache holds (2 MB), so that it must read again
  using store = StateStore.open(file, log);
  const id = store.keyId(KEY);
  const bytes = readFileSync(file);
  // Not through rename: SQLite keeps the file open, as it would when a disk goes bad under it.
  writeFileSync(file, bytes.fill(0x5a, 4096), { flag: 'r+' });
  assert.equal([...store.load('default')].length, 0);
  assert.equal(store.era, 1);
  assert.equal(store.keyId(KEY), id);
  assert.equal(store.write([deadRow(store, KEY)]), true);
  assert.equal([...store.load('default')].length, 1);
  assert.match(log.lines.join('\n'), /moved to/);
});

test('state store runs from memory with one warning where no file can be', (t) => {
  const at = folder(t);
  mkdirSync(join(at, 'folder.db'));
  writeFileSync(join(at, 'file'), '');
  for (const path of ['/proc/gpt-load.db', join(at, 'folder.db'), join(at, 'file', 'a.db')]) {
    const log = listener();
    using store = StateStore.open(path, log);
    assert.equal(store.persistent, false);
    assert.equal(store.write([deadRow(store, KEY)]), true);
    assert.deepEqual([...store.load('default')], []);
    assert.equal(log.lines.length, 1);
    assert.match(log.lines[0] ?? '', /kept in memory only/);
  }
});

test('state store without a path is silent and keeps nothing', () => {
  const log = listener();
  using store = StateStore.open('', log);
  assert.equal(store.persistent, false);
  assert.deepEqual(log.lines, []);
});

test('state store leaves a file alone that another process uses', async (t) => {
  const file = join(folder(t), 'a.db');
  const source = new URL('../../../src/store/sqlite/state-store.ts', import.meta.url).href;
  const code = `import { StateStore } from ${JSON.stringify(source)};
    globalThis.store = StateStore.open(${JSON.stringify(file)}, console);
    console.log('held'); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', code]);
  t.after(() => holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  const log = listener();
  using store = StateStore.open(file, log);
  assert.equal(store.persistent, false);
  assert.match(log.lines.join(), /another process is using it/);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  using after = StateStore.open(file, log);
  assert.equal(after.persistent, true);
});

function make(file: string, sql: string): void {
  const db = new DatabaseSync(file);
  db.exec(sql);
  db.close();
}

function fill(file: string, rows: number): void {
  using store = StateStore.open(file, listener());
  store.write(Array.from({ length: rows }, (_, n) => deadRow(store, `key-${n}`)));
}

function tear(file: string): void {
  fill(file, 2_000);
  const bytes = readFileSync(file);
  writeFileSync(file, bytes.fill(0x5a, 4096));
}

test('a file of the first release, which knew no groups, is read and taken over', (t) => {
  const path = join(folder(t), 'gpt-load.db');
  const first = new DatabaseSync(path);
  first.exec(`CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE key_state (
      key_id TEXT NOT NULL, model TEXT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
      until_ms INTEGER NOT NULL, since_ms INTEGER NOT NULL,
      rest_count INTEGER NOT NULL, dead_count INTEGER NOT NULL, absent_since_ms INTEGER,
      PRIMARY KEY (key_id, model)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('salt', 'pepper');
    INSERT INTO key_state VALUES ('id', 'gpt-4o', 'cooling', 'rate_limit', 5, 4, 3, 2, NULL);
    PRAGMA application_id = ${0x4750544c};
    PRAGMA user_version = 1;`);
  first.close();
  const log = listener();
  for (let start = 0; start < 2; start += 1) {
    using store = StateStore.open(path, log);
    assert.deepEqual(
      [...store.load('default')].map((row) => ({ ...row })),
      [
        {
          group: 'default',
          keyId: 'id',
          model: 'gpt-4o',
          state: 'cooling',
          reason: 'rate_limit',
          untilMs: 5,
          sinceMs: 4,
          restCount: 3,
          deadCount: 2,
        },
      ],
    );
    assert.deepEqual([...store.load('other')], []);
  }
  assert.deepEqual(log.lines, []);
});
