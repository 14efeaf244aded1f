// Rests that hold for one model only: who is passed over for whom, and for how long.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forgetAll } from '../../../src/pool/keys/key-memory.ts';
import { listResting, summarise } from '../../../src/pool/keys/key-report.ts';
import { LANE_IDLE_MS } from '../../../src/pool/table/key-table.ts';
import { MAX_LANES } from '../../../src/pool/table/lane-directory.ts';
import {
  ANY,
  cooldown,
  DEAD_KEY,
  forModel,
  keyNames,
  makePool,
  NO_ACCESS,
  NOW,
  OK,
} from '../pool-fixture.ts';

const GPT = forModel('gpt-4o');
const MINI = forModel('gpt-4o-mini');

test('a rest for one model leaves the key to all others', () => {
  const { use } = makePool({ keys: keyNames(2) });
  assert.equal(use(cooldown(60_000, 'model'), NOW, GPT), 'key-0');
  assert.deepEqual([use(OK, NOW, GPT), use(OK, NOW, GPT)], ['key-1', 'key-1']);
  assert.deepEqual(new Set([use(OK, NOW, MINI), use(OK, NOW, MINI)]), new Set(keyNames(2)));
  assert.deepEqual(new Set([use(), use()]), new Set(keyNames(2)));
});

test('the rest for a model ends like any other', () => {
  const { use } = makePool({ keys: ['only'] });
  use(cooldown(60_000, 'model'), NOW, GPT);
  const refused = use(OK, NOW + 59_000, GPT);
  assert.ok(typeof refused === 'object' && refused.retryAtMs !== null);
  assert.ok(refused.retryAtMs >= NOW + 60_000 && refused.retryAtMs <= NOW + 60_032);
  assert.equal(use(OK, NOW + 60_032, GPT), 'only');
});

test('when the key also rests for all models, the later moment counts', () => {
  const { use } = makePool({ keys: ['only'] });
  use(cooldown(60_000, 'model'), NOW, GPT);
  use(cooldown(90_000), NOW, MINI);
  const refused = use(OK, NOW, GPT);
  assert.ok(typeof refused === 'object' && Number(refused.retryAtMs) >= NOW + 90_000);
  assert.equal(use(OK, NOW + 90_032, GPT), 'only');
});

test('what happens to the account shows in every lane', () => {
  const { use, load, table } = makePool({ keys: keyNames(3) });
  use(cooldown(60_000, 'model'), NOW, GPT);
  use(DEAD_KEY);
  assert.equal(use(OK, NOW, GPT), 'key-2');
  assert.equal(use(OK, NOW, GPT), 'key-2');
  load(['key-0', 'key-1', 'key-3']);
  assert.equal(use(OK, NOW, GPT), 'key-3');
  forgetAll(table, NOW);
  const all = new Set([use(OK, NOW, GPT), use(OK, NOW, GPT), use(OK, NOW, GPT)]);
  assert.deepEqual(all, new Set(['key-0', 'key-1', 'key-3']));
});

test('ten 429s for a model that had no lane yet count once', () => {
  const { must, table } = makePool({ keys: ['only'] });
  const leases = Array.from({ length: 10 }, () => must(GPT));
  for (const lease of leases) lease.settle(cooldown(null, 'model'), NOW);
  const [rest] = listResting(table, 10, NOW);
  assert.equal(rest?.model, 'gpt-4o');
  assert.ok(Number(rest?.untilMs) <= NOW + 5_032);
});

test('a model rest without a model holds for the account, and one too many for its model', () => {
  const { use, table } = makePool({ keys: keyNames(2 * MAX_LANES) });
  use(cooldown(60_000, 'model'), NOW, ANY);
  assert.equal(summarise(table, NOW).resting, 1);
  for (let i = 1; i < MAX_LANES; i++) use(cooldown(60_000, 'model'), NOW, forModel(`m${i}`));
  assert.equal(summarise(table, NOW).resting, 1);
  assert.equal(summarise(table, NOW).restingForModel, MAX_LANES - 1);
  use(cooldown(60_000, 'model'), NOW, forModel('one-too-many'));
  assert.equal(summarise(table, NOW).resting, 1);
  assert.equal(summarise(table, NOW).restingForModel, MAX_LANES);
});

test('models that no key has access to cannot use up the lanes of rate limits', () => {
  const { use, table } = makePool({ keys: ['only'] });
  for (let i = 0; i < 200; i++) use(NO_ACCESS, NOW, forModel(`typing-error-${i}`));
  use(cooldown(60_000, 'model'), NOW, GPT);
  assert.equal(summarise(table, NOW).resting, 0);
  assert.ok(listResting(table, 100, NOW).some((rest) => rest.model === 'gpt-4o'));
});

test('a key without access to a model is passed over for it, and asked again after a while', () => {
  const { use, limits } = makePool({ keys: keyNames(2) });
  assert.equal(use(NO_ACCESS, NOW, GPT), 'key-0');
  assert.deepEqual([use(OK, NOW, GPT), use(OK, NOW, GPT)], ['key-1', 'key-1']);
  const later = NOW + limits.modelAccessMs + 32;
  const uses = [use(OK, later, GPT), use(OK, later, GPT), use(OK, later, GPT), use(OK, later, GPT)];
  assert.deepEqual(uses, ['key-0', 'key-1', 'key-0', 'key-1']);
});

test('when no key has access to a model, one request a second asks again: the upstream explains itself', () => {
  const { use, pool } = makePool({ keys: keyNames(2) });
  use(NO_ACCESS, NOW, GPT);
  use(NO_ACCESS, NOW + 5, GPT);
  let asked = 0;
  for (let ms = 0; ms < 3_000; ms += 100) {
    const lease = pool.lease(GPT, NOW + 10 + ms);
    if (lease.kind === 'unavailable') {
      assert.equal(lease.shortage, 'no_access');
      continue;
    }
    asked++;
    lease.settle(NO_ACCESS, NOW + 10 + ms);
  }
  assert.equal(asked, 3);
  assert.equal(typeof use(OK, NOW + 10, MINI), 'string');
});

test('a lane is given up when nothing rests in it or nobody asks, and is then another model’s', () => {
  const { use, table } = makePool({ keys: keyNames(2) });
  use(cooldown(60_000, 'model'), NOW, GPT);
  use(cooldown(3 * LANE_IDLE_MS, 'model'), NOW, MINI);
  assert.equal(table.directory.active().length, 2);
  table.reclaimIdleLanes(NOW + 30_000);
  assert.equal(table.directory.active().length, 2);
  table.reclaimIdleLanes(NOW + 100_000);
  assert.deepEqual(
    table.directory.active().map((lane) => table.directory.model(lane)),
    ['gpt-4o-mini'],
  );
  table.reclaimIdleLanes(NOW + 100_000 + LANE_IDLE_MS);
  assert.equal(table.directory.active().length, 0);
  table.reclaimIdleLanes(NOW + 200_000 + LANE_IDLE_MS);
  const later = NOW + 300_000 + LANE_IDLE_MS;
  use(cooldown(60_000, 'model'), later, forModel('other'));
  assert.equal(table.directory.model(1), 'other');
  assert.equal(summarise(table, later).restingForModel, 1);
  assert.equal(listResting(table, 10, later).length, 1);
});

test('a late result of a lane that was given up does not touch the model that has it now', () => {
  const { use, must, table } = makePool({ keys: ['only'] });
  use(cooldown(1_000, 'model'), NOW, GPT);
  const late = must(GPT, NOW + 2_000);
  table.reclaimIdleLanes(NOW + 100_000);
  table.reclaimIdleLanes(NOW + 200_000);
  use(cooldown(1_000, 'model'), NOW + 201_000, MINI);
  late.settle(cooldown(3_600_000, 'model'), NOW + 210_000);
  assert.equal(use(OK, NOW + 211_000, MINI), 'only');
  const rests = listResting(table, 10, NOW + 211_000).map((rest) => rest.model);
  assert.deepEqual(rests, ['gpt-4o']);
});

test('names of models are told apart beyond what is kept of them, and by every byte of it', () => {
  const { use, table } = makePool({ keys: ['only'] });
  const long = 'm'.repeat(200);
  use(cooldown(60_000, 'model'), NOW, forModel(long));
  use(cooldown(60_000, 'model'), NOW, forModel('größe-模型'));
  assert.equal(use(OK, NOW, forModel(`${long}m`)), 'only');
  assert.equal(use(OK, NOW, forModel('größe-模型x')), 'only');
  assert.equal(typeof use(OK, NOW, forModel(long)), 'object');
  const names = listResting(table, 10, NOW).map((rest) => rest.model);
  assert.deepEqual(names, ['m'.repeat(128), 'größe-模型']);
});
