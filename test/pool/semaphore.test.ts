// Permits: as many as there are, exactly, over threads and over the death of threads.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { Semaphore } from '../../src/pool/semaphore.ts';
import { atEveryStep, Death, type Scene } from '../support/interleave.ts';

test('there are as many permits as asked for, and each is given once', () => {
  const buffer = Semaphore.create(3);
  const one = new Semaphore(buffer, 0);
  const two = new Semaphore(buffer, 1);
  const slots = [one.acquire(), two.acquire(), one.acquire()];
  assert.deepEqual([...slots].sort(), [0, 1, 2]);
  assert.equal(one.acquire(), -1);
  assert.equal(two.acquire(), -1);
  two.release(slots[1] ?? -1);
  assert.equal(one.inUse(), 2);
  assert.equal(one.acquire(), slots[1]);
});

test('giving back what one does not hold is refused', () => {
  const buffer = Semaphore.create(2);
  const one = new Semaphore(buffer, 0);
  const two = new Semaphore(buffer, 1);
  const slot = one.acquire();
  assert.throws(() => two.release(slot), RangeError);
  one.release(slot);
  assert.throws(() => one.release(slot), RangeError);
  assert.throws(() => one.release(-1), RangeError);
  assert.equal(one.inUse(), 0);
});

test('a dead worker’s permits come back, and only those', () => {
  const buffer = Semaphore.create(10);
  const dead = new Semaphore(buffer, 0);
  const alive = new Semaphore(buffer, 1);
  for (let i = 0; i < 4; i++) dead.acquire();
  for (let i = 0; i < 3; i++) alive.acquire();
  assert.equal(alive.reclaim(0), 4);
  assert.equal(alive.inUse(), 3);
  assert.equal(alive.reclaim(0), 0);
  const replacement = new Semaphore(buffer, 0);
  const slots = Array.from({ length: 8 }, () => replacement.acquire());
  assert.equal(slots.filter((slot) => slot >= 0).length, 7);
});

test('a dead worker that held every permit gives back every permit', () => {
  const { buffer, two } = stage([5, 0], 0);
  assert.equal(two.reclaim(0), 5);
  assertExact(buffer, []);
});

test('any order of taking and giving back agrees with a plain count', () => {
  const step = fc.record({ worker: fc.nat(2), take: fc.boolean(), which: fc.nat() });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.array(step), (permits, steps) => {
      const buffer = Semaphore.create(permits);
      const workers = [0, 1, 2].map((id) => ({ semaphore: new Semaphore(buffer, id), held: [-1] }));
      for (const { worker, take, which } of steps) {
        const own = workers[worker];
        if (own === undefined) continue;
        const before = workers.reduce((sum, { held }) => sum + held.length - 1, 0);
        if (take) {
          const slot = own.semaphore.acquire();
          assert.equal(slot >= 0, before < permits);
          assert.ok(slot < 0 || workers.every(({ held }) => !held.includes(slot)));
          if (slot >= 0) own.held.push(slot);
        } else if (own.held.length > 1) {
          const [slot] = own.held.splice(1 + (which % (own.held.length - 1)), 1);
          own.semaphore.release(slot ?? -1);
        }
        const held = workers.reduce((sum, w) => sum + w.held.length - 1, 0);
        assert.equal(own.semaphore.inUse(), held);
      }
    }),
  );
});

/** Permits, of which the first view holds some, and the second one some; `free` are left. */
function stage(holds: readonly [number, number], free: number) {
  const buffer = Semaphore.create(holds[0] + holds[1] + free);
  const [one, two] = [new Semaphore(buffer, 0), new Semaphore(buffer, 1)] as const;
  const take = (view: Semaphore, count: number) =>
    Array.from({ length: count }, () => view.acquire());
  return { buffer, one, two, own: take(one, holds[0]), others: take(two, holds[1]) };
}

/** Every permit has one owner, and the count says how many are taken. */
function assertExact(buffer: SharedArrayBuffer, held: readonly number[]): void {
  const third = new Semaphore(buffer, 2);
  const taken = held.filter((slot) => slot >= 0);
  assert.equal(new Set(taken).size, taken.length, `${taken} are held by two`);
  assert.equal(third.inUse(), taken.length);
  const rest = Array.from({ length: third.permits + 1 }, () => third.acquire());
  assert.equal(rest.filter((slot) => slot >= 0).length, third.permits - taken.length);
}

for (const permits of [1, 2, 3]) {
  test(`of ${permits} free permits each is given once, wherever another worker takes its turn`, () => {
    for (let wanted = 1; wanted <= permits; wanted += 1) {
      const places = atEveryStep((): Scene => {
        const { buffer, one, two } = stage([0, 0], permits);
        const held: number[] = [];
        return {
          run: () => held.push(one.acquire()),
          meanwhile: () => {
            for (let i = 0; i < wanted; i += 1) held.push(two.acquire());
          },
          check: () => assertExact(buffer, held),
        };
      });
      assert.ok(places > 0);
    }
  });
}

test('a permit that was just given back is given once, wherever another worker takes its turn', () => {
  // The view tries first what it gave back last: another one may have it by then.
  atEveryStep((): Scene => {
    const { buffer, one, two, own } = stage([1, 1], 0);
    one.release(own[0] ?? -1);
    const held = [1 - (own[0] ?? 0)];
    return {
      run: () => held.push(one.acquire()),
      meanwhile: () => held.push(two.acquire()),
      check: () => assertExact(buffer, held),
    };
  });
});

test('giving back and taking meet in any order, and none is lost or doubled', () => {
  atEveryStep((): Scene => {
    const { buffer, one, two, own, others } = stage([1, 1], 0);
    const held = [...others];
    return {
      run: () => one.release(own[0] ?? -1),
      meanwhile: () => held.push(two.acquire()),
      check: () => assertExact(buffer, held),
    };
  });
});

const DEEDS: Readonly<Record<string, (view: Semaphore, own: readonly number[]) => void>> = {
  taking: (view) => void view.acquire(),
  'giving back': (view, own) => view.release(own[0] ?? -1),
};

for (const [what, deed] of Object.entries(DEEDS)) {
  test(`a worker that dies anywhere in ${what} leaves nothing behind`, () => {
    const places = atEveryStep((): Scene => {
      const { buffer, one, two, own, others } = stage([2, 1], 2);
      return {
        run: () => deed(one, own),
        meanwhile: () => {
          throw new Death();
        },
        check: () => {
          two.reclaim(0);
          assertExact(buffer, others);
        },
      };
    });
    assert.ok(places > 1);
  });
}

test('what a dead worker held is given once, wherever another one takes its turn', () => {
  atEveryStep((): Scene => {
    const { buffer, two, others } = stage([2, 1], 0);
    const held = [...others];
    return {
      run: () => void new Semaphore(buffer, 3).reclaim(0),
      meanwhile: () => held.push(two.acquire(), two.acquire()),
      check: () => assertExact(buffer, held),
    };
  });
});

/**
 * Takes and gives back as fast as it can; counts in shared memory who is inside, and how many at
 * most.
 */
const CONTENDER = `
  import { workerData } from 'node:worker_threads';
  const { buffer, watch, id, url } = workerData;
  const { Semaphore } = await import(url);
  const semaphore = new Semaphore(buffer, id);
  const [INSIDE, MOST, GIVEN] = [0, 1, 2];
  const seen = new Int32Array(watch);
  for (;;) {
    const slot = semaphore.acquire();
    if (slot < 0) continue;
    const inside = Atomics.add(seen, INSIDE, 1) + 1;
    for (let most = Atomics.load(seen, MOST); inside > most; most = Atomics.load(seen, MOST)) {
      Atomics.compareExchange(seen, MOST, most, inside);
    }
    Atomics.add(seen, GIVEN, 1);
    Atomics.sub(seen, INSIDE, 1);
    semaphore.release(slot);
  }
`;

function contend(buffer: SharedArrayBuffer, watch: SharedArrayBuffer, id: number): Worker {
  const url = new URL('../../src/pool/semaphore.ts', import.meta.url).href;
  const source = new URL(`data:text/javascript,${encodeURIComponent(CONTENDER)}`);
  return new Worker(source, { workerData: { buffer, watch, id, url } });
}

for (const permits of [1, 2]) {
  test(`three threads never hold more than ${permits}, and all comes back when they die`, async () => {
    const buffer = Semaphore.create(permits);
    const watch = new SharedArrayBuffer(12);
    const seen = new Int32Array(watch);
    const given = () => Atomics.load(seen, 2);
    const workers = [0, 1, 2].map((id) => contend(buffer, watch, id));
    const deadline = Date.now() + 60_000;
    while (given() < 500_000 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // In the midst of it: wherever each of them stands.
    await Promise.all(workers.map((worker) => worker.terminate()));
    assert.ok(given() >= 100_000, `${given()} permits given`);
    const most = Atomics.load(seen, 1);
    assert.ok(most <= permits, `${most} held ${permits} permits`);
    const survivor = new Semaphore(buffer, 3);
    for (const id of [0, 1, 2]) survivor.reclaim(id);
    assert.equal(survivor.inUse(), 0);
    const slots = Array.from({ length: 10 }, () => survivor.acquire());
    assert.equal(slots.filter((slot) => slot >= 0).length, permits);
  });
}
