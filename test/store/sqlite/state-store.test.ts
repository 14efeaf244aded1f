// The state file: what it keeps, for how long, and whom it tells. Unusable files: state-file.test.

import assert from 'node:assert/strict';
import { chmodSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  KEEP_ABSENT_KEYS_MS,
  KEEP_ENDED_RESTS_MS,
  MAX_MODEL_LENGTH,
  type StateRow,
  StateStore,
} from '../../../src/store/sqlite/state-store.ts';
import { deadRow, folder, KEY, listener } from './state-fixture.ts';

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
  const loaded = [...store.load('default')].map((row) => ({ ...row }));
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
    [...store.load('default')].map((row) => row.deadCount),
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

test('state of a key that left the key file is deleted after a month, not when it comes back', (t) => {
  using store = StateStore.open(join(folder(t), 'a.db'), listener());
  store.write([deadRow(store, 'stays'), deadRow(store, 'leaves'), deadRow(store, 'returns')]);
  const left = new Set([store.keyId('stays')]);
  store.sweep('default', (id) => left.has(id), 1_000);
  store.sweep('default', (id) => left.has(id) || id === store.keyId('returns'), 2_000);
  store.sweep('default', (id) => left.has(id), 3_000);
  store.sweep('default', (id) => left.has(id), 2_000 + KEEP_ABSENT_KEYS_MS);
  const ids = [...store.load('default')].map((row) => row.keyId);
  assert.deepEqual(ids.sort(), [store.keyId('stays'), store.keyId('returns')].sort());
});

test('a rest that ended a day ago is deleted, a death is not', (t) => {
  using store = StateStore.open(join(folder(t), 'a.db'), listener());
  const ended = { state: 'cooling', untilMs: 1_000 };
  store.write([deadRow(store, 'rested', ended), deadRow(store, 'dead', { untilMs: 1_000 })]);
  store.sweep('default', () => true, 1_000 + KEEP_ENDED_RESTS_MS);
  assert.equal([...store.load('default')].length, 2);
  store.sweep('default', () => true, 1_001 + KEEP_ENDED_RESTS_MS);
  assert.deepEqual(
    [...store.load('default')].map((row) => row.keyId),
    [store.keyId('dead')],
  );
});

test('state store refuses to store a model name beyond its limit', (t) => {
  using store = StateStore.open(join(folder(t), 'a.db'), listener());
  store.write([deadRow(store, KEY, { model: 'm'.repeat(MAX_MODEL_LENGTH + 1) })]);
  assert.deepEqual([...store.load('default')], []);
});
