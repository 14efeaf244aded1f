// The clock that nobody sets back, with the machine's clocks turned by hand: what a wall clock that
// is set, a machine that slept and a slow drift do to it; and that threads agree on it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { ClockMemory } from '../../src/pool/clock-memory.ts';
import { SteadyClock } from '../../src/serve/steady-clock.ts';

const START = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;

/** A machine that has been up for a day, and slept for some of it. */
function machine() {
  const it = { wallMs: START, timerMs: 50_000, uptimeMs: 86_400_000 };
  const clock = new SteadyClock(ClockMemory.create(), () => it.timerMs);
  const readings = () => ({ wallMs: it.wallMs, uptimeMs: () => it.uptimeMs });
  clock.anchor(readings());
  /** It runs, or sleeps, for so long. */
  const run = (ms: number) => {
    it.wallMs += ms;
    it.timerMs += ms;
    it.uptimeMs += ms;
  };
  const sleep = (ms: number) => {
    it.wallMs += ms;
    it.uptimeMs += ms;
  };
  const set = (ms: number) => {
    it.wallMs += ms;
  };
  return { clock, run, sleep, set, tend: () => clock.tend(readings()), shown: () => it.wallMs };
}

test('it begins with the wall clock and goes with it as long as nobody sets that', () => {
  const { clock, run, tend } = machine();
  assert.equal(clock.now(), START);
  for (let second = 1; second <= 5; second += 1) {
    run(1_000);
    assert.equal(tend(), 0);
    assert.equal(clock.now(), START + second * 1_000);
    assert.equal(clock.memory.wallOf(clock.now()), clock.now());
  }
});

for (const setMs of [-HOUR, HOUR, -30 * 365 * 24 * HOUR]) {
  test(`a wall clock set by ${setMs / HOUR} h moves what is shown, and nothing else`, () => {
    const { clock, run, set, tend, shown } = machine();
    set(setMs);
    run(1_000);
    assert.equal(clock.now(), START + 1_000, 'before it is noticed');
    assert.equal(tend(), setMs);
    assert.equal(tend(), 0, 'told once');
    assert.equal(clock.now(), START + 1_000);
    assert.equal(clock.memory.wallOf(clock.now()), shown());
    assert.equal(clock.memory.steadyOf(shown()), clock.now());
    set(-setMs);
    assert.equal(tend(), -setMs);
    assert.equal(clock.memory.aheadMs, 0);
  });
}

test('a machine that slept has rested: no rest is frozen, and no clock was set', () => {
  const { clock, run, sleep, tend, shown } = machine();
  run(1_000);
  sleep(8 * HOUR);
  assert.equal(tend(), 0);
  assert.equal(clock.now(), START + 1_000 + 8 * HOUR);
  assert.equal(clock.memory.wallOf(clock.now()), shown());
  sleep(HOUR);
  tend();
  assert.equal(clock.now(), START + 1_000 + 9 * HOUR, 'and once more');
});

test('a clock that is set while the machine sleeps is both', () => {
  const { clock, run, sleep, set, tend, shown } = machine();
  sleep(8 * HOUR);
  set(-2 * HOUR);
  assert.equal(tend(), -2 * HOUR);
  assert.equal(clock.now(), START + 8 * HOUR);
  run(10_000);
  assert.equal(tend(), 0);
  assert.equal(clock.memory.wallOf(clock.now()), shown());
});

test('a virtual machine that was put aside, uptime and all, rests for the rest of the time', () => {
  const { clock, set, tend } = machine();
  // Nothing counts while it is gone; then somebody tells it the time.
  set(HOUR);
  assert.equal(tend(), HOUR);
  assert.equal(clock.now(), START);
});

test('less than a second is no news: what is shown does not tremble', () => {
  const { clock, run, set, tend } = machine();
  for (const ms of [400, -900, 700]) {
    set(ms);
    run(1_000);
    assert.equal(tend(), 0);
    assert.equal(clock.memory.aheadMs, 0);
  }
});

const THREAD = `
const { parentPort, workerData } = require('node:worker_threads');
import(workerData.module).then(({ SteadyClock }) => {
  const clock = new SteadyClock(workerData.buffer);
  parentPort.on('message', () => parentPort.postMessage(clock.now()));
  parentPort.postMessage('ready');
});`;

test('a thread that starts later has the same time, and learns at once of a sleep', async () => {
  const buffer = ClockMemory.create();
  const clock = new SteadyClock(buffer).anchor({ wallMs: START, uptimeMs: () => 0 });
  const module = new URL('../../src/serve/steady-clock.ts', import.meta.url).href;
  const worker = new Worker(THREAD, { eval: true, workerData: { module, buffer } });
  try {
    await once(worker, 'message');
    for (const sleptMs of [0, 5 * HOUR]) {
      clock.memory.baseMs += sleptMs;
      const before = clock.now();
      worker.postMessage('now');
      const [there] = await once(worker, 'message');
      const after = clock.now();
      assert.ok(before - 1 <= there && there <= after + 1, `${before} <= ${there} <= ${after}`);
    }
  } finally {
    await worker.terminate();
  }
});
