// What a changed key file does to rows, and that unchanged keys notice nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROW_GRACE_MS } from '../../../src/pool/keys/key-reload.ts';
import { summarise } from '../../../src/pool/keys/key-report.ts';
import { ANY, cooldown, DEAD_KEY, keyNames, makePool, NOW, OK } from '../pool-fixture.ts';

const HOUR = 3_600_000;

test('unchanged keys keep their rows and what was learned about them', () => {
  const { use, load, table, must } = makePool({ keys: keyNames(4) });
  use(DEAD_KEY);
  use(cooldown(HOUR));
  const result = load(['key-9', 'key-3', 'key-1', 'key-0']);
  const { addedRows, kept, removed, total } = result;
  assert.deepEqual(
    { addedRows, kept, removed, total },
    { addedRows: [4], kept: 3, removed: 1, total: 4 },
  );
  const { healthy, blacklisted, resting } = summarise(table, NOW);
  assert.deepEqual({ healthy, blacklisted, resting }, { healthy: 2, blacklisted: 1, resting: 1 });
  const used = new Set(Array.from({ length: 6 }, () => must().key));
  assert.deepEqual(used, new Set(['key-3', 'key-9']));
});

test('duplicates are kept once and told with their lines; another pin makes another key', () => {
  const { loaded } = makePool({
    keys: ['one', '# x', 'two', 'one', 'one http://a.test', 'two', 'one http://a.test/'],
  });
  assert.equal(loaded.total, 3);
  assert.equal(loaded.duplicates, 3);
  assert.deepEqual(loaded.toldDuplicates, [
    { line: 4, firstLine: 1 },
    { line: 6, firstLine: 3 },
    { line: 7, firstLine: 5 },
  ]);
});

test('a changed pin makes a new key of the old one', () => {
  const { load, must, use } = makePool({ keys: ['one http://a.test'] });
  use(DEAD_KEY);
  const result = load(['one http://b.test']);
  assert.deepEqual([result.removed, result.addedRows.length], [1, 1]);
  assert.equal(must().upstream.href, 'http://b.test');
});

test('a lease outlives its key, and its late result blames nobody', () => {
  const { must, load, table } = makePool({ keys: ['old'] });
  const lease = must();
  load(['new']);
  assert.equal(must().key, 'new');
  lease.settle(DEAD_KEY, NOW);
  assert.equal(lease.key, 'old');
  assert.equal(summarise(table, NOW).healthy, 1);
  assert.equal(summarise(table, NOW).total, 1);
});

test('a late result of the key that a row held before does not touch the key that it holds now', () => {
  const { must, load, table } = makePool({ keys: keyNames(1024) });
  const leases = Array.from({ length: 1024 }, () => must());
  load(keyNames(2048).slice(1024), NOW + 1_000);
  for (const lease of leases) lease.settle(DEAD_KEY, NOW + 2_000);
  const { total, healthy } = summarise(table, NOW + 2_000);
  assert.deepEqual({ total, healthy }, { total: 1024, healthy: 1024 });
});

test('rows are used again after a grace, so that endless reloads take no more memory', () => {
  const { load, table, must } = makePool({ keys: ['a-0', 'b'] });
  for (let round = 1; round < 500; round++) {
    const nowMs = NOW + round * (ROW_GRACE_MS + 1);
    load([`a-${'x'.repeat(round % 40)}${round}`, 'b'], nowMs);
    assert.equal(summarise(table, nowMs).total, 2);
    const used = [must(ANY, nowMs).key, must(ANY, nowMs).key].sort();
    assert.deepEqual(used, [`a-${'x'.repeat(round % 40)}${round}`, 'b']);
  }
  assert.ok(table.rows.rowCount <= 4, `${table.rows.rowCount} rows`);
});

test('a row in its grace is taken all the same when the table is full, and one key too many is dropped', () => {
  const { load } = makePool({ keys: keyNames(1024) });
  assert.equal(load([...keyNames(1023), 'new']).dropped, 0);
  const over = load(keyNames(1030));
  assert.deepEqual([over.total, over.dropped], [1024, 6]);
  assert.equal(load(keyNames(3)).total, 3);
});

test('a removed key that comes back is a new key', () => {
  const { use, load, table } = makePool({ keys: ['one', 'two'] });
  use(DEAD_KEY);
  load(['two']);
  load(['one', 'two'], NOW + 1_000);
  assert.equal(summarise(table, NOW + 1_000).healthy, 2);
  assert.deepEqual(new Set([use(), use()]), new Set(['one', 'two']));
});

test('a new key in an old row starts anew in every lane', () => {
  const { use, load, must } = makePool({ keys: ['old', 'other'] });
  use(cooldown(HOUR, 'model'), NOW, { ...ANY, model: 'm' });
  load(['other']);
  const later = NOW + ROW_GRACE_MS + 1;
  load(['other', 'new'], later);
  const used = [must({ ...ANY, model: 'm' }, later).key, must({ ...ANY, model: 'm' }, later).key];
  assert.deepEqual(used.sort(), ['new', 'other']);
  assert.equal(use(OK, later) !== undefined, true);
});
