// The state file: what it keeps, whom it tells, and every way in which it can be unusable.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import type { Logger } from '../../src/log.ts';
import {
  KEEP_ABSENT_KEYS_MS,
  MAX_MODEL_LENGTH,
  type StateRow,
  StateStore,
} from '../../src/store/state-store.ts';

const KEY = 'sk-proj-Zk4t0nWqk3vBq8Yw1mR7';
const DEAD = { model: '', state: 'dead', reason: 'invalid_key', deadCount: 2, restCount: 0 };
const TIMES = { untilMs: 1_800_000_000_000, sinceMs: 1_700_000_000_123 };

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'gpt-load-state-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

function listener(): Logger & { lines: string[] } {
  const lines: string[] = [];
  const say = (line: string) => void lines.push(line);
  return { lines, debug: say, info: say, warn: say, error: say };
}

function deadRow(store: StateStore, key: string, more: Partial<StateRow> = {}): StateRow {
  return { keyId: store.keyId(key), ...DEAD, ...TIMES, ...more };
}

test('state store gives back after a restart what was written', (t) => {
  const file = join(folder(t), 'a.db');
  const log = listener();
  const rows = (() => {
    using store = StateStore.open(file, log);
    assert.equal(store.persistent, true);
    const both = [
      deadRow(store, KEY),
      deadRow(store, KEY, { model: 'gpt-5', state: 'resting', restCount: 3 }),
    ];
    assert.equal(store.write(both), true);
    return both;
  })();
  using store = StateStore.open(file, log);
  const key = (row: StateRow) => row.model;
  const loaded = [...store.load()].map((row) => ({ ...row }));
  assert.deepEqual(
    loaded.sort((a, b) => key(a).localeCompare(key(b))),
    rows,
  );
  assert.equal(store.keyId(KEY), rows[0]?.keyId);
  assert.deepEqual(log.lines, []);
});

test('state store erases a row that is ok again and keeps the last of several', (t) => {
  using store = StateStore.open(join(folder(t), 'a.db'), listener());
  store.write([
    deadRow(store, 'one'),
    deadRow(store, 'two'),
    deadRow(store, 'two', { deadCount: 7 }),
  ]);
  store.write([deadRow(store, 'one', { state: 'ok' })]);
  assert.deepEqual(
    [...store.load()].map((row) => row.deadCount),
    [7],
  );
});

test('state store never holds the key nor a hash that another file shares', (t) => {
  const at = folder(t);
  using one = StateStore.open(join(at, 'one.db'), listener());
  using two = StateStore.open(join(at, 'two.db'), listener());
  one.write([deadRow(one, KEY)]);
  assert.notEqual(one.keyId(KEY), two.keyId(KEY));
  const bytes = readdirSync(at).map((name) => readFileSync(join(at, name), 'latin1'));
  assert.equal(
    bytes.some((text) => text.includes(KEY)),
    false,
  );
  assert.equal(
    bytes.some((text) => text.includes(KEY.slice(4, 14))),
    false,
  );
});

test('state file and its log are readable by their owner alone', (t) => {
  const at = join(folder(t), 'made');
  using store = StateStore.open(join(at, 'a.db'), listener());
  store.write([deadRow(store, KEY)]);
  for (const name of readdirSync(at))
    assert.equal(statSync(join(at, name)).mode & 0o777, 0o600, name);
  const open = join(at, 'open.db');
  writeFileSync(open, '');
  chmodSync(open, 0o644);
  using _ = StateStore.open(open, listener());
  assert.equal(statSync(open).mode & 0o777, 0o600);
});

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
    /newer gpt-load wrote it \(schema 9\)/,
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
    assert.equal([...store.load()].length, 1);
    assert.deepEqual(readFileSync(`${file}.damaged-1`), before);
    assert.equal(log.lines.length, 1);
    assert.match(log.lines[0] ?? '', why);
    assert.match(log.lines[0] ?? '', /set aside as .*a\.db\.damaged-1/);
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
  assert.equal([...store.load()].length, 0);
  assert.equal(store.era, 1);
  assert.equal(store.keyId(KEY), id);
  assert.equal(store.write([deadRow(store, KEY)]), true);
  assert.equal([...store.load()].length, 1);
  assert.match(log.lines.join('\n'), /set aside as/);
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
    assert.deepEqual([...store.load()], []);
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
  const source = new URL('../../src/store/state-store.ts', import.meta.url).href;
  const code = `import { StateStore } from ${JSON.stringify(source)};
    globalThis.store = StateStore.open(${JSON.stringify(file)}, console);
    console.log('held'); setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', code]);
  t.after(() => holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  const log = listener();
  using store = StateStore.open(file, log);
  assert.equal(store.persistent, false);
  assert.match(log.lines.join(), /another process uses it/);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  using after = StateStore.open(file, log);
  assert.equal(after.persistent, true);
});

test('state of a key that left the key file is deleted after a month, not when it comes back', (t) => {
  using store = StateStore.open(join(folder(t), 'a.db'), listener());
  store.write([deadRow(store, 'stays'), deadRow(store, 'leaves'), deadRow(store, 'returns')]);
  const left = new Set([store.keyId('stays')]);
  store.sweep((id) => left.has(id), 1_000);
  store.sweep((id) => left.has(id) || id === store.keyId('returns'), 2_000);
  store.sweep((id) => left.has(id), 3_000);
  store.sweep((id) => left.has(id), 2_000 + KEEP_ABSENT_KEYS_MS);
  const ids = [...store.load()].map((row) => row.keyId);
  assert.deepEqual(ids.sort(), [store.keyId('stays'), store.keyId('returns')].sort());
});

test('state store refuses to store a model name beyond its limit', (t) => {
  using store = StateStore.open(join(folder(t), 'a.db'), listener());
  store.write([deadRow(store, KEY, { model: 'm'.repeat(MAX_MODEL_LENGTH + 1) })]);
  assert.deepEqual([...store.load()], []);
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
