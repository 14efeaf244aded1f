// Which key a request gets, and what verdicts change about that, within one thread.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listBlacklisted, summarise } from '../../src/pool/keys/key-report.ts';
import { ANY, cooldown, DEAD_KEY, FAULT, keyNames, makePool, NOW, OK } from './pool-fixture.ts';

/** Fails unless it is a refusal. */
function refusal(answer: unknown): { retryAtMs: number | null; shortage: string } {
  assert.ok(typeof answer === 'object' && answer !== null, `got key ${String(answer)}`);
  return answer as { retryAtMs: number | null; shortage: string };
}

test('keys take turns in the order of the file, from START_INDEX', () => {
  const { use } = makePool({ keys: keyNames(4), startIndex: 6 });
  const used = Array.from({ length: 9 }, () => use());
  assert.deepEqual(used.slice(0, 5), ['key-2', 'key-3', 'key-0', 'key-1', 'key-2']);
  assert.equal(used[8], 'key-2');
});

test('no neighbour takes the share of a blacklisted key', () => {
  const { use } = makePool({ keys: keyNames(5) });
  use();
  assert.equal(use(DEAD_KEY), 'key-1');
  const counts = new Map<string, number>();
  for (let i = 0; i < 400; i++) {
    const key = String(use());
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  assert.deepEqual(Object.fromEntries(counts), {
    'key-2': 100,
    'key-3': 100,
    'key-4': 100,
    'key-0': 100,
  });
});

test('a key rests exactly as long as the upstream says, to within a tick of 32 ms', () => {
  const { use } = makePool({ keys: ['only'] });
  use(cooldown(20_000));
  const { retryAtMs, shortage } = refusal(use(OK, NOW + 100));
  assert.equal(shortage, 'resting');
  assert.ok(retryAtMs !== null && retryAtMs >= NOW + 20_000 && retryAtMs <= NOW + 20_032);
  refusal(use(OK, NOW + 19_999));
  assert.equal(use(OK, NOW + 20_032), 'only');
});

test('a key that is back keeps its count until a success: the next rest is longer', () => {
  const { use, table } = makePool({ keys: ['only'] });
  const restOf = (nowMs: number): number => {
    const { retryAtMs } = refusal(use(OK, nowMs));
    return Math.round((Number(retryAtMs) - nowMs) / 1000);
  };
  use(cooldown(null));
  assert.equal(restOf(NOW), 5);
  use(cooldown(null), NOW + 6_000);
  assert.equal(restOf(NOW + 6_000), 10);
  assert.equal(use(OK, NOW + 20_000), 'only');
  use(cooldown(null), NOW + 21_000);
  assert.equal(restOf(NOW + 21_000), 5);
  assert.equal(summarise(table, NOW + 21_000).resting, 1);
});

test('ten 429s of one moment count once', () => {
  const { must, use } = makePool({ keys: ['only'] });
  const leases = Array.from({ length: 10 }, () => must());
  for (const lease of leases) lease.settle(cooldown(null), NOW);
  const { retryAtMs } = refusal(use());
  assert.ok(Number(retryAtMs) <= NOW + 5_032);
});

test('BLACKLIST_THRESHOLD counts rejections in a row; below it the key rests', () => {
  const { use, table } = makePool({ keys: ['only'], limits: { blacklistThreshold: 3 } });
  let nowMs = NOW;
  for (const failCount of [1, 2]) {
    use(DEAD_KEY, nowMs);
    assert.equal(summarise(table, nowMs).resting, 1, `after ${failCount}`);
    nowMs += 60_000;
  }
  use(DEAD_KEY, nowMs);
  assert.equal(summarise(table, nowMs).blacklisted, 1);
  assert.equal(listBlacklisted(table, 10)[0]?.failCount, 3);
});

test('a success in between ends the count of rejections', () => {
  const { use, table } = makePool({ keys: ['only'], limits: { blacklistThreshold: 2 } });
  use(DEAD_KEY);
  assert.equal(use(OK, NOW + 60_000), 'only');
  use(DEAD_KEY, NOW + 61_000);
  assert.equal(summarise(table, NOW + 61_000).blacklisted, 0);
});

test('a request is never given a key that it tried while there is an untried one', () => {
  const { must, pool } = makePool({ keys: keyNames(3) });
  const triedRows: number[] = [];
  for (let i = 0; i < 3; i++) {
    const lease = must({ ...ANY, triedRows });
    assert.ok(!triedRows.includes(lease.row));
    triedRows.push(lease.row);
    // Another request moves the turn on meanwhile.
    must();
  }
  const after = pool.lease({ ...ANY, triedRows }, NOW);
  assert.deepEqual(after, { kind: 'unavailable', retryAtMs: null, shortage: 'used_up' });
});

test('after a fault of the upstream a tried key may go again when no other is left', () => {
  const { must, pool } = makePool({ keys: ['only'] });
  const lease = must();
  lease.settle(FAULT, NOW);
  const again = { ...ANY, triedRows: [lease.row], avoidUpstreams: [0] };
  assert.equal(must(again).key, 'only');
  const refused = pool.lease({ ...again, mustAvoid: true }, NOW);
  assert.equal(refused.kind === 'unavailable' && refused.retryAtMs, null);
});

test('a key that was there a moment ago for another request is no promise', () => {
  const { must, pool, use } = makePool({ keys: ['only'] });
  const lease = must();
  const retry = pool.lease({ ...ANY, triedRows: [lease.row] }, NOW);
  assert.deepEqual(retry, { kind: 'unavailable', retryAtMs: null, shortage: 'used_up' });
  lease.settle(cooldown(60_000), NOW);
  const { shortage, retryAtMs } = refusal(use(OK, NOW + 50));
  assert.equal(shortage, 'resting');
  assert.ok(Number(retryAtMs) >= NOW + 60_000);
});

test('settling twice counts once, and an unsettled lease blames nobody', () => {
  const { must, table, sums } = makePool({ keys: ['only'], limits: { blacklistThreshold: 2 } });
  {
    using lease = must();
    assert.equal(sums().gauges.openLeases, 1);
    lease.settle(DEAD_KEY, NOW);
    lease.settle(DEAD_KEY, NOW);
    lease.settle(OK, NOW);
  }
  {
    using _unsettled = must(ANY, NOW + 60_000);
  }
  assert.equal(sums().gauges.openLeases, 0);
  assert.equal(sums().totals['attempt.key_dead'], 1);
  assert.equal(summarise(table, NOW).blacklisted, 0);
});

test('client faults, upstream faults and left clients change nothing about the key', () => {
  const { use, table } = makePool({ keys: ['only'] });
  use({ kind: 'client_fault', reason: 'bad_request' });
  use(FAULT);
  use({ kind: 'excluded', reason: 'client_left' });
  assert.equal(summarise(table, NOW).healthy, 1);
  assert.equal(table.changed.next(0), -1);
});

test('the last row of a full table is picked like any other', () => {
  const { use, must } = makePool({ keys: keyNames(1024), startIndex: 1022 });
  assert.deepEqual([use(), use(), use()], ['key-1022', 'key-1023', 'key-0']);
  const tried = makePool({ keys: keyNames(1024), startIndex: 1023 });
  assert.equal(tried.must({ ...ANY, triedRows: [1023] }).row, 0);
  assert.equal(must().row, 1);
});

test('leases keep what they say apart: preview for people, key for the header', () => {
  const { must } = makePool({ keys: ['sk-abcdefghijklmnop'] });
  const lease = must();
  assert.equal(lease.keyPreview, 'sk-a...mnop');
  assert.equal(lease.upstream.href, 'http://one.test');
  assert.ok(!JSON.stringify(lease).includes('abcdefghijklmnop'));
});
