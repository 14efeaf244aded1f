// What a key may be asked: a full key is skipped and never blamed, the next one serves, and when
// only limits stand in the way the pool says when the first one has room. Held against a plain list
// of times, and exact when threads race.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { Counters } from '../../../src/pool/counts/counters.ts';
import { parseKeys } from '../../../src/pool/keys/key-file.ts';
import { KeyReload } from '../../../src/pool/keys/key-reload.ts';
import type { Lease } from '../../../src/pool/lease.ts';
import { KeyTable } from '../../../src/pool/table/key-table.ts';
import { UpstreamPool } from '../../../src/pool/upstreams/upstream-pool.ts';
import { ANY, LIMITS, makePool, NOW } from '../pool-fixture.ts';
import type { ThreadWork } from '../pool-thread.ts';

const MINUTE = 60_000;

test('a key at its rpm is skipped, and 429 waits for its minute to pass', () => {
  const { use, must, table } = makePool({ keys: ['a rpm=2', 'b rpm=1'] });
  const keys = [use(), use(), use()];
  assert.deepEqual(keys.sort(), ['a', 'a', 'b']);
  const none = use();
  assert.ok(typeof none === 'object' && none.shortage === 'busy');
  const waitMs = (none.retryAtMs ?? 0) - NOW;
  assert.ok(waitMs > MINUTE - 4_000 && waitMs <= MINUTE + 4_000, `${waitMs}`);
  assert.equal(must(ANY, NOW + waitMs).kind, 'lease');
  assert.ok((table.quotas?.skips('rpm') ?? 0) >= 2);
});

test('a key is offered again as soon as one of its requests ends', () => {
  const { use, must } = makePool({ keys: ['a concurrency=2'] });
  const first = must();
  const second = must();
  const none = use();
  assert.ok(typeof none === 'object' && none.shortage === 'busy');
  first[Symbol.dispose]();
  assert.equal(use(), 'a');
  assert.equal(use(), 'a');
  second[Symbol.dispose]();
});

test("a day is the calendar's: it ends when the wall clock says so, and not before", () => {
  const { use, table } = makePool({ keys: ['a rpd=1'] });
  const hour = 60 * MINUTE;
  // Midnight by the clock of the process; the wall clock is found to be an hour behind.
  table.clock.aheadMs = -hour;
  assert.equal(use(), 'a');
  const none = use();
  assert.ok(typeof none === 'object' && none.shortage === 'busy');
  assert.ok(Math.abs((none.retryAtMs ?? 0) - NOW - hour) <= 32, `${none.retryAtMs}`);
  assert.equal(table.quotas?.dayStartMs(NOW), NOW - 24 * hour);
  // It was set forward over midnight: the coordinator has every key looked at again.
  table.clock.aheadMs = 0;
  table.aside?.reconsiderAll(NOW + 1_000);
  assert.equal(use(undefined, NOW + 1_000), 'a');
});

test('the group says the limits of keys that name none, and rpm=0 frees a key of them', () => {
  const { use } = makePool({ keys: ['a', 'b rpm=0'], limits: { keyRpm: 1 } });
  const keys = Array.from({ length: 10 }, () => use());
  assert.equal(keys.filter((key) => key === 'a').length, 1);
  assert.equal(keys.filter((key) => key === 'b').length, 9);
});

test('a day has its limit, and ends at midnight UTC', () => {
  const { use } = makePool({ keys: ['a rpd=3'] });
  for (let i = 0; i < 3; i++) assert.equal(use(undefined, NOW + i * 3_600_000), 'a');
  const none = use(undefined, NOW + 4 * 3_600_000);
  assert.ok(typeof none === 'object' && none.shortage === 'busy');
  const waitMs = (none.retryAtMs ?? 0) - NOW - 86_400_000;
  assert.ok(waitMs >= 0 && waitMs < 64, `${waitMs}`);
  assert.equal(use(undefined, NOW + 86_400_100), 'a');
});

test('tokens are charged as estimated and settled with what was used', () => {
  const { use, must, table } = makePool({ keys: ['a tpm=1000'] });
  const big = { ...ANY, tokens: 800 };
  const lease = must(big);
  assert.equal(typeof use(undefined, NOW, big), 'object');
  lease.settleTokens(100);
  lease[Symbol.dispose]();
  assert.equal(table.quotas?.now(0, NOW).tpm, 100);
  assert.equal(use(undefined, NOW, big), 'a');
  // More than the limit passes when nothing was used in the minute.
  assert.equal(use(undefined, NOW + 2 * MINUTE, { ...ANY, tokens: 5_000 }), 'a');
});

test('limits survive a reading of the file, and a changed line counts at once', () => {
  const { use, load } = makePool({ keys: ['a rpm=2', 'b rpm=1'] });
  for (let i = 0; i < 3; i++) use();
  assert.equal(load(['a rpm=2', 'b rpm=1']).changed, 0);
  assert.equal(typeof use(), 'object');
  assert.equal(load(['a rpm=2', 'b rpm=2']).changed, 1);
  assert.equal(use(), 'b');
  assert.equal(typeof use(), 'object');
});

test('a first limit while requests are under way knows of those that come after it', () => {
  const { use, must, load } = makePool({ keys: ['a'] });
  const before = must();
  load(['a concurrency=1']);
  before[Symbol.dispose]();
  const after = must();
  assert.equal(typeof use(), 'object');
  after[Symbol.dispose]();
  assert.equal(use(), 'a');
});

test('what a dead worker held is free again', () => {
  const { use, must, table } = makePool({ keys: ['a concurrency=1'] });
  must();
  assert.equal(typeof use(), 'object');
  table.healAfterCrash(NOW, 0);
  assert.equal(use(), 'a');
});

test('picks are in proportion to weights within 2 %, without bursts', () => {
  const weights = [1, 2, 3, 10, 1, 7];
  const { use } = makePool({ keys: weights.map((weight, i) => `k${i} weight=${weight}`) });
  const picked = new Map<string, number>();
  let run = 0;
  let last = '';
  for (let i = 0; i < 10_000; i++) {
    const key = use() as string;
    picked.set(key, (picked.get(key) ?? 0) + 1);
    run = key === last ? run + 1 : 1;
    last = key;
    assert.ok(run <= 2, `${run} times ${key} in a row`);
  }
  const sum = weights.reduce((total, weight) => total + weight, 0);
  for (const [i, weight] of weights.entries()) {
    const share = (picked.get(`k${i}`) ?? 0) / ((10_000 * weight) / sum);
    assert.ok(Math.abs(share - 1) < 0.02, `k${i}: ${share}`);
  }
});

test('one heavy key among a thousand gets its share, spread over the turns', () => {
  const keys = Array.from({ length: 1_000 }, (_, i) => (i === 500 ? 'heavy weight=100' : `k${i}`));
  const { use } = makePool({ keys });
  const at: number[] = [];
  for (let i = 0; i < 11_000; i++) if (use() === 'heavy') at.push(i);
  assert.ok(Math.abs(at.length / 1_000 - 1) < 0.02, `${at.length}`);
  const gaps = at.slice(1).map((place, i) => place - (at[i] ?? 0));
  assert.ok(Math.min(...gaps) >= 5 && Math.max(...gaps) <= 25, gaps.slice(0, 20).join());
});

test('a higher tier serves only while no key of a lower one can', () => {
  const { use, load } = makePool({ keys: ['a concurrency=1', 'b tier=2', 'c tier=3'] });
  for (let i = 0; i < 3; i++) assert.equal(use(), 'a');
  const { must } = makePool({ keys: ['a rpm=1', 'b tier=2 rpm=1', 'c tier=3'] });
  assert.deepEqual([must().key, must().key, must().key], ['a', 'b', 'c']);
  load(['a tier=4', 'b tier=2', 'c tier=3']);
  for (let i = 0; i < 3; i++) assert.equal(use(), 'b');
  load(['a tier=4', 'b tier=4', 'c tier=4']);
  const keys = [use(), use(), use()].sort();
  assert.deepEqual(keys, ['a', 'b', 'c']);
});

test('conversations keep to their keys within the lowest tier that can serve', () => {
  const { must } = makePool({ keys: ['a concurrency=1', 'b concurrency=1', 'c tier=2'] });
  const request = { ...ANY, session: 7 };
  const first = must(request);
  const second = must(request);
  const third = must(request);
  assert.notEqual(first.key, second.key);
  assert.equal(third.key, 'c');
  first[Symbol.dispose]();
  assert.equal(must(request).key, first.key);
});

/** A plain model of keys with limits: lists of times. */
class PlainKeys {
  readonly starts = new Map<string, number[]>();
  readonly open = new Map<string, number>();

  /** Whether a key has room for one more than what it has had since then. */
  room(key: string, [rpm, concurrency]: [number, number], sinceMs: number): boolean {
    const inMinute = (this.starts.get(key) ?? []).filter((at) => at > sinceMs).length;
    return inMinute < rpm && (this.open.get(key) ?? 0) < concurrency;
  }
}

test('as a plain model says: no limit is ever exceeded, and nobody waits for a free key', () => {
  const step = fc.record({ pauseMs: fc.integer({ min: 0, max: 9_000 }), ends: fc.nat(3) });
  const limits = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 3 }));
  const run = (given: [number, number][], steps: { pauseMs: number; ends: number }[]): void => {
    const names = given.map((_, i) => `k${i}`);
    const lines = given.map(([rpm, c], i) => `k${i} rpm=${rpm} concurrency=${c}`);
    const { pool, clock } = makePool({ keys: lines });
    const plain = new PlainKeys();
    const open: Lease[] = [];
    const of = (key: string): [number, number] => given[names.indexOf(key)] ?? [0, 0];
    for (const { pauseMs, ends } of steps) {
      clock.nowMs += pauseMs;
      const nowMs = clock.nowMs;
      for (const lease of open.splice(0, ends)) {
        lease[Symbol.dispose]();
        plain.open.set(lease.key, (plain.open.get(lease.key) ?? 0) - 1);
      }
      const lease = pool.lease(ANY, nowMs);
      if (lease.kind === 'lease') {
        assert.ok(plain.room(lease.key, of(lease.key), nowMs - MINUTE), 'beyond its limit');
        plain.starts.set(lease.key, [...(plain.starts.get(lease.key) ?? []), nowMs]);
        plain.open.set(lease.key, (plain.open.get(lease.key) ?? 0) + 1);
        open.push(lease);
        continue;
      }
      // Stretches of four seconds leave the minute together, and a tick is 32 ms.
      for (const key of names) {
        assert.ok(!plain.room(key, of(key), nowMs - MINUTE - 4_100), `${key} had room`);
      }
    }
  };
  fc.assert(fc.property(fc.array(limits, { minLength: 1, maxLength: 4 }), fc.array(step), run), {
    numRuns: 200,
  });
});

test('four threads that hammer one key with rpm=60 let 60 through', async () => {
  const table = KeyTable.create({ epochMs: Date.now(), capacity: 1024, workers: 4 });
  const limits = { ...LIMITS };
  const upstreams = UpstreamPool.create(['http://one.test'], Date.now());
  const file = parseKeys(Buffer.from('a rpm=60 concurrency=2'), 'keys.txt');
  assert.ok(file.ok);
  const view = KeyTable.attach(table, limits);
  const { list } = UpstreamPool.attach(upstreams, limits);
  new KeyReload(view, list).apply(file.keys, Date.now());
  const leases = new SharedArrayBuffer(4_097 * 4);
  const shared = { table, upstreams, counters: Counters.create(), leases };
  const threads = [0, 1, 2, 3].map((workerId) => {
    const workerData: ThreadWork = {
      ...shared,
      blacklistThreshold: 1,
      workerId,
      rounds: 2_000,
      script: 'success',
    };
    const worker = new Worker(new URL('../pool-thread.ts', import.meta.url), { workerData });
    return new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
  });
  await Promise.all(threads);
  assert.equal(new Int32Array(leases)[0], 60);
  assert.equal(view.quotas?.now(0, Date.now()).concurrency, 0);
});
