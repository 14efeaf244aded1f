// Resting keys come back by themselves, on time, however many and wherever they are.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANY, cooldown, forModel, keyNames, makePool, NOW, OK } from './pool-fixture.ts';

const KEYS = 5_000;

/** A pool over several blocks, all of whose keys rest: key `i` for `restOf(i)` ms. */
function restingPool(restOf: (i: number) => number, model?: string) {
  const request = model === undefined ? ANY : forModel(model);
  const scope = model === undefined ? 'account' : 'model';
  const pool = makePool({ keys: keyNames(KEYS), capacity: 8_192 });
  for (let i = 0; i < KEYS; i++) pool.use(cooldown(restOf(i), scope), NOW, request);
  return { ...pool, request };
}

for (const model of [undefined, 'm']) {
  const where = model === undefined ? 'all models' : 'one model';

  test(`every key that rests for ${where} is back in time, and none before`, () => {
    const restOf = (i: number) => 10_000 + ((i * 7_919) % KEYS) * 20;
    const { pool, request } = restingPool(restOf, model);
    const returned = new Map<number, number>();
    for (let nowMs = NOW; returned.size < KEYS; nowMs += 1_000) {
      assert.ok(nowMs < NOW + 200_000, `${returned.size} of ${KEYS} came back`);
      for (;;) {
        const lease = pool.lease(request, nowMs);
        if (lease.kind === 'unavailable') break;
        if (returned.has(lease.row)) break;
        returned.set(lease.row, nowMs - NOW);
        lease.settle(cooldown(3_600_000, model === undefined ? 'account' : 'model'), nowMs);
      }
    }
    for (const [row, afterMs] of returned) {
      const rest = restOf(row);
      assert.ok(afterMs >= rest && afterMs < rest + 1_032, `row ${row}: ${afterMs} for ${rest}`);
    }
  });
}

test('the first return is named exactly, also after the key that was to return first was reset', () => {
  const { pool, table } = restingPool((i) => 60_000 + i * 1_000);
  const retryAt = (nowMs: number) => {
    const answer = pool.lease(ANY, nowMs);
    return answer.kind === 'unavailable' ? Number(answer.retryAtMs) - NOW : -1;
  };
  assert.ok(retryAt(NOW) >= 60_000 && retryAt(NOW) <= 60_032);
  const cause = { nowTick: table.tick(NOW), reason: 'none' } as const;
  table.apply(0, 0, { kind: 'reset' }, cause);
  const lease = pool.lease(ANY, NOW + 2_000);
  assert.ok(lease.kind === 'lease' && lease.row === 0);
  lease.settle(cooldown(3_600_000), NOW + 2_000);
  const next = retryAt(NOW + 4_000);
  assert.ok(next >= 61_000 && next <= 61_032, `${next}`);
});

test('ten thousand keys that return at one moment are brought back a few at a time', () => {
  const { use, table, pool } = restingPool(() => 60_000);
  const later = NOW + 61_000;
  use(OK, later);
  let available = 0;
  for (let row = 0; row < KEYS; row++) if (table.account.available.has(row)) available++;
  assert.ok(available > 0 && available < 100, `${available} after one lease`);
  const rows = new Set<number>();
  for (let i = 0; i < KEYS; i++) {
    const lease = pool.lease(ANY, later);
    if (lease.kind === 'lease') rows.add(lease.row);
  }
  assert.equal(rows.size, KEYS);
});

test('a clock that is set back neither loses keys nor returns them early', () => {
  const { use } = makePool({ keys: keyNames(2) });
  use(cooldown(60_000), NOW + 100_000);
  for (let i = 0; i < 50; i++) assert.equal(use(OK, NOW + i * 1_000), 'key-1');
  assert.deepEqual(new Set([use(OK, NOW + 161_000), use(OK, NOW + 161_000)]), new Set(keyNames(2)));
});
