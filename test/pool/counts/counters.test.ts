// Counting by many, summing by one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BUCKETS,
  COORDINATOR,
  Counters,
  WorkerCounters,
} from '../../../src/pool/counts/counters.ts';

test('what workers count adds up', () => {
  const buffer = Counters.create();
  const one = new WorkerCounters(buffer, 0);
  const two = new WorkerCounters(buffer, 127);
  one.add('requests');
  two.add('requests', 2);
  one.add('attempt.key_dead');
  two.add('bytesOut', 2 ** 40);
  const { totals } = new Counters(buffer).sum();
  assert.equal(totals.requests, 3);
  assert.equal(totals['attempt.key_dead'], 1);
  assert.equal(totals['attempt.success'], 0);
  assert.equal(totals.bytesOut, 2 ** 40);
});

test('counts stay exact beyond 32 bits', () => {
  const buffer = Counters.create();
  const counters = new WorkerCounters(buffer, 0);
  counters.add('bytesIn', 2 ** 52);
  counters.add('bytesIn');
  assert.equal(new Counters(buffer).sum().totals.bytesIn, 2 ** 52 + 1);
});

test('a dead worker’s gauges are zero, its totals stay', () => {
  const buffer = Counters.create();
  const all = new Counters(buffer);
  const dead = new WorkerCounters(buffer, 0);
  const alive = new WorkerCounters(buffer, 1);
  for (const worker of [dead, alive]) {
    worker.add('inFlight', 3);
    worker.add('openLeases', 2);
    worker.add('requests', 5);
  }
  all.workerDied(0);
  const { gauges, totals } = all.sum();
  assert.deepEqual([gauges.inFlight, gauges.openLeases, totals.requests], [3, 2, 10]);
});

test('latencies fall into the bucket whose bound they do not exceed', () => {
  const buffer = Counters.create();
  const counters = new WorkerCounters(buffer, 3);
  for (const ms of [0, 1, 1.5, 2, 100, 101, 600_000, 600_001, 1e9]) counters.observe('totalMs', ms);
  const { totalMs, firstByteMs } = new Counters(buffer).sum().histograms;
  const at = (bound: number) => totalMs.counts[BUCKETS.indexOf(bound as 1)];
  assert.deepEqual([at(1), at(2), at(100), at(250), at(600_000)], [2, 2, 1, 1, 1]);
  assert.equal(totalMs.counts.at(-1), 2);
  assert.equal(totalMs.count, 9);
  assert.equal(totalMs.sum, 0 + 1 + 1.5 + 2 + 100 + 101 + 600_000 + 600_001 + 1e9);
  assert.equal(firstByteMs.count, 0);
});

test('a worker that cannot be is refused', () => {
  assert.throws(() => new WorkerCounters(Counters.create(), COORDINATOR + 1), RangeError);
  assert.throws(() => new WorkerCounters(Counters.create(), -1), RangeError);
});
