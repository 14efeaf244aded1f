// Whose heartbeat says best what time it is at the server, and when it is no longer true.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServerClock } from '../../../src/serve/fleet/server-clock.ts';

test('the fastest answer says best what the time is', () => {
  const clock = new ServerClock();
  assert.equal(clock.aheadMs, undefined);
  clock.hear(1_000_100, 0, 200);
  assert.equal(clock.aheadMs, 1_000_000);
  clock.hear(1_001_040, 1_000, 10);
  clock.hear(1_002_090, 2_000, 150);
  assert.equal(clock.aheadMs, 1_000_035);
});

test('a clock that is set, or that of another server, is believed at once', () => {
  const clock = new ServerClock();
  for (let i = 0; i < 20; i += 1) clock.hear(1_000_000 + i * 500 + 0.5, i * 500, 1);
  // After a failover: a minute back, by an answer that took longer than all before.
  clock.hear(940_000 + 10_000 + 2, 10_000, 4);
  assert.equal(clock.aheadMs, 940_000);
});

test('what is too old to be true is forgotten', () => {
  const clock = new ServerClock();
  clock.hear(1_000_000.5, 0, 1);
  for (let i = 1; i <= 20; i += 1) clock.hear(1_000_000 + i * 500 + i + 5, i * 500, 10);
  assert.ok((clock.aheadMs ?? 0) >= 1_000_019, `${clock.aheadMs}`);
});
