// A sliding minute in shared memory: never more than the limit in any 60 s, as a plain list of
// times says, and exact when threads race for it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { InFlight } from '../../../src/pool/limits/in-flight.ts';
import { MinuteWindows } from '../../../src/pool/limits/minute-windows.ts';

const START_MS = Date.UTC(2026, 0, 1);

test('no minute ever has more than the limit, and what is refused had a full one', () => {
  const steps = fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 200 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 9 }), (pauses, limit) => {
      const windows = new MinuteWindows(MinuteWindows.create(3), 0, 3);
      const admitted: number[] = [];
      let nowMs = START_MS;
      for (const pause of pauses) {
        nowMs += pause;
        const inMinute = admitted.filter((atMs) => atMs > nowMs - 60_000).length;
        const waitMs = windows.admit(1, limit, nowMs);
        if (waitMs === 0) {
          assert.ok(inMinute < limit);
          admitted.push(nowMs);
          continue;
        }
        // Whole seconds leave together, so a place may be refused for up to a second too long.
        const inWindow = admitted.filter((atMs) => atMs > nowMs - 61_000).length;
        assert.ok(inWindow >= limit, `${inWindow} of ${limit}`);
        assert.ok(waitMs > 0 && waitMs <= 61_000);
        const later = new MinuteWindows(MinuteWindows.create(1), 0, 1);
        assert.equal(later.admit(0, limit, nowMs), 0);
      }
      assert.equal(windows.inMinute(0, nowMs), 0);
      assert.equal(windows.inMinute(2, nowMs), 0);
    }),
  );
});

test('after the wait that it names there is room', () => {
  const windows = new MinuteWindows(MinuteWindows.create(1), 0, 1);
  for (let i = 0; i < 5; i += 1) assert.equal(windows.admit(0, 5, START_MS + i * 700), 0);
  const waitMs = windows.admit(0, 5, START_MS + 20_000);
  assert.ok(windows.admit(0, 5, START_MS + 20_000 + waitMs - 1) > 0);
  assert.equal(windows.admit(0, 5, START_MS + 20_000 + waitMs), 0);
  // Long after, or after the clock was set back, it starts anew.
  assert.equal(windows.inMinute(0, START_MS + 86_400_000), 0);
  assert.equal(windows.admit(0, 1, START_MS - 3_600_000), 0);
});

test('a total that a death left too high is put right', () => {
  const buffer = MinuteWindows.create(1);
  const windows = new MinuteWindows(buffer, 0, 1);
  windows.admit(0, 2, START_MS);
  Atomics.add(new Int32Array(buffer), 2 * 61, 1);
  assert.ok(windows.admit(0, 2, START_MS) > 0);
  windows.repair();
  assert.equal(windows.admit(0, 2, START_MS), 0);
  assert.ok(windows.admit(0, 2, START_MS) > 0);
});

const RACER = `
  const { workerData, parentPort } = require('node:worker_threads');
  import(workerData.module).then(({ MinuteWindows, InFlight }) => {
    const { buffer, nowMs, tries, limit } = workerData;
    let passed = 0;
    if (workerData.kind === 'minute') {
      const windows = new MinuteWindows(buffer, 0, 1);
      for (let i = 0; i < tries; i += 1) if (windows.admit(0, limit, nowMs + i) === 0) passed += 1;
    } else {
      const inFlight = new InFlight(buffer, 0, 2, 10);
      for (let i = 0; i < tries; i += 1) {
        if (!inFlight.enter(0, limit, workerData.id)) continue;
        if (inFlight.of(0) > limit + 4) throw new Error('too many');
        passed += 1;
        inFlight.leave(0, workerData.id);
      }
    }
    parentPort.postMessage(passed);
  });
`;

async function race(kind: 'minute' | 'flight', buffer: SharedArrayBuffer, limit: number) {
  const file = kind === 'minute' ? 'minute-windows' : 'in-flight';
  const module = new URL(`../../../src/pool/limits/${file}.ts`, import.meta.url).href;
  const passed = Array.from({ length: 4 }, (_, id) => {
    const workerData = { kind, buffer, module, nowMs: START_MS, tries: 5000, limit, id };
    const worker = new Worker(RACER, { eval: true, workerData });
    return new Promise<number>((resolve, reject) => {
      worker.once('message', resolve).once('error', reject);
    });
  });
  return (await Promise.all(passed)).reduce((sum, one) => sum + one, 0);
}

test('four threads that race for 60 a minute get 60', async () => {
  assert.equal(await race('minute', MinuteWindows.create(1), 60), 60);
});

test('four threads never hold more than the limit, and nothing stays taken', async () => {
  const buffer = InFlight.create(2, 10);
  assert.ok((await race('flight', buffer, 2)) > 0);
  const inFlight = new InFlight(buffer, 0, 2, 10);
  assert.equal(inFlight.of(0), 0);
  assert.ok(inFlight.enter(0, 2, 7) && inFlight.enter(0, 2, 8) && !inFlight.enter(0, 2, 9));
  inFlight.reclaim(7);
  assert.equal(inFlight.of(0), 1);
  assert.ok(inFlight.enter(0, 2, 9));
});
