// Who waits in line gets what is free, also when several things became free at once, and leaves the
// line when nothing does.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WaitingLine } from '../../src/pool/limits/waiting-line.ts';
import { Semaphore } from '../../src/pool/semaphore.ts';
import type { Exchange } from '../../src/proxy/exchange.ts';
import { inLine, type Wait } from '../../src/proxy/queue.ts';

function rig(places: number, limitMs: number) {
  const permits = new Semaphore(Semaphore.create(places), 0);
  const line = new WaitingLine(WaitingLine.create(), 0);
  const now = () => performance.now();
  const isFree = () => permits.hasFree;
  const exchange = {
    clientLeft: false,
    waitedMs: 0,
    whenClientLeaves: () => ({ [Symbol.dispose]() {} }),
  };
  const wait: { -readonly [K in keyof Wait]: Wait[K] } = {
    line,
    limitMs,
    now,
    isFree,
    exchange: exchange as unknown as Exchange,
  };
  const ask = () => {
    return inLine(wait, () => {
      const found = permits.acquire();
      return found < 0 ? { retryAtMs: null } : { found };
    });
  };
  const giveBack = (permit: number) => {
    permits.release(permit);
    line.call();
  };
  return { permits, line, wait, ask, giveBack };
}

test('one who comes while another is called gets what else became free with it', async () => {
  const { permits, line, ask, giveBack } = rig(2, 4_000);
  const held = [permits.acquire(), permits.acquire()];
  const first = ask();
  for (const permit of held) giveBack(permit);
  const second = ask();
  const startMs = performance.now();
  const found = await Promise.all([first, second]);
  assert.ok(performance.now() - startMs < 2_000);
  assert.deepEqual(found.toSorted(), held.toSorted());
  assert.equal(line.length, 0);
});

test('all that wait are served when all becomes free in one turn', async () => {
  const { permits, line, ask, giveBack } = rig(5, 4_000);
  const held = Array.from({ length: 5 }, () => permits.acquire());
  const waiting = Array.from({ length: 5 }, ask);
  await new Promise((resolve) => setTimeout(resolve, 20));
  for (const permit of held) giveBack(permit);
  assert.deepEqual((await Promise.all(waiting)).toSorted(), held.toSorted());
  assert.equal(line.length, 0);
});

test('whose time is up leaves with nothing', async () => {
  const { permits, line, ask } = rig(1, 50);
  permits.acquire();
  assert.equal(await ask(), undefined);
  assert.equal(line.length, 0);
});

test('what becomes free by itself is the first one’s, though all know when that is', async () => {
  const { line, wait } = rig(1, 4_000);
  const freeAtMs = performance.now() + 200;
  let isTaken = false;
  const served: number[] = [];
  const ask = (name: number) => {
    return inLine(wait, () => {
      if (isTaken || performance.now() < freeAtMs) return { retryAtMs: freeAtMs };
      isTaken = true;
      served.push(name);
      return { found: name };
    });
  };
  wait.isFree = () => !isTaken && performance.now() >= freeAtMs;
  const all = [0, 1, 2, 3].map(async (name) => {
    const found = await ask(name);
    await new Promise((resolve) => setTimeout(resolve, 5));
    isTaken = false;
    line.call();
    return found;
  });
  assert.deepEqual(await Promise.all(all), [0, 1, 2, 3]);
  assert.deepEqual(served, [0, 1, 2, 3]);
});
