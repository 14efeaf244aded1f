// Rests for more models than there are lanes: each key still rests for exactly the models that
// limited it, serves all others, and never rests as a whole because a table is full.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forgetAll } from '../../../src/pool/keys/key-memory.ts';
import { listResting, summarise } from '../../../src/pool/keys/key-report.ts';
import { cooldown, forModel, makePool, NO_ACCESS, NOW } from '../pool-fixture.ts';

const MODELS = 10_000;

test('ten thousand rate-limited models of one key leave it usable for the next one', () => {
  const { use, table } = makePool({ keys: ['a'] });
  for (let m = 0; m < MODELS; m++) {
    assert.equal(use(cooldown(600_000, 'model'), NOW, forModel(`model-${m}`)), 'a');
  }
  assert.equal(use(undefined, NOW, forModel('another')), 'a');
  assert.equal(use(undefined, NOW), 'a');
  let resting = 0;
  for (let m = 0; m < MODELS; m++) {
    if (typeof use(undefined, NOW, forModel(`model-${m}`)) === 'object') resting++;
  }
  // Of 10,000 pairs in 131,072 places with eight ways, next to none had to make room.
  assert.ok(resting >= MODELS - 10, `${resting}`);
  assert.ok(summarise(table, NOW).restingForModel >= MODELS - 10);
});

test('a model without a lane rests on the key that was limited, and returns in time', () => {
  const { use, must, table } = makePool({ keys: ['a', 'b'] });
  for (let m = 0; m < 100; m++) use(cooldown(600_000, 'model'), NOW, forModel(`m${m}`));
  const late = forModel('late');
  const limited = use(cooldown(60_000, 'model'), NOW, late);
  const other = limited === 'a' ? 'b' : 'a';
  for (let i = 0; i < 4; i++) assert.equal(use(undefined, NOW, late), other);
  assert.equal(use(cooldown(30_000, 'model'), NOW, late), other);
  const none = use(undefined, NOW, late);
  assert.ok(typeof none === 'object' && none.shortage === 'resting');
  assert.ok(Math.abs((none.retryAtMs ?? 0) - NOW - 30_000) < 64);
  const listed = listResting(table, 1_000, NOW).filter(({ model }) => model === 'late');
  assert.equal(listed.length, 2);
  assert.equal(must(late, NOW + 30_100).key, other);
  assert.equal(
    new Set([use(undefined, NOW + 61_000, late), use(undefined, NOW + 61_000, late)]).size,
    2,
  );
});

test('a key without access to a model without a lane is passed over for it', () => {
  const { use } = makePool({ keys: ['a', 'b'] });
  for (let m = 0; m < 100; m++) use(cooldown(600_000, 'model'), NOW, forModel(`m${m}`));
  const late = forModel('late');
  const without = use(NO_ACCESS, NOW, late);
  for (let i = 0; i < 4; i++) assert.notEqual(use(undefined, NOW, late), without);
});

test('a key in the row of one that left has no rests of it, and a reset ends all', () => {
  const { use, load, table } = makePool({ keys: ['a'], capacity: 1024 });
  for (let m = 0; m < 100; m++) use(cooldown(600_000, 'model'), NOW, forModel(`m${m}`));
  assert.equal(typeof use(undefined, NOW, forModel('m99')), 'object');
  forgetAll(table, NOW);
  assert.equal(use(undefined, NOW, forModel('m99')), 'a');
  use(cooldown(600_000, 'model'), NOW, forModel('x'));
  const later = NOW + 120_000;
  load([...Array.from({ length: 1024 }, (_, i) => `n${i}`)], later);
  assert.equal(summarise(table, later).restingForModel, 0);
});
