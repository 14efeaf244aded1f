// What each event makes of an upstream's status.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  reduceUpstream,
  TRIAL_CLAIM_MS,
  UPSTREAM_COOLDOWN_MAX_MS,
  type UpstreamEvent,
  type UpstreamStatus,
} from '../../src/policy/upstream-breaker.ts';

const LIMITS = { upstreamFailureThreshold: 3, upstreamCooldownMs: 5_000 };
const CLOSED: UpstreamStatus = {
  state: 'closed',
  trips: 0,
  failures: 0,
  generation: 0,
  untilMs: 0,
};

function fault(generation: number, nowMs = 0, retryAfterMs: number | null = null): UpstreamEvent {
  return { kind: 'fault', generation, nowMs, retryAfterMs, random: () => 0.5 };
}

function after(status: UpstreamStatus, ...events: UpstreamEvent[]): UpstreamStatus {
  return events.reduce((s, event) => reduceUpstream(s, event, LIMITS), status);
}

test('only consecutive faults eject', () => {
  const alive: UpstreamEvent = { kind: 'alive', generation: 0 };
  const status = after(CLOSED, fault(0), fault(0), alive, fault(0), fault(0));
  assert.equal(status.state, 'closed');
  assert.equal(status.failures, 2);
  assert.equal(after(status, fault(0)).state, 'open');
});

test('a hundred faults of one outage eject once', () => {
  const status = after(CLOSED, ...Array.from({ length: 100 }, () => fault(0)));
  assert.deepEqual(status, { state: 'open', trips: 1, failures: 3, generation: 1, untilMs: 5_000 });
});

test('one trial at a time, and its fault doubles the rest, up to a minute', () => {
  let status = after(CLOSED, fault(0), fault(0), fault(0));
  const rests: number[] = [];
  for (let i = 0; i < 6; i++) {
    const nowMs = status.untilMs;
    status = after(status, { kind: 'claim_trial', nowMs });
    assert.equal(status.state, 'half_open');
    assert.equal(after(status, { kind: 'claim_trial', nowMs: nowMs + TRIAL_CLAIM_MS - 1 }), status);
    status = after(status, fault(status.generation, nowMs));
    rests.push(status.untilMs - nowMs);
  }
  assert.deepEqual(rests, [10_000, 20_000, 40_000, 60_000, 60_000, 60_000]);
});

test('an answer to the trial, whatever it says, lets the upstream back', () => {
  const open = after(CLOSED, fault(0), fault(0), fault(0));
  const trial = after(open, { kind: 'claim_trial', nowMs: 5_000 });
  const back = after(trial, { kind: 'alive', generation: trial.generation });
  assert.deepEqual(back, { ...CLOSED, generation: 2 });
});

test('an answer of before the outage does not end it', () => {
  const open = after(CLOSED, fault(0), fault(0), fault(0));
  assert.equal(after(open, { kind: 'alive', generation: 0 }), open);
});

test('a time that the upstream names is obeyed up to a minute', () => {
  const named = after(CLOSED, fault(0), fault(0), fault(0, 0, 30_000));
  assert.equal(named.untilMs, 30_000);
  const long = after(CLOSED, fault(0), fault(0), fault(0, 0, 3_600_000));
  assert.equal(long.untilMs, UPSTREAM_COOLDOWN_MAX_MS);
});
