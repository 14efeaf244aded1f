// What requests used is added up by what they have in common and handed over as it is, each request
// once, whatever rows were counted before.

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { type UsageOf, type UsageRow, UsageTally } from '../../src/proxy/usage-tally.ts';
import { liveHeapBytes } from '../support/live-heap.ts';

const USED = { input: 10, cached: 4, cacheWrite: 0, output: 3, reasoning: 1 };
const HOUR_MS = 3_600_000;
/** Longer than what is counted may wait. */
const SOON_MS = 1_000;

/** As a message to another thread would have them. */
function recorded() {
  const sent: UsageRow[][] = [];
  const tally = new UsageTally((rows) => sent.push(structuredClone([...rows])));
  return { sent, tally };
}

function of(different: Partial<UsageOf> = {}): UsageOf {
  return { client: 'ci', group: 'openai', model: 'gpt-4o', row: 0, ...different };
}

function clock(): Disposable {
  mock.timers.enable({ apis: ['Date', 'setTimeout'], now: 100 * HOUR_MS });
  return { [Symbol.dispose]: () => mock.timers.reset() };
}

test('requests that have all in common are one row, sent soon and only once', () => {
  using _ = clock();
  const { sent, tally } = recorded();
  tally.add(of(), false, USED);
  tally.add(of(), true, USED);
  tally.add(of(), false, undefined);
  tally.add(of(), true, undefined);
  assert.equal(sent.length, 0);
  mock.timers.tick(SOON_MS);
  const sums = { input: 20, cached: 8, cacheWrite: 0, output: 6, reasoning: 2 };
  const counts = { requests: 4, failed: 2, unknown: 1 };
  assert.deepEqual(sent, [[{ hour: 100, ...of(), ...counts, ...sums }]]);
  mock.timers.tick(10 * SOON_MS);
  assert.equal(sent.length, 1);
});

test('what is counted while the process shuts down is sent almost at once', () => {
  using _ = clock();
  const { sent, tally } = recorded();
  tally.add(of(), false, USED);
  tally.hasten();
  assert.equal(sent.length, 1);
  tally.add(of(), false, USED);
  mock.timers.tick(20);
  assert.deepEqual(
    sent.flat().map(({ requests }) => requests),
    [1, 1],
  );
});

test('a row begins at nothing after it was sent, and is sent again only when it counts', () => {
  using _ = clock();
  const { sent, tally } = recorded();
  for (const rows of [[0, 1], [1], [], [0, 0]]) {
    for (const row of rows) tally.add(of({ row }), false, USED);
    mock.timers.tick(SOON_MS);
  }
  const told = sent.map((rows) => rows.map(({ row, requests, input }) => [row, requests, input]));
  assert.deepEqual(told, [
    [
      [0, 1, 10],
      [1, 1, 10],
    ],
    [[1, 1, 10]],
    [[0, 2, 20]],
  ]);
});

test('whatever tells two requests apart keeps their rows apart', () => {
  using _ = clock();
  const { sent, tally } = recorded();
  const different = [{}, { client: '' }, { group: 'b' }, { model: undefined }, { row: -1 }];
  for (const round of [1, 2]) {
    for (const one of different) tally.add(of(one), false, USED);
    tally.flush();
    const rows = sent[round - 1] ?? [];
    assert.equal(rows.length, different.length);
    for (const { requests } of rows) assert.equal(requests, 1);
  }
  assert.equal(sent[0]?.[3]?.model, '');
});

test('an hour that is over takes no more requests', () => {
  using _ = clock();
  const { sent, tally } = recorded();
  tally.add(of(), false, USED);
  mock.timers.tick(SOON_MS);
  mock.timers.setTime(101 * HOUR_MS);
  tally.add(of(), false, USED);
  tally.flush();
  assert.deepEqual(
    sent.map((rows) => rows.map(({ hour, requests }) => [hour, requests])),
    [[[100, 1]], [[101, 1]]],
  );
});

test('any number of models is counted, each request once, some thousand at a time', () => {
  using _ = clock();
  const { sent, tally } = recorded();
  const models = 10_000;
  for (let i = 0; i < models; i += 1) tally.add(of({ model: `m${i}` }), false, USED);
  mock.timers.tick(SOON_MS);
  tally.flush();
  const rows = sent.flat();
  assert.ok(sent.length > 1 && sent.every((some) => some.length <= 4_096));
  assert.equal(new Set(rows.map(({ model }) => model)).size, models);
  assert.equal(
    rows.reduce((sum, { requests }) => sum + requests, 0),
    models,
  );
});

test('of a long name only what is counted is kept', () => {
  const { sent, tally } = recorded();
  const before = liveHeapBytes();
  for (let i = 0; i < 2_000; i += 1) {
    tally.add(of({ model: `${i}-${'x'.repeat(30_000)}`.slice(0, 25_000) }), false, USED);
    tally.add(
      of({ model: `/models/m-of-some-length-${i}/${'x'.repeat(30_000)}`.slice(8, 26) }),
      false,
      USED,
    );
  }
  tally.flush();
  assert.equal(sent.flat()[0]?.model.length, 128);
  sent.length = 0;
  const grown = liveHeapBytes() - before;
  assert.ok(grown < 5 * 1024 * 1024, String(grown));
});
