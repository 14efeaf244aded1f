// Blacklisted keys: who tries them again, when, and how often.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PROBE_CLAIM_MS } from '../../src/policy/key-breaker.ts';
import { HALF_OPEN_MS } from '../../src/pool/key-pool.ts';
import { summarise } from '../../src/pool/keys/key-report.ts';
import {
  ANY,
  cooldown,
  DEAD_KEY,
  forModel,
  keyNames,
  LIMITS,
  makePool,
  NOW,
  OK,
} from './pool-fixture.ts';

const HOUR = 3_600_000;

test('a blacklisted key is probed once when its time has come, and restored by a success', () => {
  const { use, must, table, isProbe } = makePool({ keys: ['good', 'dead'] });
  use();
  use(DEAD_KEY);
  const later = NOW + LIMITS.deadKeyProbeMs + 1_000;
  const leases = Array.from({ length: 6 }, () => must(ANY, later));
  const probes = leases.filter((lease) => isProbe(lease));
  assert.deepEqual(
    probes.map((lease) => lease.key),
    ['dead'],
  );
  assert.equal(leases.filter((lease) => lease.key === 'dead').length, 1);
  const [probe] = probes;
  assert.deepEqual(probe?.settle(OK, later), [{ kind: 'restored' }]);
  assert.equal(summarise(table, later).healthy, 2);
});

test('a probe that proves nothing leaves the key dead until the next probe', () => {
  const { use, must, table, isProbe } = makePool({ keys: ['good', 'dead'] });
  use();
  use(DEAD_KEY);
  const later = NOW + LIMITS.deadKeyProbeMs + 1_000;
  const probe = [must(ANY, later), must(ANY, later)].find((lease) => isProbe(lease));
  probe?.settle({ kind: 'client_fault', reason: 'bad_request' }, later);
  assert.equal(summarise(table, later).blacklisted, 1);
  assert.equal(use(OK, later + 1_000), 'good');
  assert.equal(use(OK, later + 1_000), 'good');
  const again = later + PROBE_CLAIM_MS + 32;
  assert.ok([must(ANY, again), must(ANY, again)].some((lease) => isProbe(lease)));
});

test('when every key is blacklisted one request a second tries the one that failed longest ago', () => {
  const { use, pool, table, isProbe } = makePool({ keys: keyNames(3) });
  for (let i = 0; i < 3; i++) use(DEAD_KEY, NOW + i * 1_000);
  const tried: string[] = [];
  let nowMs = NOW + 10_000;
  for (let second = 0; second < 4; second++, nowMs += HALF_OPEN_MS) {
    for (let i = 0; i < 20; i++) {
      const lease = pool.lease(ANY, nowMs + i * 10);
      if (lease.kind === 'unavailable') {
        assert.equal(lease.retryAtMs, null);
        assert.equal(lease.shortage, 'dead');
        continue;
      }
      assert.ok(isProbe(lease));
      tried.push(lease.key);
      lease.settle(DEAD_KEY, nowMs + i * 10);
    }
  }
  assert.deepEqual(tried, ['key-0', 'key-1', 'key-2', 'key-0']);
  assert.equal(use(OK, nowMs + HALF_OPEN_MS), 'key-1');
  assert.equal(use(OK, nowMs + HALF_OPEN_MS), 'key-1');
  assert.equal(summarise(table, nowMs).healthy, 1);
});

test('the one try a second is for all models together', () => {
  const { use, pool } = makePool({ keys: keyNames(3) });
  use(cooldown(1, 'model'), NOW, forModel('m1'));
  use(cooldown(1, 'model'), NOW, forModel('m2'));
  for (let i = 0; i < 3; i++) use(DEAD_KEY, NOW + 1_000);
  let tries = 0;
  for (let ms = 0; ms < 3_000; ms += 50) {
    for (const request of [ANY, forModel('m1'), forModel('m2'), forModel('m3')]) {
      const lease = pool.lease(request, NOW + 2_000 + ms);
      if (lease.kind === 'unavailable') continue;
      tries++;
      assert.deepEqual(lease.settle(DEAD_KEY, NOW + 2_000 + ms), []);
    }
  }
  assert.equal(tries, 3);
});

test('a blacklisted key is not tried out of turn while another only rests', () => {
  const { use } = makePool({ keys: keyNames(2) });
  use(DEAD_KEY);
  use(cooldown(HOUR));
  for (let i = 1; i < 10; i++) {
    const refused = use(OK, NOW + i * HALF_OPEN_MS);
    assert.ok(typeof refused === 'object' && Number(refused.retryAtMs) >= NOW + HOUR);
  }
});
