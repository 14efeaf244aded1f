// The pool as it is used: by several threads at once, which may be killed wherever they stand.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Counters, WorkerCounters } from '../../src/pool/counts/counters.ts';
import { KeyPool } from '../../src/pool/key-pool.ts';
import { parseKeys } from '../../src/pool/keys/key-file.ts';
import { KeyReload } from '../../src/pool/keys/key-reload.ts';
import { summarise } from '../../src/pool/keys/key-report.ts';
import { KeyTable } from '../../src/pool/table/key-table.ts';
import { UpstreamPool } from '../../src/pool/upstreams/upstream-pool.ts';
import { groupOf } from './group-fixture.ts';
import { ANY, forModel, keyNames, LIMITS } from './pool-fixture.ts';
import type { ThreadWork } from './pool-thread.ts';

function makeShared(keys: readonly string[]) {
  const epochMs = Date.now();
  const limits = { ...LIMITS, blacklistThreshold: 2 };
  const buffers = KeyTable.create({ epochMs, capacity: 4_096 });
  const table = KeyTable.attach(buffers, limits);
  const upstreamBuffers = UpstreamPool.create(['http://one.test', 'http://two.test'], epochMs);
  const upstreams = UpstreamPool.attach(upstreamBuffers, limits);
  const reload = new KeyReload(table, upstreams.list);
  const load = (names: readonly string[]) => {
    const file = parseKeys(Buffer.from(names.join('\n')), 'keys.txt');
    assert.ok(file.ok);
    return reload.apply(file.keys, Date.now());
  };
  load(keys);
  const counters = Counters.create();
  const leases = new SharedArrayBuffer(4_097 * 4);
  const start = (part: Pick<ThreadWork, 'workerId' | 'rounds' | 'script'>): Worker => {
    const shared = { table: buffers, upstreams: upstreamBuffers, counters, leases };
    const workerData: ThreadWork = { ...shared, blacklistThreshold: 2, ...part };
    return new Worker(new URL('./pool-thread.ts', import.meta.url), { workerData });
  };
  const home = { group: groupOf(table, upstreams), random: Math.random, now: Date.now };
  const pool = new KeyPool({ ...home, counters: new WorkerCounters(counters, 100), workerId: 0 });
  return { table, pool, load, start, leases: new Int32Array(leases), counters };
}

test('N keys over M threads: every key is leased equally often, to one request', async () => {
  const { start, leases, counters } = makeShared(keyNames(1_000));
  const threads = [0, 1, 2].map((workerId) => {
    return start({ workerId, rounds: 33_500 + workerId, script: 'success' });
  });
  await Promise.all(threads.map((thread) => once(thread, 'exit')));
  const counts = [...leases.subarray(0, 1_000)];
  assert.equal(
    counts.reduce((sum, n) => sum + n, 0),
    3 * 33_500 + 3,
  );
  assert.deepEqual([Math.min(...counts), Math.max(...counts)], [100, 101]);
  const { totals, gauges } = new Counters(counters).sum();
  assert.equal(totals['attempt.success'], 3 * 33_500 + 3);
  assert.equal(gauges.openLeases, 0);
});

test('threads killed in the midst, keys replaced meanwhile: what they left half done is healed', async () => {
  const { table, pool, load, start, leases, counters } = makeShared(keyNames(60));
  const total = () => leases.reduce((sum, n) => sum + n, 0);
  for (let life = 0; life < 4; life++) {
    const threads = [0, 1].map((workerId) => start({ workerId, rounds: 0, script: 'chaos' }));
    const until = total() + 5_000;
    const deadline = Date.now() + 3_000;
    for (let i = 0; total() < until && Date.now() < deadline; i++) {
      load(i % 2 === 0 ? keyNames(60) : keyNames(90).slice(30));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await Promise.all(threads.map((thread) => thread.terminate()));
    for (const workerId of [0, 1]) new Counters(counters).workerDied(workerId);
    table.healAfterCrash(Date.now());
    table.reclaimIdleLanes(Date.now());
  }
  load(keyNames(60));
  const later = Date.now() + LIMITS.deadKeyProbeMs + LIMITS.modelAccessMs;
  for (const request of [ANY, forModel('m1'), forModel('m2'), forModel('m3')]) {
    const rows = new Set<number>();
    for (let i = 0; i < 200; i++) {
      const lease = pool.lease(request, later);
      assert.ok(lease.kind === 'lease', `model ${request.model}: no key after ${rows.size}`);
      lease.settle({ kind: 'success' }, later);
      lease[Symbol.dispose]();
      rows.add(lease.row);
    }
    assert.equal(rows.size, 60, `model ${request.model}`);
  }
  assert.equal(summarise(table, later).healthy, 60);
  assert.equal(new Counters(counters).sum().gauges.openLeases, 0);
});

test('a key is read whole while its row is given to another', async () => {
  const keysOf = (round: number) => {
    return Array.from({ length: 3_000 }, (_, i) => `${round * 10_000 + i}`).map((n) => {
      return `${n}-${n.repeat(20)}`;
    });
  };
  const { load, start, leases } = makeShared(keysOf(0));
  const threads = [0, 1].map((workerId) => start({ workerId, rounds: 0, script: 'read' }));
  const total = () => leases.reduce((sum, n) => sum + n, 0);
  const deadline = Date.now() + 60_000;
  for (let round = 1; (round < 60 || total() < 50_000) && Date.now() < deadline; round++) {
    // More keys than a table of 4,096 rows has fresh ones: rows change hands at once.
    load(keysOf(round % 9));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(threads.map((thread) => thread.terminate()));
  assert.ok(total() >= 50_000, `${total()} leases`);
  assert.equal(leases.at(-1), 0, 'keys were read in part');
});
