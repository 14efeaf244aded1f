// The pool against a plain model of it: any order of leases, verdicts, late verdicts, reloads,
// resets and housekeeping leaves exactly those keys available that the model says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Verdict } from '../../src/policy/verdict.ts';
import { forgetAll } from '../../src/pool/keys/key-memory.ts';
import { summarise } from '../../src/pool/keys/key-report.ts';
import { type Held, MODELS, PlainPool, THRESHOLD } from './plain-pool.ts';
import { ANY, cooldown, DEAD_KEY, FAULT, makePool, NO_ACCESS, NOW, OK } from './pool-fixture.ts';

const KEYS = ['a', 'b', 'c', 'd', 'e'];
/** Every step takes longer than a survey is good for and half-open tries are apart. */
const STEP_MS = 1_024;

type Step =
  | { do: 'lease'; model: number }
  | { do: 'settle'; which: number; verdict: Verdict }
  | { do: 'wait'; steps: number }
  | { do: 'load'; keys: readonly string[] }
  | { do: 'reset' }
  | { do: 'heal' };

const verdicts: readonly Verdict[] = [
  OK,
  DEAD_KEY,
  NO_ACCESS,
  { ...FAULT, route: true },
  cooldown(null),
  cooldown(7_000),
  cooldown(null, 'model'),
  cooldown(90_000, 'model'),
  { kind: 'excluded', reason: 'client_left' },
];

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('lease' as const), model: fc.nat(2) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      which: fc.nat(),
      verdict: fc.constantFrom(...verdicts),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), steps: fc.nat(200) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('load' as const),
      keys: fc.shuffledSubarray(KEYS, { minLength: 1 }),
    }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'reset' }, { do: 'heal' }) },
);

test('the pool agrees with its plain model after any history', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => play(steps)),
    { numRuns: 400 },
  );
});

function play(steps: readonly Step[]): void {
  const real = makePool({ keys: KEYS, limits: { blacklistThreshold: THRESHOLD } });
  const model = new PlainPool();
  model.load(KEYS);
  const held: Held[] = [];
  let now = NOW;
  for (const s of steps) {
    now += STEP_MS;
    if (s.do === 'lease') lease(real, model, { held, model: MODELS[s.model], now });
    else if (s.do === 'settle' && held.length > 0) {
      const [chosen] = held.splice(s.which % held.length, 1);
      if (chosen === undefined) continue;
      chosen.lease.settle(s.verdict, now);
      model.settle(chosen, s.verdict, now);
    } else if (s.do === 'wait') now += s.steps * STEP_MS;
    else if (s.do === 'load') {
      real.load(s.keys, now);
      model.load(s.keys);
    } else if (s.do === 'reset') {
      forgetAll(real.table, now);
      model.reset();
    } else if (s.do === 'heal') real.table.healAfterCrash(now);
    compareSummary(real, model, now);
  }
}

function lease(
  real: ReturnType<typeof makePool>,
  model: PlainPool,
  { held, model: name, now }: { held: Held[]; model: string | undefined; now: number },
): void {
  const given = real.pool.lease({ ...ANY, model: name }, now);
  const available = [...model.statuses.keys()].filter((key) => model.isAvailable(key, name, now));
  const returnAt = model.firstReturn(name, now);
  if (given.kind === 'unavailable') {
    assert.deepEqual(available, []);
    assert.equal(given.retryAtMs, returnAt);
    return;
  }
  // Half-open: only when nothing is available, and nothing returns by itself.
  if (!available.includes(given.key)) assert.deepEqual([available, returnAt], [[], null]);
  assert.equal(real.isProbe(given), model.claim(given.key, name, now));
  const { key } = given;
  held.push({
    lease: given,
    key,
    model: name,
    life: model.lives.get(key) ?? 0,
    eras: model.eras(key),
  });
}

function compareSummary(real: ReturnType<typeof makePool>, model: PlainPool, now: number): void {
  const { healthy, blacklisted, resting, total } = summarise(real.table, now);
  const all = [...model.statuses.keys()].map((key) => model.status(key, ''));
  const dead = all.filter(({ state }) => state === 'dead').length;
  const cooling = all.filter(({ state, until }) => state === 'cooling' && until > now).length;
  assert.deepEqual(
    { total, healthy, blacklisted, resting },
    {
      total: all.length,
      healthy: all.length - dead - cooling,
      blacklisted: dead,
      resting: cooling,
    },
  );
}
