// The parts of a limit that instances use: never more than the limit together, whoever comes, goes
// or learns late; and all of it once everybody knows everybody.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ALONE, nextStanding, partOf, type Standing } from '../../src/policy/fleet-shares.ts';

test('parts make up the whole, and differ by one at most', () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.integer({ min: 1, max: 50 }), (limit, instances) => {
      const parts = Array.from({ length: instances }, (_, rank) =>
        partOf(limit, { instances, rank }),
      );
      assert.equal(
        parts.reduce((sum, part) => sum + part, 0),
        limit,
      );
      assert.ok(Math.max(...parts) - Math.min(...parts) <= 1);
    }),
  );
});

const used = (limit: number, standing: Standing | undefined) =>
  standing === undefined
    ? 0
    : Math.min(partOf(limit, standing.settled), partOf(limit, standing.target));

/** A server that keeps what each living instance said last, as the heartbeat's script does. */
class Fleet {
  readonly #rolls = new Map<string, string>();
  #changes = 0;
  readonly standings = new Map<string, Standing | undefined>();

  beat(self: string): void {
    const before = this.standings.get(self);
    if (!this.#rolls.has(self)) this.#changes += 1;
    this.#rolls.set(self, before?.roll ?? '');
    const others = [...this.#rolls]
      .filter(([id]) => id !== self)
      .map(([id, roll]) => ({ id, roll }));
    const roll = String(this.#changes);
    this.standings.set(self, nextStanding(before, { self, roll, others, isWhole: true }));
  }

  die(self: string): void {
    if (this.#rolls.has(self)) this.#changes += 1;
    this.#rolls.delete(self);
    this.standings.delete(self);
  }
}

test('instances that come, go and beat in any order never use more than there is', () => {
  const step = fc.record({ who: fc.nat(4), dies: fc.nat(9).map((n) => n === 0) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.nat(100), (steps, limit) => {
      const fleet = new Fleet();
      for (const { who, dies } of steps) {
        if (dies) fleet.die(`i${who}`);
        else fleet.beat(`i${who}`);
        const sum = [...fleet.standings.values()].reduce((all, one) => all + used(limit, one), 0);
        assert.ok(sum <= limit, `${sum} of ${limit}`);
      }
      for (let round = 0; round < 3; round++) {
        for (const id of [...fleet.standings.keys()]) fleet.beat(id);
      }
      const sum = [...fleet.standings.values()].reduce((all, one) => all + used(limit, one), 0);
      assert.equal(sum, fleet.standings.size === 0 ? 0 : limit);
    }),
    { numRuns: 2_000 },
  );
});

test('one that is back takes no more than it had until the others must be back too', () => {
  const two = { self: 'a', roll: '2', others: [{ id: 'b', roll: '2' }], isWhole: true };
  const settled = nextStanding(undefined, two);
  assert.equal(used(60, settled), 30);
  const alone = { self: 'a', roll: '3', others: [], isWhole: false };
  const back = nextStanding(settled, alone);
  assert.equal(used(60, back), 30);
  assert.deepEqual(nextStanding(back, { ...alone, isWhole: true }).settled, ALONE);
});
