// Conversations that keep their key: the same answer everywhere, an even spread, and little that
// moves when keys come and go. A simulator says what it is worth beside round robin.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseKeys } from '../../src/pool/keys/key-file.ts';
import { KeyReload } from '../../src/pool/keys/key-reload.ts';
import type { Lease } from '../../src/pool/lease.ts';
import { SessionRing } from '../../src/pool/session-ring.ts';
import { KeyTable } from '../../src/pool/table/key-table.ts';
import { UpstreamPool } from '../../src/pool/upstreams/upstream-pool.ts';
import { bestOfThree } from '../support/best-of-three.ts';
import { ANY, cooldown, LIMITS, makePool, NOW, OK } from './pool-fixture.ts';

const keys = (count: number) =>
  Array.from({ length: count }, (_, i) => `sk-session-${i}-0123456789`);

function tableOf(lines: readonly string[]): KeyTable {
  const table = KeyTable.attach(KeyTable.create({ epochMs: NOW, capacity: lines.length }), LIMITS);
  const upstreams = UpstreamPool.create(['https://one.test'], NOW);
  const file = parseKeys(Buffer.from(lines.join('\n')), 'keys');
  assert.ok(file.ok);
  new KeyReload(table, UpstreamPool.attach(upstreams, LIMITS).list).apply(file.keys, NOW);
  return table;
}

const all = () => true;
/** A session's key, by name: rows differ from file to file. */
const keyFor = (table: KeyTable, ring: SessionRing, session: number, suits = all) => {
  const row = ring.pick(session, suits);
  return row < 0 ? '' : table.rows.key(row);
};

test('the key of a session does not depend on its place in the file', () => {
  const [one, two] = [keys(50), keys(50).toReversed()].map(tableOf);
  assert.ok(one !== undefined && two !== undefined);
  const [first, second] = [new SessionRing(one), new SessionRing(two)];
  for (let session = 0; session < 500; session += 1) {
    const hash = Math.imul(session, 0x9e3779b1) | 0;
    assert.equal(keyFor(one, first, hash), keyFor(two, second, hash));
  }
});

test('sessions are spread evenly, and a key that goes moves its own only', () => {
  const before = tableOf(keys(100));
  const after = tableOf(keys(100).slice(1));
  const [first, second] = [new SessionRing(before), new SessionRing(after)];
  const counts = new Map<string, number>();
  let moved = 0;
  const sessions = 20_000;
  for (let session = 0; session < sessions; session += 1) {
    const hash = Math.imul(session + 1, 0x9e3779b1) | 0;
    const key = keyFor(before, first, hash);
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (keyFor(after, second, hash) !== key) moved += 1;
  }
  const mean = sessions / 100;
  assert.equal(counts.size, 100);
  assert.ok(Math.max(...counts.values()) < 1.5 * mean, `${Math.max(...counts.values())}`);
  assert.equal(moved, counts.get(keys(1)[0] ?? ''));
});

test('a key that cannot serve is passed over, and taken again when it can', () => {
  const table = tableOf(keys(10));
  const ring = new SessionRing(table);
  const first = ring.pick(12345, all);
  const second = ring.pick(12345, (row) => row !== first);
  assert.ok(second >= 0 && second !== first);
  assert.equal(ring.pick(12345, all), first);
  assert.equal(
    ring.pick(12345, () => false),
    -1,
  );
  assert.equal(new SessionRing(tableOf(keys(1))).pick(7, all), 0);
});

/** Caches keep a prompt for five minutes after it was last used (providers' documentation). */
const CACHE_MS = 300_000;
/** So that each conversation has a turn every half a minute; a refusal names half a second. */
const REQUEST_MS = 150;

/** Turns of 200 conversations: one hits when its key served an earlier one and still knows it. */
function simulate(count: number, hasSessions: boolean) {
  // What ten keys may be asked together is twice what they are asked: some are full for a while.
  const lines = count === 1 ? keys(1) : keys(count).map((key) => `${key} rpm=80 concurrency=20`);
  const { pool, clock } = makePool({ keys: lines });
  const cached = new Map<string, number>();
  const served = new Map<string, number>();
  let hits = 0;
  let nowMs = NOW;
  let chance = 1;
  for (let turn = 0; turn < 20; turn += 1) {
    for (let session = 0; session < 200; session += 1) {
      nowMs += REQUEST_MS;
      clock.nowMs = nowMs;
      const triedRows: number[] = [];
      const hash = hasSessions ? Math.imul(session + 1, 0x85ebca6b) | 0 : undefined;
      for (;;) {
        const lease = pool.lease({ ...ANY, session: hash, triedRows }, nowMs);
        assert.equal(lease.kind, 'lease');
        const { key, row } = lease as Lease;
        // A linear congruential generator: the same 5 % of refusals for both.
        chance = (Math.imul(chance, 1_103_515_245) + 12_345) & 0x7fffffff;
        const isRefused = count > 1 && (chance >>> 8) % 100 < 5;
        (lease as Lease).settle(isRefused ? cooldown(500) : OK, nowMs);
        (lease as Lease)[Symbol.dispose]();
        if (isRefused) {
          triedRows.push(row);
          continue;
        }
        const cachedAtMs = cached.get(`${session} ${key}`) ?? Number.NEGATIVE_INFINITY;
        if (nowMs - cachedAtMs < CACHE_MS) hits += 1;
        cached.set(`${session} ${key}`, nowMs);
        served.set(key, (served.get(key) ?? 0) + 1);
        break;
      }
    }
  }
  return { hits, busiest: Math.max(...served.values()) / (4000 / count) };
}

test('with 10 keys, 5 % refusals and caps, caches hit nearly as often as with one key', () => {
  const single = simulate(1, false);
  const sessions = simulate(10, true);
  const control = simulate(10, false);
  const share = sessions.hits / single.hits;
  assert.ok(share >= 0.95, `${share} of the hits of one key`);
  assert.ok(control.hits / single.hits < 0.8, `${control.hits} hits by turns`);
  assert.ok(sessions.busiest < 1.5, `the busiest key has ${sessions.busiest} times the mean`);
});

test('a hundred thousand keys cost a pick little', async () => {
  const table = tableOf(keys(100_000));
  const ring = new SessionRing(table);
  await bestOfThree(() => {
    const startMs = performance.now();
    for (let i = 0; i < 20_000; i += 1) ring.pick(Math.imul(i, 0x9e3779b1), all);
    const us = ((performance.now() - startMs) * 1000) / 20_000;
    return us < 50 ? undefined : `${us} us a pick`;
  });
});
