// What the threads of key-pool-threads.test.ts run: leases as fast as it can, each settled by a
// script. Rows are counted in shared memory; nothing is asserted here.

import { workerData } from 'node:worker_threads';
import type { Verdict } from '../../src/policy/verdict.ts';
import { WorkerCounters } from '../../src/pool/counts/counters.ts';
import { KeyPool } from '../../src/pool/key-pool.ts';
import { KeyTable } from '../../src/pool/table/key-table.ts';
import type { TableBuffers } from '../../src/pool/table/table-memory.ts';
import { type UpstreamBuffers, UpstreamPool } from '../../src/pool/upstreams/upstream-pool.ts';
import { groupOf } from './group-fixture.ts';
import { cooldown, DEAD_KEY, LIMITS, NO_ACCESS, OK } from './pool-fixture.ts';

export interface ThreadWork {
  readonly table: TableBuffers;
  readonly upstreams: UpstreamBuffers;
  readonly counters: SharedArrayBuffer;
  /** Leases of each row; the last entry: keys of which a part belongs to another key. */
  readonly leases: SharedArrayBuffer;
  readonly workerId: number;
  /** Leases to make; 0: until it is ended from outside. */
  readonly rounds: number;
  readonly script: 'success' | 'chaos' | 'read';
  readonly blacklistThreshold: number;
}

/** Times are random within the first seconds of the table, so that all rests are soon over. */
const CHAOS: readonly (() => Verdict)[] = [
  () => OK,
  () => OK,
  () => cooldown(50 * Math.random()),
  () => cooldown(50 * Math.random(), 'model'),
  () => NO_ACCESS,
  () => DEAD_KEY,
  () => ({ kind: 'excluded', reason: 'client_left' }),
];

function run(work: ThreadWork): void {
  const limits = { ...LIMITS, keyCooldownMs: 10, modelAccessMs: 20, deadKeyProbeMs: 20 };
  const { blacklistThreshold } = work;
  const table = KeyTable.attach(work.table, { ...limits, blacklistThreshold });
  const upstreams = UpstreamPool.attach(work.upstreams, limits);
  const counters = new WorkerCounters(work.counters, work.workerId);
  const pool = new KeyPool({
    group: groupOf(table, upstreams),
    counters,
    random: Math.random,
    now: Date.now,
    workerId: work.workerId,
  });
  const leases = new Int32Array(work.leases);
  const isChaos = work.script === 'chaos';
  for (let round = 0; work.rounds === 0 || round < work.rounds; round++) {
    const model = isChaos ? [undefined, 'm1', 'm2', 'm3'][round % 4] : undefined;
    const request = { model, triedRows: [], avoidUpstreams: [], mustAvoid: false };
    const nowMs = Date.now();
    const lease = pool.lease(request, nowMs);
    if (lease.kind === 'unavailable') continue;
    Atomics.add(leases, lease.row, 1);
    if (work.script === 'read' && !isWhole(lease.key)) Atomics.add(leases, leases.length - 1, 1);
    const verdict = isChaos ? CHAOS[Math.floor(Math.random() * CHAOS.length)]?.() : OK;
    lease.settle(verdict ?? OK, nowMs);
    lease[Symbol.dispose]();
  }
}

/** Such keys are `7-77777`: what stands behind the dash is made of what stands before it. */
function isWhole(key: string): boolean {
  const [first = '', rest] = key.split('-');
  return rest === first.repeat(20);
}

run(workerData as ThreadWork);
