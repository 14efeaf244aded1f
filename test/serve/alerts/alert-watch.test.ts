// What is told, and how often: changes of state only, each kind once a minute, the end of it too.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forgetAll } from '../../../src/pool/keys/key-memory.ts';
import { AlertWatch } from '../../../src/serve/alerts/alert-watch.ts';
import { groupOf } from '../../pool/group-fixture.ts';
import { DEAD_KEY, FAULT, makePool, NOW } from '../../pool/pool-fixture.ts';

const keys = ['sk-first-0123456789abcdef', 'sk-second-0123456789abcdef name=bob'];

function watched() {
  const pool = makePool({ keys, limits: { upstreamFailureThreshold: 1 } });
  const group = groupOf(pool.table, pool.upstreams);
  const watch = new AlertWatch(NOW);
  const look = (nowMs: number) => watch.look([group], nowMs);
  const events = (nowMs: number) => look(nowMs).map(({ event }) => event);
  return { ...pool, look, events };
}

test('keys that die are told with preview, name and reason, and never whole', () => {
  const { use, look, events } = watched();
  assert.deepEqual(events(NOW), []);
  use(DEAD_KEY, NOW + 1_000);
  const [alert] = look(NOW + 2_000);
  assert.equal(alert?.event, 'keys_blacklisted');
  assert.match(alert?.summary ?? '', /1 key was blacklisted/);
  assert.match(
    alert?.details[0] ?? '',
    /^sk-f\.\.\.cdef: The upstream says that the key is invalid/,
  );
  assert.deepEqual(events(NOW + 3_000), []);
  // The next one within the minute waits for its end; that no key is left does not.
  use(DEAD_KEY, NOW + 4_000);
  assert.deepEqual(events(NOW + 5_000), ['no_usable_key']);
  assert.deepEqual(events(NOW + 61_000), []);
  const later = look(NOW + 63_000);
  assert.deepEqual(
    later.map(({ event }) => event),
    ['keys_blacklisted'],
  );
  assert.match(later[0]?.details[0] ?? '', /^sk-s\.\.\.cdef \(bob\): /);
  assert.doesNotMatch(JSON.stringify(later), /0123456789/);
});

test('the end of trouble is told, once a minute has passed', () => {
  const { use, table, events } = watched();
  events(NOW);
  use(DEAD_KEY, NOW + 1_000);
  use(DEAD_KEY, NOW + 1_000);
  assert.deepEqual(events(NOW + 2_000), ['no_usable_key', 'keys_blacklisted']);
  forgetAll(table, NOW + 3_000);
  assert.deepEqual(events(NOW + 4_000), []);
  assert.deepEqual(events(NOW + 63_000), ['usable_key_back', 'keys_restored']);
  assert.deepEqual(events(NOW + 200_000), []);
});

test('an upstream that is gone for some seconds is told, and that it is back', () => {
  const { use, upstreams, events } = watched();
  events(NOW);
  use(FAULT, NOW + 1_000);
  assert.deepEqual(events(NOW + 1_500), []);
  assert.deepEqual(events(NOW + 3_000), []);
  assert.deepEqual(events(NOW + 5_000), ['upstream_gone']);
  const { generation } = upstreams.list.words.upstream(0);
  upstreams.settle(0, { kind: 'claim_trial', nowMs: NOW + 60_000 });
  const era = upstreams.list.words.upstream(0).generation;
  assert.notEqual(era, generation);
  upstreams.settle(0, { kind: 'alive', generation: era });
  assert.deepEqual(events(NOW + 66_000), ['upstream_back']);
});

test('what an earlier run had learned is no news', () => {
  const pool = makePool({ keys });
  pool.use(DEAD_KEY, NOW);
  const watch = new AlertWatch(NOW + 1_000);
  const group = groupOf(pool.table, pool.upstreams);
  assert.deepEqual(watch.look([group], NOW + 1_000), []);
  assert.deepEqual(watch.look([group], NOW + 100_000), []);
});
