// The decision after an attempt, as a table; and the backoff behind its delays.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cooldownMs } from '../../src/policy/cooldown.ts';
import { type Attempt, nextStep, RETRY_MAX_MS } from '../../src/policy/retry.ts';
import type { Verdict } from '../../src/policy/verdict.ts';

const SUCCESS: Verdict = { kind: 'success' };
const DEAD: Verdict = { kind: 'key_dead', reason: 'invalid_key' };
const COOLING: Verdict = {
  kind: 'key_cooldown',
  reason: 'rate_limited',
  scope: 'model',
  retryAfterMs: 60_000,
};
const NO_ACCESS: Verdict = { kind: 'model_access', reason: 'forbidden' };
const CLIENT: Verdict = { kind: 'client_fault', reason: 'bad_request' };
const EXCLUDED: Verdict = { kind: 'excluded', reason: 'client_left' };
const FAULT: Verdict = {
  kind: 'upstream_fault',
  reason: 'server_error',
  retryAfterMs: null,
  ambiguous: false,
  route: false,
};
const NAMED: Verdict = { ...FAULT, retryAfterMs: 500 };
const AMBIGUOUS: Verdict = { ...FAULT, reason: 'headers_timeout', ambiguous: true };

function step(verdict: Verdict, change: Partial<Attempt> = {}): string {
  const next = nextStep({
    verdict,
    faults: 1,
    switches: 1,
    maxRetries: 3,
    maxKeySwitches: 10,
    replayable: true,
    isSearching: false,
    upstreams: 2,
    random: () => 0.5,
    ...change,
  });
  return next.action === 'again' ? `again after ${next.delayMs}` : next.action;
}

describe('nextStep', () => {
  const rows: readonly (readonly [string, Verdict, Partial<Attempt>, string])[] = [
    ['a success', SUCCESS, {}, 'relay'],
    ['a client fault', CLIENT, {}, 'relay'],
    ['a client fault on the last attempt', CLIENT, { faults: 4 }, 'relay'],
    ['a dead key', DEAD, {}, 'again after 0'],
    ['a dead key with one upstream', DEAD, { upstreams: 1 }, 'again after 0'],
    ['a cooling key, whatever its wait', COOLING, { upstreams: 1 }, 'again after 0'],
    ['a key without access', NO_ACCESS, {}, 'again after 0'],
    ['the last retry', FAULT, { faults: 3 }, 'again after 0'],
    ['no retry left', FAULT, { faults: 4 }, 'give_up'],
    ['the last switch of keys', DEAD, { switches: 10, faults: 9 }, 'again after 0'],
    ['no switch left', COOLING, { switches: 11, faults: 0 }, 'give_up'],
    ['no retries at all', FAULT, { maxRetries: 0 }, 'give_up'],
    ['no retries at all, of a dead key', DEAD, { maxRetries: 0 }, 'give_up'],
    ['a fault with another upstream', FAULT, {}, 'again after 0'],
    ['a fault with one upstream', FAULT, { upstreams: 1 }, 'again after 100'],
    ['a second fault with one upstream', FAULT, { upstreams: 1, faults: 2 }, 'again after 200'],
    ['a later fault', FAULT, { upstreams: 1, faults: 9, maxRetries: 20 }, 'again after 2000'],
    ['an ambiguous fault with another upstream', AMBIGUOUS, {}, 'again after 0'],
    ['an ambiguous fault with one upstream', AMBIGUOUS, { upstreams: 1 }, 'give_up'],
    ['a fault that names half a second', NAMED, { upstreams: 1 }, 'again after 500'],
    [
      'a fault that names a minute',
      { ...NAMED, retryAfterMs: 60_000 },
      { upstreams: 1 },
      'again after 2000',
    ],
    ['a fault that names a time, with another upstream', NAMED, {}, 'again after 0'],
    ['a body that cannot be replayed', DEAD, { replayable: false }, 'give_up'],
    ['a client that left', EXCLUDED, {}, 'give_up'],
  ];
  for (const [name, verdict, change, expected] of rows) {
    test(`${name}: ${expected}`, () => assert.equal(step(verdict, change), expected));
  }
});

describe('cooldownMs', () => {
  test('doubles from the base and stops at the cap', () => {
    const waits = [0, 1, 2, 3, 10, 10_000].map((n) => cooldownMs(5_000, n, 600_000, () => 0.5));
    assert.deepEqual(waits, [5_000, 10_000, 20_000, 40_000, 600_000, 600_000]);
  });

  test('is spread by a quarter to either side and never exceeds the cap', () => {
    assert.equal(
      cooldownMs(1_000, 0, 2_000, () => 0),
      750,
    );
    assert.equal(
      cooldownMs(1_000, 0, 2_000, () => 0.999_999),
      1_250,
    );
    assert.equal(
      cooldownMs(1_000, 1, RETRY_MAX_MS, () => 0.999_999),
      2_000,
    );
  });
});
