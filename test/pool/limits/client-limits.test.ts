// What a client may ask for, where it is a matter of clocks: a minute is one of the steady clock, a
// day one of the calendar. Over HTTP: e2e/client-limits.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClockMemory } from '../../../src/pool/clock-memory.ts';
import { ClientLimits } from '../../../src/pool/limits/client-limits.ts';

const NOW = Date.UTC(2026, 0, 1, 23);
const HOUR = 3_600_000;
const CLIENT = { place: 0, rpm: 0, concurrency: 0, tokensPerDay: 0 };

function limits() {
  const clock = ClockMemory.create();
  const own = new ClientLimits(ClientLimits.create(1, 1, { clock }), 0);
  return { own, clock: new ClockMemory(clock) };
}

test('tokens of a day come back at midnight by the wall clock, wherever it was set to', () => {
  const { own, clock } = limits();
  const client = { ...CLIENT, tokensPerDay: 10 };
  own.addTokens(client, 10, NOW);
  assert.equal(own.enter(client, NOW)?.waitMs, HOUR);
  clock.aheadMs = -2 * HOUR;
  assert.equal(own.enter(client, NOW)?.waitMs, 3 * HOUR);
  clock.aheadMs = HOUR;
  assert.equal(own.enter(client, NOW), undefined);
});

test('a minute is a minute, whatever becomes of the wall clock', () => {
  const { own, clock } = limits();
  const client = { ...CLIENT, rpm: 1 };
  assert.equal(own.enter(client, NOW), undefined);
  for (const aheadMs of [HOUR, -HOUR]) {
    clock.aheadMs = aheadMs;
    assert.equal(own.enter(client, NOW + 30_000)?.limit, 'rpm');
  }
  assert.equal(own.enter(client, NOW + 62_000), undefined);
});
