// What leaves the table for the state file and enters it again, what people are told, and what is
// forgotten.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ChangedKey,
  forgetAll,
  recall,
  takeChanged,
} from '../../../src/pool/keys/key-memory.ts';
import { listBlacklisted, listResting, summarise } from '../../../src/pool/keys/key-report.ts';
import {
  cooldown,
  DEAD_KEY,
  forModel,
  keyNames,
  makePool,
  NO_ACCESS,
  NOW,
  OK,
} from '../pool-fixture.ts';

const HOUR = 3_600_000;

function changes(table: Parameters<typeof takeChanged>[0], everything = false): ChangedKey[] {
  return [...takeChanged(table, everything)];
}

test('what changed is told once, with the key, however often it changed', () => {
  const { use, table } = makePool({ keys: keyNames(2), limits: { blacklistThreshold: 2 } });
  assert.deepEqual(changes(table), []);
  use(cooldown(1_000), NOW);
  use(OK, NOW);
  use(cooldown(HOUR), NOW + 2_000);
  const [told, ...more] = changes(table);
  assert.deepEqual(more, []);
  assert.equal(told?.key, 'key-0');
  assert.equal(told?.state, 'cooling');
  assert.equal(told?.restCount, 2);
  assert.equal(told?.reason, 'rate_limited');
  assert.ok(Math.abs(Number(told?.untilMs) - (NOW + 2_000 + HOUR)) <= 32);
  assert.ok(Math.abs(Number(told?.sinceMs) - (NOW + 2_000)) <= 32);
  assert.deepEqual(changes(table), []);
});

test('a success after a rest is told as ok: the store forgets the row', () => {
  const { use, table } = makePool({ keys: ['only'] });
  use(cooldown(1_000), NOW);
  changes(table);
  use(OK, NOW + 2_000);
  assert.deepEqual(
    changes(table).map(({ key, model, state }) => ({ key, model, state })),
    [{ key: 'only', model: '', state: 'ok' }],
  );
});

test('everything worth keeping can be asked for at any time', () => {
  const { use, table } = makePool({ keys: keyNames(4) });
  use(DEAD_KEY);
  use(cooldown(HOUR));
  use(cooldown(HOUR, 'model'), NOW, forModel('m'));
  changes(table);
  const told = changes(table, true).filter(({ state }) => state !== 'ok');
  assert.deepEqual(
    told.map(({ key, model, state }) => [key, model, state]),
    [
      ['key-0', '', 'dead'],
      ['key-1', '', 'cooling'],
      ['key-2', 'm', 'cooling'],
    ],
  );
});

test('what is put back after a restart is what was there', () => {
  const before = makePool({ keys: keyNames(5), limits: { blacklistThreshold: 2 } });
  before.use(DEAD_KEY);
  before.use(cooldown(HOUR));
  before.use(cooldown(2 * HOUR, 'model'), NOW, forModel('m'));
  before.use(NO_ACCESS, NOW, forModel('m'));
  const told = changes(before.table).filter(({ state }) => state !== 'ok');
  const after = makePool({ keys: keyNames(5), limits: { blacklistThreshold: 2 } });
  const nowMs = NOW + 60_000;
  for (const known of told) recall(after.table, Number(known.key.slice(4)), known, nowMs);
  assert.deepEqual(listResting(after.table, 10, nowMs), listResting(before.table, 10, nowMs));
  const again = changes(after.table).filter(({ state }) => state !== 'ok');
  assert.deepEqual(again, told);
  assert.equal(after.use(DEAD_KEY, nowMs), 'key-0');
  assert.equal(summarise(after.table, nowMs).blacklisted, 1, 'the count of rejections went on');
});

test('when a key was blacklisted is remembered although it was before this process', () => {
  const { table } = makePool({ keys: ['only'] });
  const sinceMs = NOW - 30 * 24 * HOUR;
  const known = { model: '', state: 'dead', reason: 'invalid_key', untilMs: NOW + HOUR } as const;
  recall(table, 0, { ...known, sinceMs, restCount: 0, deadCount: 4 }, NOW);
  const [listed] = listBlacklisted(table, 1);
  assert.ok(Math.abs(Number(listed?.blacklistAtMs) - sinceMs) <= 32);
  assert.deepEqual([listed?.failCount, listed?.reason], [4, 'invalid_key']);
});

test('a rest that ended while the process was down ends with the first lease, and its count goes on', () => {
  const { table, use } = makePool({ keys: ['only'] });
  const known = {
    model: '',
    state: 'cooling',
    reason: 'rate_limited',
    untilMs: NOW - HOUR,
  } as const;
  recall(table, 0, { ...known, sinceMs: NOW - 2 * HOUR, restCount: 3, deadCount: 0 }, NOW);
  assert.equal(use(cooldown(null), NOW), 'only');
  const [rest] = listResting(table, 1, NOW);
  assert.ok(Number(rest?.untilMs) >= NOW + 40_000);
});

test('reset makes every key ready again, in every lane, with counts at zero', () => {
  const { use, table, must } = makePool({ keys: keyNames(4), limits: { blacklistThreshold: 2 } });
  use(DEAD_KEY);
  use(cooldown(HOUR));
  use(cooldown(HOUR, 'model'), NOW, forModel('m'));
  forgetAll(table, NOW);
  assert.equal(summarise(table, NOW).healthy, 4);
  assert.deepEqual(listResting(table, 10, NOW), []);
  const used = new Set(Array.from({ length: 4 }, () => must(forModel('m')).key));
  assert.equal(used.size, 4);
  for (const key of ['a', 'b', 'c', 'd']) assert.equal(typeof use(DEAD_KEY), 'string', key);
  assert.equal(summarise(table, NOW).blacklisted, 0);
});

test('a result of before a reset does not count after it', () => {
  const { use, must, table } = makePool({ keys: ['only'] });
  use(cooldown(1_000));
  const late = must(undefined, NOW + 2_000);
  forgetAll(table, NOW + 2_000);
  late.settle(DEAD_KEY, NOW + 2_000);
  assert.equal(summarise(table, NOW + 2_000).healthy, 1);
});

test('lists have limits, previews and no keys', () => {
  const secret = 'sk-abcdefghijklmnopqrstuvwxyz';
  const { use, table } = makePool({ keys: [secret, ...keyNames(20)] });
  use(DEAD_KEY);
  for (let i = 0; i < 10; i++) use(DEAD_KEY);
  for (let i = 0; i < 10; i++) use(cooldown(HOUR));
  assert.equal(listBlacklisted(table, 5).length, 5);
  assert.equal(listResting(table, 5, NOW).length, 5);
  assert.equal(listBlacklisted(table, 1)[0]?.preview, 'sk-a...wxyz');
  const all = JSON.stringify([
    listBlacklisted(table, 99),
    listResting(table, 99, NOW),
    summarise(table, NOW),
  ]);
  assert.ok(!all.includes(secret) && !all.includes('key-'));
});

test('the summary adds up, and a rest that is over counts as healthy before anyone asks for the key', () => {
  const { use, table } = makePool({ keys: keyNames(6) });
  use(DEAD_KEY);
  use(cooldown(1_000));
  use(cooldown(HOUR));
  assert.deepEqual(summarise(table, NOW + 2_000), {
    total: 6,
    healthy: 4,
    blacklisted: 1,
    resting: 1,
    atLimit: 0,
    restingForModel: 0,
    currentIndex: 3,
  });
});
