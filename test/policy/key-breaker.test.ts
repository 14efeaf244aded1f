// What each event makes of a key's status.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type KeyEvent,
  type KeyStatus,
  PROBE_CLAIM_MS,
  reduceKey,
} from '../../src/policy/key-breaker.ts';

const LIMITS = {
  blacklistThreshold: 3,
  keyCooldownMs: 5_000,
  keyCooldownMaxMs: 60_000,
  retryAfterMaxMs: 86_400_000,
  deadKeyProbeMs: 3_600_000,
  modelAccessMs: 600_000,
};
const READY: KeyStatus = { state: 'ready', restCount: 0, deadCount: 0, generation: 7, untilMs: 0 };
const middle = () => 0.5;

function cooldown(generation: number, nowMs: number, retryAfterMs: number | null = null): KeyEvent {
  return { kind: 'cooldown', generation, nowMs, retryAfterMs, random: middle };
}

function rejected(generation: number, nowMs: number): KeyEvent {
  return { kind: 'rejected', generation, nowMs, random: middle };
}

test('a success on a ready key with nothing counted is the same object: nothing to write', () => {
  assert.equal(reduceKey(READY, { kind: 'success', generation: 7 }, LIMITS), READY);
});

test('a named time is obeyed as named, at once, whatever the count', () => {
  const after = reduceKey(READY, cooldown(7, 1_000, 36_000_000), LIMITS);
  assert.deepEqual(after, {
    ...READY,
    state: 'cooling',
    restCount: 1,
    generation: 8,
    untilMs: 36_001_000,
  });
});

test('a named time is obeyed up to RETRY_AFTER_MAX, the end of a day or month as it is', () => {
  const week = cooldown(7, 1_000, 604_800_000);
  assert.equal(reduceKey(READY, week, LIMITS).untilMs, 86_401_000);
  const end = { ...week, isPeriodEnd: true } as KeyEvent;
  assert.equal(reduceKey(READY, end, LIMITS).untilMs, 604_801_000);
  // Late news are bounded as well.
  const resting = reduceKey(READY, cooldown(7, 0, 60_000), LIMITS);
  assert.equal(reduceKey(resting, week, LIMITS).untilMs, 86_401_000);
  assert.equal(reduceKey(resting, end, LIMITS).untilMs, 604_801_000);
});

test('one request takes the probe of a key whose rest is over, and none before', () => {
  const resting = reduceKey(READY, cooldown(7, 0, 60_000), LIMITS);
  const claim = (nowMs: number, force = false): KeyEvent => ({ kind: 'claim_probe', nowMs, force });
  assert.equal(reduceKey(resting, claim(59_999), LIMITS), resting);
  assert.equal(reduceKey(resting, claim(59_999, true), LIMITS), resting, 'no rest is cut short');
  const claimed = reduceKey(resting, claim(60_000), LIMITS);
  assert.equal(claimed.state, 'cooling');
  assert.equal(claimed.untilMs, 60_000 + PROBE_CLAIM_MS);
  assert.equal(reduceKey(claimed, claim(60_000), LIMITS), claimed, 'and no second one');
  const back = reduceKey(claimed, { kind: 'success', generation: claimed.generation }, LIMITS);
  assert.equal(back.state, 'ready');
  assert.equal(reduceKey(READY, claim(60_000), LIMITS), READY);
});

test('rests without a named time double, and stay below the cap', () => {
  let status = READY;
  const rests: number[] = [];
  for (let i = 0; i < 6; i++) {
    status = reduceKey(status, cooldown(status.generation, 0), LIMITS);
    rests.push(status.untilMs);
  }
  assert.deepEqual(rests, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
});

test('ten concurrent 429s count once', () => {
  let status = READY;
  for (let i = 0; i < 10; i++) status = reduceKey(status, cooldown(7, 0), LIMITS);
  assert.equal(status.restCount, 1);
  assert.equal(status.untilMs, 5_000);
});

test('a late 429 that names a later moment makes the rest longer and does not count', () => {
  const cooling = reduceKey(READY, cooldown(7, 0), LIMITS);
  const longer = reduceKey(cooling, cooldown(7, 100, 30_000), LIMITS);
  assert.equal(longer.untilMs, 30_100);
  assert.equal(longer.restCount, 1);
  assert.equal(reduceKey(longer, cooldown(7, 100, 1_000), LIMITS), longer);
});

test('below the threshold a rejected key rests, at the threshold it is dead', () => {
  const first = reduceKey(READY, rejected(7, 0), LIMITS);
  const second = reduceKey(first, rejected(8, 10_000), LIMITS);
  const third = reduceKey(second, rejected(9, 30_000), LIMITS);
  assert.deepEqual([first.state, second.state, third.state], ['cooling', 'cooling', 'dead']);
  assert.deepEqual([first.untilMs, second.untilMs], [5_000, 20_000]);
  assert.equal(third.untilMs, 3_630_000);
});

test('a success ends both counts, and the era goes on', () => {
  const first = reduceKey(READY, rejected(7, 0), LIMITS);
  const after = reduceKey(first, { kind: 'success', generation: 8 }, LIMITS);
  assert.deepEqual(after, { ...READY, generation: 8 });
});

test('a success of an older era does not end a rest', () => {
  const cooling = reduceKey(READY, cooldown(7, 0), LIMITS);
  assert.equal(reduceKey(cooling, { kind: 'success', generation: 7 }, LIMITS), cooling);
});

test('a due probe is claimed once, and its success restores the key', () => {
  const dead: KeyStatus = { ...READY, state: 'dead', deadCount: 3, untilMs: 1_000 };
  const early: KeyEvent = { kind: 'claim_probe', nowMs: 999, force: false };
  assert.equal(reduceKey(dead, early, LIMITS), dead);
  const due: KeyEvent = { kind: 'claim_probe', nowMs: 1_000, force: false };
  const claimed = reduceKey(dead, due, LIMITS);
  assert.equal(claimed.untilMs, 1_000 + PROBE_CLAIM_MS);
  assert.equal(reduceKey(claimed, due, LIMITS), claimed);
  const restored = reduceKey(claimed, { kind: 'success', generation: 8 }, LIMITS);
  assert.deepEqual(restored, { ...READY, generation: 8 });
});

test('a probe that is rejected waits for the whole interval again', () => {
  const claimed: KeyStatus = { ...READY, state: 'dead', deadCount: 3, untilMs: 121_000 };
  const after = reduceKey(claimed, rejected(7, 2_000), LIMITS);
  assert.equal(after.state, 'dead');
  assert.equal(after.deadCount, 4);
  assert.equal(after.untilMs, 3_602_000);
});

test('a rate limit on a probe proves that the key is alive', () => {
  const claimed: KeyStatus = { ...READY, state: 'dead', deadCount: 3, untilMs: 121_000 };
  assert.equal(reduceKey(claimed, cooldown(7, 0), LIMITS).state, 'cooling');
});

test('nothing but a new key changes a vacant row', () => {
  const vacant = reduceKey(READY, { kind: 'vacate' }, LIMITS);
  assert.equal(vacant.state, 'vacant');
  const { generation } = vacant;
  for (const event of [
    { kind: 'success', generation } as const,
    cooldown(generation, 0),
    rejected(generation, 0),
    { kind: 'claim_probe', nowMs: 0, force: true } as const,
  ]) {
    assert.equal(reduceKey(vacant, event, LIMITS), vacant);
  }
  assert.equal(reduceKey(vacant, { kind: 'reset' }, LIMITS).state, 'ready');
});

test('generations never go back, and only move when an era begins', () => {
  const event = fc.oneof(
    fc.record({ kind: fc.constant('success' as const), generation: fc.nat(3) }),
    fc.record({
      kind: fc.constant('cooldown' as const),
      generation: fc.nat(3),
      nowMs: fc.nat(100_000),
      retryAfterMs: fc.option(fc.nat(100_000)),
      random: fc.constant(middle),
    }),
    fc.record({
      kind: fc.constant('rejected' as const),
      generation: fc.nat(3),
      nowMs: fc.nat(100_000),
      random: fc.constant(middle),
    }),
  );
  fc.assert(
    fc.property(fc.array(event), (events) => {
      let status: KeyStatus = { ...READY, generation: 0 };
      for (const e of events) {
        const current = { ...e, generation: status.generation - (e.generation % 2) };
        const after = reduceKey(status, current, LIMITS);
        const step = after.generation - status.generation;
        assert.ok(step === 0 || step === 1);
        if (step === 0 && after !== status) assert.equal(after.state, 'ready');
        assert.equal(after.state === 'ready', after.untilMs === 0 && after.restCount === 0);
        status = after;
      }
    }),
  );
});
