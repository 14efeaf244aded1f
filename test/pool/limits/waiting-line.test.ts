// The line itself: who came first is called first, and neither a call nor a place is lost.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { MAX_WAITING, WaitingLine } from '../../../src/pool/limits/waiting-line.ts';
import { Semaphore } from '../../../src/pool/semaphore.ts';

const never = new Promise<void>(() => {});
const LIMIT_MS = 4_000;

function lines(count: number): WaitingLine[] {
  const buffer = WaitingLine.create();
  return Array.from({ length: count }, (_, worker) => new WaitingLine(buffer, worker));
}

/** Takes a place, and notes its name when it is called. */
function waiter(line: WaitingLine, name: string, called: string[]) {
  const place = line.enter();
  const wait = async () => {
    await line.wait(place, LIMIT_MS, never);
    called.push(name);
    line.look(place);
  };
  return { place, wait, done: wait() };
}

test('who came first is called first, whichever worker it came to', async () => {
  const [one, two] = lines(2) as [WaitingLine, WaitingLine];
  const called: string[] = [];
  const all = [one, two, two, one].map((line, i) => ({ line, ...waiter(line, `${i}`, called) }));
  assert.equal(one.length, 4);
  for (const { line, place, done } of all) {
    assert.equal(one.isFirst(place), true);
    two.call();
    await done;
    line.leave(place);
  }
  assert.deepEqual(called, ['0', '1', '2', '3']);
  assert.equal(one.length, 0);
});

test('who looks in vain keeps its place', async () => {
  const [line] = lines(1) as [WaitingLine];
  const called: string[] = [];
  const first = waiter(line, 'first', called);
  const second = waiter(line, 'second', called);
  line.call();
  await first.done;
  const again = first.wait();
  line.call();
  await again;
  assert.deepEqual(called, ['first', 'first']);
  line.leave(first.place);
  line.call();
  await second.done;
  line.leave(second.place);
});

test('what is called for is theirs until they have looked and wait again', async () => {
  const [one, two] = lines(2) as [WaitingLine, WaitingLine];
  const called: string[] = [];
  const first = waiter(one, 'first', called);
  assert.equal(two.isCalling, false);
  two.call();
  assert.equal(two.isCalling, true);
  await first.done;
  assert.equal(two.isCalling, true, 'it looks');
  const again = first.wait();
  assert.equal(two.isCalling, false);
  two.call();
  await again;
  one.leave(first.place);
  assert.equal(two.isCalling, false);
});

test('a call while it looks is not lost: it looks again', async () => {
  const [line] = lines(1) as [WaitingLine];
  const called: string[] = [];
  const place = line.enter();
  line.call();
  const startMs = performance.now();
  await line.wait(place, LIMIT_MS, never);
  assert.ok(performance.now() - startMs < 1_000);
  line.leave(place);
  assert.deepEqual(called, []);
});

test('a call for one who left, or who had found already, is the next one’s', async () => {
  const [line] = lines(1) as [WaitingLine];
  const called: string[] = [];
  const found = line.enter();
  const second = waiter(line, 'second', called);
  line.call();
  line.leave(found);
  await second.done;
  assert.deepEqual(called, ['second']);
  line.leave(second.place);
});

test('what one has no use for goes down the line, to each once', async () => {
  const [line] = lines(1) as [WaitingLine];
  const called: string[] = [];
  const all = ['a', 'b', 'c'].map((name) => waiter(line, name, called));
  line.call();
  const again: Promise<void>[] = [];
  for (const { place, done, wait } of all) {
    await done;
    line.pass(place);
    again.push(wait());
  }
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.deepEqual(called, ['a', 'b', 'c']);
  assert.equal(line.isCalling, false);
  for (const { place } of all) line.leave(place);
  await Promise.all(again);
});

test('who gives up frees its place at once, and wakes nobody else’s later', async () => {
  const [line] = lines(1) as [WaitingLine];
  const place = line.enter();
  await line.wait(place, LIMIT_MS, Promise.resolve());
  line.leave(place);
  const called: string[] = [];
  const next = waiter(line, 'next', called);
  assert.equal(next.place, place);
  line.call();
  await next.done;
  assert.deepEqual(called, ['next']);
  line.leave(next.place);
});

test('the line is as long as MAX_WAITING', () => {
  const [line] = lines(1) as [WaitingLine];
  for (let i = 0; i < MAX_WAITING; i += 1) assert.equal(line.enter(), i);
  assert.equal(line.enter(), -1);
  assert.equal(line.length, MAX_WAITING);
  line.leave(7);
  assert.equal(line.enter(), 7);
});

test('places of a worker that died are free, and its call goes to the next', async () => {
  const [one, two] = lines(2) as [WaitingLine, WaitingLine];
  const called: string[] = [];
  one.enter();
  const other = waiter(two, 'other', called);
  one.enter();
  two.call();
  two.reclaim(0);
  await other.done;
  assert.equal(two.length, 1);
  two.leave(other.place);
  assert.equal(two.length, 0);
});

/** Each asks for the one permit many times at once; `turns` notes who got it, by arrival. */
const CROWD = `
  const { workerData, parentPort } = require('node:worker_threads');
  const load = Promise.all([import(workerData.line), import(workerData.semaphore)]);
  load.then(async ([{ WaitingLine }, { Semaphore }]) => {
    const { lineBuffer, permitBuffer, log, id } = workerData;
    const line = new WaitingLine(lineBuffer, id);
    const permits = new Semaphore(permitBuffer, id);
    const order = new Int32Array(log);
    const never = new Promise(() => {});
    const one = async () => {
      const place = line.enter();
      let permit = line.isFirst(place) ? permits.acquire() : -1;
      while (permit < 0) {
        await line.wait(place, 60000, never);
        line.look(place);
        permit = permits.acquire();
        if (permit < 0) Atomics.add(order, 1, 1);
      }
      line.leave(place);
      Atomics.add(order, 0, 1);
      await new Promise((resolve) => setImmediate(resolve));
      permits.release(permit);
      line.call();
    };
    // A wait by itself keeps no thread alive.
    const alive = setInterval(() => {}, 1_000);
    parentPort.postMessage('ready');
    await new Promise((resolve) => parentPort.once('message', resolve));
    await Promise.all(Array.from({ length: 300 }, one));
    clearInterval(alive);
    parentPort.postMessage('done');
  });
`;

test('three workers and 900 requests: nobody is forgotten, nobody is called in vain often', async () => {
  const lineBuffer = WaitingLine.create();
  const permitBuffer = Semaphore.create(1);
  const log = new SharedArrayBuffer(8);
  const line = import.meta.resolve('../../../src/pool/limits/waiting-line.ts');
  const semaphore = import.meta.resolve('../../../src/pool/semaphore.ts');
  const workers = [0, 1, 2].map((id) => {
    const workerData = { lineBuffer, permitBuffer, log, id, line, semaphore };
    return new Worker(CROWD, { eval: true, workerData });
  });
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const startMs = performance.now();
  for (const worker of workers) worker.postMessage('go');
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const tookMs = performance.now() - startMs;
  await Promise.all(workers.map((worker) => worker.terminate()));
  const [served = 0, inVain = 0] = new Int32Array(log);
  assert.equal(served, 900);
  assert.ok(tookMs < 4_500, `${tookMs} ms: a lost call costs 5 s`);
  assert.ok(inVain < 90, `${inVain} looked in vain`);
  assert.equal(new WaitingLine(lineBuffer, 0).length, 0);
});
