// How a worker's trails leave it: in time, one batch at a time, and never more in wait than there
// is room for.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type TrailBatch, TrailBatches } from '../../src/log/trail-batch.ts';
import { eventually } from '../support/eventually.ts';
import { trailWith } from './trail-fixture.ts';

function recorded() {
  const sent: TrailBatch[] = [];
  return { sent, batches: new TrailBatches('w0', (batch) => sent.push(batch)) };
}

test('a trail is sent within a moment, without more to push it', async () => {
  const { sent, batches } = recorded();
  const awake = setInterval(() => {}, 1_000);
  batches.add(trailWith());
  assert.equal(sent.length, 0);
  await eventually('the batch', () => sent[0], 5_000);
  assert.equal(sent[0]?.count, 1);
  clearInterval(awake);
});

test('while a batch is on its way the next one waits, then goes at once', () => {
  const { sent, batches } = recorded();
  batches.add(trailWith());
  batches.flush();
  batches.add(trailWith());
  batches.add(trailWith());
  batches.flush();
  assert.equal(sent.length, 1);
  batches.taken();
  assert.deepEqual(
    sent.map(({ count }) => count),
    [1, 2],
  );
});

test('what does not fit is dropped, counted and told with the next batch', () => {
  const { sent, batches } = recorded();
  const added = 20_000;
  for (let i = 0; i < added; i += 1) batches.add(trailWith());
  assert.equal(sent.length, 1, 'a busy coordinator gets no second one');
  batches.taken();
  assert.equal(sent.length, 2);
  batches.add(trailWith());
  batches.taken();
  batches.flush();
  const told = sent.reduce((sum, { count, dropped }) => sum + count + dropped, 0);
  assert.equal(told, added + 1);
  assert.ok((sent[1]?.dropped ?? 0) > 10_000);
});
