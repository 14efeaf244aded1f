// What the page shows of the past: rates and latencies of each stretch, bounded, and changes that
// are noticed without looking at every key when all is well.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Counters, WorkerCounters } from '../../src/pool/counts/counters.ts';
import type { GroupView } from '../../src/pool/group-view.ts';
import { DashboardKeeper } from '../../src/serve/dashboard-history.ts';
import type { UsageKeeper } from '../../src/serve/usage-keeper.ts';
import { groupOf } from '../pool/group-fixture.ts';
import { DEAD_KEY, keyNames, makePool, NOW } from '../pool/pool-fixture.ts';

function kept() {
  const buffer = Counters.create();
  const series = [{ input: 0, output: 0 }];
  const usage = { series } as unknown as UsageKeeper;
  const keeper = new DashboardKeeper(new Counters(buffer), usage, NOW);
  return { keeper, counters: new WorkerCounters(buffer, 0), series };
}

/** As when nobody has set the wall clock. */
function look(keeper: DashboardKeeper, groups: readonly GroupView[], nowMs: number): void {
  keeper.keepHouse(groups, nowMs, nowMs);
}

test('a point has what happened since the one before, and the percentiles of just that', () => {
  const { keeper, counters, series } = kept();
  counters.add('requests', 10);
  counters.add('failed', 2);
  for (let i = 0; i < 10; i += 1) counters.observe('totalMs', i < 9 ? 20 : 900);
  series[0] = { input: 70, output: 30 };
  look(keeper, [], NOW + 4_000);
  assert.equal(keeper.since(0).recent.length, 0);
  look(keeper, [], NOW + 5_000);
  const [point] = keeper.since(0).recent;
  assert.deepEqual(point?.slice(0, 3), [(NOW + 5_000) / 1000, 10, 2]);
  const [, , , p50 = 0, p95 = 0, tokens] = point ?? [];
  assert.ok(p50 > 10 && p50 <= 25, `${p50}`);
  assert.ok(p95 > 500 && p95 <= 1_000, `${p95}`);
  assert.equal(tokens, 100);
  look(keeper, [], NOW + 10_000);
  assert.deepEqual(keeper.since((NOW + 5_000) / 1000).recent[0]?.slice(1), [0, 0, -1, -1, 0]);
});

test('an hour of points and a day of minutes are kept, and no more', () => {
  const { keeper, counters } = kept();
  for (let step = 1; step <= 20_000; step += 1) {
    counters.add('requests');
    look(keeper, [], NOW + step * 5_000);
  }
  const { recent, minutes } = keeper.since(0);
  assert.equal(recent.length, 720);
  assert.equal(minutes.length, 1_440);
  assert.equal(minutes.at(-1)?.[1], 12);
});

test('a key that dies is noticed, and that it is back', () => {
  const { keeper, counters } = kept();
  const { table, upstreams, use } = makePool({ keys: keyNames(3) });
  const group = groupOf(table, upstreams);
  keeper.begin([group], NOW);
  use(DEAD_KEY, NOW + 1_000);
  counters.add('attempt.key_dead');
  look(keeper, [group], NOW + 5_000);
  const events = () => keeper.since(0).changes.map(({ event }) => event);
  assert.deepEqual(events(), ['keys_blacklisted']);
  table.apply(0, 0, { kind: 'reset' }, { nowTick: table.tick(NOW + 6_000), reason: 'none' });
  look(keeper, [group], NOW + 10_000);
  assert.deepEqual(events(), ['keys_blacklisted', 'keys_restored']);
});
