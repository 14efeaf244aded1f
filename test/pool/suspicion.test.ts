// When the upstream is suspected instead of its keys.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { summarise } from '../../src/pool/keys/key-report.ts';
import { Suspicion } from '../../src/pool/suspicion.ts';
import { ANY, DEAD_KEY, keyNames, makePool, NOW, OK } from './pool-fixture.ts';

test('every key rejected within a minute: the upstream is suspected once, and its keys probed within a minute', () => {
  const { use, must, table, upstreams, isProbe } = makePool({ keys: keyNames(3) });
  const suspicion = new Suspicion(table, upstreams);
  use(DEAD_KEY);
  use(DEAD_KEY);
  assert.deepEqual(suspicion.check(NOW), []);
  use(DEAD_KEY, NOW + 50_000);
  assert.deepEqual(
    suspicion.check(NOW + 50_000).map(({ href }) => href),
    ['http://one.test'],
  );
  assert.deepEqual(suspicion.check(NOW + 51_000), []);
  assert.ok(upstreams.status(0).suspect);
  const probes = Array.from({ length: 3 }, () => must(ANY, NOW + 111_100));
  assert.ok(probes.every((lease) => isProbe(lease)));
  assert.equal(new Set(probes.map((lease) => lease.key)).size, 3);
  probes[0]?.settle(OK, NOW + 111_200);
  assert.ok(!upstreams.status(0).suspect);
});

test('keys that are rejected one by one over hours are simply dead', () => {
  const { use, table, upstreams } = makePool({ keys: keyNames(3) });
  const suspicion = new Suspicion(table, upstreams);
  for (let i = 0; i < 3; i++) {
    use(DEAD_KEY, NOW + i * 40_000);
    assert.deepEqual(suspicion.check(NOW + i * 40_000), []);
  }
});

test('one rejected key proves nothing, and neither do the keys of another upstream', () => {
  const keys = ['one http://a.test', 'two http://b.test', 'three http://b.test'];
  const { use, table, upstreams } = makePool({ keys });
  const suspicion = new Suspicion(table, upstreams);
  use(DEAD_KEY);
  assert.deepEqual(suspicion.check(NOW), []);
  use(DEAD_KEY);
  use(DEAD_KEY);
  assert.deepEqual(
    suspicion.check(NOW).map(({ href }) => href),
    ['http://b.test'],
  );
});

test('a suspected upstream is not chosen while another works', () => {
  const { use, must, load, table, upstreams, isProbe } = makePool({
    keys: keyNames(4),
    upstreams: ['http://a.test', 'http://b.test'],
  });
  const suspicion = new Suspicion(table, upstreams);
  for (let i = 0; i < 8; i++) {
    const lease = must(ANY, NOW + i * 1_000);
    lease.settle(lease.upstream.index === 0 ? DEAD_KEY : OK, NOW + i * 1_000);
    if (summarise(table, NOW).blacklisted === 4) break;
    if (lease.upstream.index === 1) use(OK);
  }
  load(keyNames(4));
  while (summarise(table, NOW).healthy > 0) {
    const lease = must(ANY, NOW + 9_000);
    if (lease.upstream.index === 0) lease.settle(DEAD_KEY, NOW + 9_000);
  }
  assert.deepEqual(
    suspicion.check(NOW + 10_000).map(({ index }) => index),
    [0],
  );
  const probe = must(ANY, NOW + 70_100);
  assert.ok(isProbe(probe));
  assert.equal(probe.upstream.index, 1);
});
