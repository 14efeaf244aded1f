// Keys that come back from a rest of RETRY_AFTER_MAX or longer: one request finds out what has
// become of them, over all workers and after a restart, before the others follow.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Verdict } from '../../src/policy/verdict.ts';
import { Counters, WorkerCounters } from '../../src/pool/counts/counters.ts';
import { KeyPool } from '../../src/pool/key-pool.ts';
import { recall, takeChanged } from '../../src/pool/keys/key-memory.ts';
import type { KeyTable } from '../../src/pool/table/key-table.ts';
import type { UpstreamPool } from '../../src/pool/upstreams/upstream-pool.ts';
import { groupOf } from './group-fixture.ts';
import { ANY, cooldown, DEAD_KEY, forModel, makePool, NOW, OK } from './pool-fixture.ts';

const MAX = 3_600_000;
const CLAIM = 120_000;
const limits = { retryAfterMaxMs: MAX };
const TWO_DAYS = 2 * 86_400_000;

function named(retryAfterMs: number, scope: 'account' | 'model' = 'account'): Verdict {
  return cooldown(retryAfterMs, scope);
}

/** The pool of another worker, over the same keys. */
function siblingOf(table: KeyTable, upstreams: UpstreamPool): KeyPool {
  const counters = new WorkerCounters(Counters.create(), 0);
  const home = { counters, random: () => 0.5, now: () => NOW, workerId: 1 };
  return new KeyPool({ group: groupOf(table, upstreams), ...home });
}

for (const model of [undefined, 'm']) {
  const request = model === undefined ? ANY : forModel(model);
  const scope = model === undefined ? 'account' : 'model';
  const where = model === undefined ? 'all models' : 'one model';

  test(`after a capped rest for ${where} one request tries the key, and a success frees it`, () => {
    const { use, must, pool } = makePool({ keys: ['a'], limits });
    assert.equal(use(named(TWO_DAYS, scope), NOW, request), 'a');
    assert.equal(typeof use(OK, NOW + MAX - 1_000, request), 'object');
    const later = NOW + MAX + 32;
    const trial = must(request, later);
    for (let i = 0; i < 50; i += 1) {
      const other = pool.lease(request, later + i);
      assert.ok(other.kind === 'unavailable' && other.shortage === 'resting');
      const waitMs = (other.retryAtMs ?? 0) - later;
      assert.ok(waitMs > 0 && waitMs <= 1_100, `told to come back in ${waitMs} ms`);
    }
    trial.settle(OK, later + 500);
    assert.equal(use(OK, later + 2_000, request), 'a');
    assert.equal(use(OK, later + 2_000, request), 'a');
    const [one, two] = [must(request, later + 2_000), must(request, later + 2_000)];
    assert.equal(one.key, two.key, 'at once, as ever');
  });

  test(`a try after a long rest for ${where} that fails rests the key again`, () => {
    const { use, must, pool } = makePool({ keys: ['a'], limits });
    use(named(TWO_DAYS, scope), NOW, request);
    const later = NOW + MAX + 32;
    const trial = must(request, later);
    trial.settle(named(TWO_DAYS, scope), later + 500);
    for (const nowMs of [later + 501, later + CLAIM + 1_000, later + MAX - 1_000]) {
      assert.equal(pool.lease(request, nowMs).kind, 'unavailable');
    }
    const again = later + 500 + MAX + 64;
    assert.equal(pool.lease(request, again).kind, 'lease');
    assert.equal(pool.lease(request, again).kind, 'unavailable', 'one request, again');
  });
}

test('a try that proves nothing leaves the next one for later', () => {
  const { use, must, pool } = makePool({ keys: ['a'], limits });
  use(named(TWO_DAYS));
  const later = NOW + MAX + 32;
  must(ANY, later).settle({ kind: 'client_fault', reason: 'bad_request' }, later);
  assert.equal(pool.lease(ANY, later + 1_000).kind, 'unavailable');
  const next = later + CLAIM + 64;
  assert.equal(pool.lease(ANY, next).kind, 'lease');
  assert.equal(pool.lease(ANY, next).kind, 'unavailable');
});

test('a try that finds the key dead blacklists it', () => {
  const { use, must, pool } = makePool({ keys: ['a'], limits });
  use(named(TWO_DAYS));
  const later = NOW + MAX + 32;
  const [told] = must(ANY, later).settle(DEAD_KEY, later);
  assert.equal(told?.kind, 'blacklisted');
  const none = pool.lease(ANY, later + 10);
  // The one a second that is tried when nothing is left.
  assert.ok(none.kind === 'lease' || none.shortage === 'dead');
});

test('the end of a month is obeyed as named, and tried by one request', () => {
  const { use, pool } = makePool({ keys: ['a'], limits });
  const verdict = { ...named(TWO_DAYS), isPeriodEnd: true } as Verdict;
  use(verdict);
  assert.equal(pool.lease(ANY, NOW + MAX + 64).kind, 'unavailable');
  assert.equal(pool.lease(ANY, NOW + TWO_DAYS - 1_000).kind, 'unavailable');
  const later = NOW + TWO_DAYS + 64;
  assert.equal(pool.lease(ANY, later).kind, 'lease');
  assert.equal(pool.lease(ANY, later).kind, 'unavailable');
});

test('a shorter rest ends for all requests at once', () => {
  const { use, must } = makePool({ keys: ['a'], limits });
  use(named(MAX - 60_000));
  const later = NOW + MAX;
  assert.equal(must(ANY, later).key, must(ANY, later).key);
});

test('other keys serve meanwhile, and nobody waits for the one that is tried', () => {
  const { use, must } = makePool({ keys: ['a', 'b'], limits });
  assert.equal(use(named(TWO_DAYS)), 'a');
  const later = NOW + MAX + 32;
  const keys = Array.from({ length: 10 }, () => must(ANY, later).key);
  assert.equal(keys.filter((key) => key === 'a').length, 1);
  assert.equal(keys.filter((key) => key === 'b').length, 9);
});

test('it is one request over all workers', () => {
  const { use, pool, table, upstreams } = makePool({ keys: ['a'], limits });
  use(named(TWO_DAYS));
  const sibling = siblingOf(table, upstreams);
  const later = NOW + MAX + 32;
  const found = [pool, sibling, pool, sibling].map((one) => one.lease(ANY, later).kind);
  assert.deepEqual(found, ['lease', 'unavailable', 'unavailable', 'unavailable']);
});

test('who finds the rest over and the try taken is told when to come back', () => {
  const { use, pool, table, upstreams } = makePool({ keys: ['a'], limits });
  use(named(TWO_DAYS));
  const sibling = siblingOf(table, upstreams);
  const later = NOW + MAX + 32;
  // The sibling is about to publish the key, and claims it once this pool has seen its time come.
  const { returnDue, apply } = table;
  table.returnDue = () => undefined;
  table.apply = (...change) => {
    table.returnDue = returnDue;
    table.apply = apply;
    assert.equal(sibling.lease(ANY, later).kind, 'lease');
    return table.apply(...change);
  };
  const other = pool.lease(ANY, later);
  assert.equal(table.apply, apply, 'it came to that');
  assert.ok(other.kind === 'unavailable' && other.shortage === 'resting');
  assert.ok(other.retryAtMs !== null && other.retryAtMs <= later + 1_100);
});

test('a restart during the rest changes nothing', () => {
  const before = makePool({ keys: ['a'], limits });
  before.use(named(TWO_DAYS));
  const after = makePool({ keys: ['a'], limits });
  for (const { key: _, pin: __, row, ...known } of takeChanged(before.table, true)) {
    recall(after.table, row, known, NOW + 60_000);
  }
  const later = NOW + MAX + 64;
  assert.equal(after.pool.lease(ANY, later - 10_000).kind, 'unavailable');
  assert.equal(after.pool.lease(ANY, later).kind, 'lease');
  assert.equal(after.pool.lease(ANY, later).kind, 'unavailable');
});
