// The wall clock is asked once a second; what comes between is reckoned from the monotonic one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WallClock } from '../../src/front/wall-clock.ts';

test('moments are told in whole milliseconds, and the system is asked once a second', () => {
  let asked = 0;
  let nowMs = 5_000;
  const clock = new WallClock(() => {
    asked += 1;
    return 1_700_000_000_000 + nowMs;
  });
  for (let i = 0; i < 100; i += 1) {
    nowMs = 5_000 + i * 9.9;
    assert.equal(clock.of(nowMs - 12.3, nowMs), Math.round(1_700_000_000_000 + nowMs - 12.3));
  }
  assert.equal(asked, 1);
  nowMs = 6_000;
  assert.equal(clock.of(100, nowMs), 1_700_000_000_100);
  assert.equal(asked, 2);
});

test('a clock that was set is followed a second later, in both directions', () => {
  let wallMs = 1_000_000;
  const clock = new WallClock(() => wallMs);
  assert.equal(clock.of(0, 0), 1_000_000);
  for (const setMs of [9_000_000, 1_000]) {
    wallMs = setMs;
    const nowMs = setMs === 1_000 ? 2_500 : 1_200;
    assert.equal(clock.of(nowMs - 200, nowMs), setMs - 200);
  }
});
