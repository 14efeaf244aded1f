// What a worker leaves half done when it dies, and that the next lease or the coordinator finishes
// it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANY, cooldown, DEAD_KEY, forModel, keyNames, makePool, NOW, OK } from './pool-fixture.ts';

test('a key whose bit was lost with its worker is found when it is the last one', () => {
  const { use, table } = makePool({ keys: keyNames(2) });
  use(DEAD_KEY);
  table.account.available.delete(1);
  assert.equal(use(), 'key-1');
});

test('a bit that was left over with its worker gives no key that must not be used', () => {
  const { use, table } = makePool({ keys: keyNames(2) });
  use(DEAD_KEY);
  table.account.available.add(0);
  assert.deepEqual([use(), use(), use()], ['key-1', 'key-1', 'key-1']);
  assert.ok(!table.account.available.has(0));
});

test('a sweep that died half-way is finished by the coordinator', () => {
  for (const model of [undefined, 'm']) {
    const request = { ...ANY, model };
    const { use, table } = makePool({ keys: keyNames(3) });
    for (let i = 0; i < 3; i++) {
      use(cooldown(1_000, model === undefined ? 'account' : 'model'), NOW, request);
    }
    const [own = 0] = model === undefined ? [0] : table.directory.active();
    const nowTick = table.tick(NOW + 2_000);
    assert.throws(() => {
      table.lane(own).sweep(nowTick, () => {
        throw new Error('the thread ends here');
      });
    });
    assert.ok(!table.lane(own).isDue(nowTick));
    table.healAfterCrash(NOW + 2_000);
    const used = new Set([0, 1, 2].map(() => use(OK, NOW + 2_000, request)));
    assert.equal(used.size, 3);
  }
});

test('rests that the dead worker did not enter into the calendar end on time all the same', () => {
  const { use, table } = makePool({ keys: keyNames(2) });
  const status = { state: 'cooling', restCount: 1, deadCount: 0, untilMs: 0 } as const;
  const untilMs = table.sinceEpoch(NOW) + 5_000;
  // The word was changed, and nothing after it happened.
  table.account.words.changeKey(0, (s) => ({ ...s, ...status, untilMs }));
  table.healAfterCrash(NOW);
  assert.deepEqual([use(), use()], ['key-1', 'key-1']);
  const later = NOW + 6_000;
  assert.deepEqual(new Set([use(OK, later), use(OK, later)]), new Set(keyNames(2)));
});

test('healing puts every bit right, in every lane, and is idle where nothing is wrong', () => {
  const { use, table } = makePool({ keys: keyNames(40) });
  for (let i = 0; i < 10; i++) use(DEAD_KEY);
  for (let i = 0; i < 10; i++) use(cooldown(60_000, 'model'), NOW, forModel('m'));
  const [own = 0] = table.directory.active();
  const right = (lane: number) => {
    return Array.from({ length: 40 }, (_, row) => table.lane(lane).available.has(row));
  };
  const before = [right(0), right(own)];
  for (let row = 0; row < 40; row += 3) {
    for (const lane of [0, own]) {
      const { available } = table.lane(lane);
      if (available.has(row)) available.delete(row);
      else available.add(row);
    }
  }
  assert.notDeepEqual([right(0), right(own)], before);
  table.healAfterCrash(NOW);
  assert.deepEqual([right(0), right(own)], before);
  table.healAfterCrash(NOW);
  assert.deepEqual([right(0), right(own)], before);
});

test('a lane whose taker died over its name is free again after a while', () => {
  const { table } = makePool({ keys: ['only'] });
  const taken = table.directory.take('m', 0, table.tick(NOW));
  assert.equal(taken, 1);
  assert.equal(table.laneFor('m', table.tick(NOW)), 0);
  table.reclaimIdleLanes(NOW + 120_000);
  assert.equal(table.directory.take('other', 0, table.tick(NOW)), 1);
});

test('healing makes rows findable that a death within the bitmap has hidden', (t) => {
  const { use, table } = makePool({ keys: keyNames(40) });
  use(cooldown(60_000, 'model'), NOW, forModel('m'));
  const repairs = [table.changed, ...[0, 1].map((lane) => table.lane(lane).available)].map(
    (bitmap) => t.mock.method(bitmap, 'repair'),
  );
  table.healAfterCrash(NOW);
  for (const repair of repairs) assert.equal(repair.mock.callCount(), 1);
});
