// The difference of two clocks as heartbeats see it: the quickest knows best, and a jump is noticed
// by the first that cannot be true together with it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerClock } from '../../../src/serve/fleet/server-clock.ts';

test('the quickest of the last twenty heartbeats tells the difference', () => {
  const clock = new ServerClock();
  assert.equal(clock.aheadMs, 0);
  clock.add({ tripMs: 40, aheadMs: 115 });
  clock.add({ tripMs: 2, aheadMs: 100 });
  clock.add({ tripMs: 30, aheadMs: 90 });
  assert.equal(clock.aheadMs, 100);
  for (let i = 0; i < 20; i += 1) clock.add({ tripMs: 30, aheadMs: 92 });
  assert.equal(clock.aheadMs, 92);
});

for (const jumpMs of [-28_800_000, 28_800_000, 300]) {
  test(`a clock that jumps by ${jumpMs} ms is believed at once, however slow the heartbeat`, () => {
    const clock = new ServerClock();
    for (let i = 0; i < 20; i += 1) clock.add({ tripMs: 1, aheadMs: 100 });
    clock.add({ tripMs: 400, aheadMs: 100 + jumpMs });
    clock.add({ tripMs: 200, aheadMs: 105 + jumpMs });
    assert.equal(clock.aheadMs, 105 + jumpMs);
  });
}

test('a slow heartbeat alone is no jump', () => {
  const clock = new ServerClock();
  clock.add({ tripMs: 1, aheadMs: 100 });
  clock.add({ tripMs: 2_000, aheadMs: 1_090 });
  assert.equal(clock.aheadMs, 100);
});
