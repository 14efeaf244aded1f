// A pool as one worker has it, over real shared memory, with a clock that stands still. Shared by
// the tests of this directory; holds no assertions.

import type { Verdict } from '../../src/policy/verdict.ts';
import { Counters, WorkerCounters } from '../../src/pool/counts/counters.ts';
import { KeyPool, type LeaseRequest, type Unavailable } from '../../src/pool/key-pool.ts';
import { parseKeys } from '../../src/pool/keys/key-file.ts';
import { KeyReload } from '../../src/pool/keys/key-reload.ts';
import type { Lease } from '../../src/pool/lease.ts';
import { KeyTable, type TableSettings } from '../../src/pool/table/key-table.ts';
import { DEAD, stateOf } from '../../src/pool/table/status-word.ts';
import { UpstreamPool } from '../../src/pool/upstreams/upstream-pool.ts';
import { groupOf } from './group-fixture.ts';

export const NOW = Date.UTC(2026, 0, 1);

export const LIMITS = {
  blacklistThreshold: 1,
  keyCooldownMs: 5_000,
  keyCooldownMaxMs: 600_000,
  retryAfterMaxMs: 86_400_000,
  deadKeyProbeMs: 10_800_000,
  modelAccessMs: 600_000,
  upstreamFailureThreshold: 5,
  upstreamCooldownMs: 5_000,
};

export const OK: Verdict = { kind: 'success' };
export const DEAD_KEY: Verdict = { kind: 'key_dead', reason: 'invalid_key' };
export const NO_ACCESS: Verdict = { kind: 'model_access', reason: 'model_unavailable' };
export const FAULT = {
  kind: 'upstream_fault',
  reason: 'server_error',
  retryAfterMs: null,
  ambiguous: false,
  route: false,
} as const satisfies Verdict;

export function cooldown(
  retryAfterMs: number | null,
  scope: 'account' | 'model' = 'account',
): Verdict {
  return { kind: 'key_cooldown', reason: 'rate_limited', scope, retryAfterMs };
}

export const ANY: LeaseRequest = {
  model: undefined,
  triedRows: [],
  avoidUpstreams: [],
  mustAvoid: false,
};

export function forModel(model: string): LeaseRequest {
  return { ...ANY, model };
}

export interface PoolSetup {
  readonly keys: readonly string[];
  readonly upstreams?: readonly string[];
  readonly limits?: Partial<typeof LIMITS> & Partial<TableSettings>;
  readonly startIndex?: number;
  readonly capacity?: number;
}

/** `keys`: lines of a key file. Chance is always in the middle, so that no jitter is left. */
export function makePool(setup: PoolSetup) {
  const limits = { ...LIMITS, ...setup.limits };
  const { capacity = 1024 } = setup;
  const table = KeyTable.attach(KeyTable.create({ epochMs: NOW, capacity }), limits);
  const urls = setup.upstreams ?? ['http://one.test'];
  const upstreams = UpstreamPool.attach(UpstreamPool.create(urls, NOW), limits);
  const countersBuffer = Counters.create();
  const counters = new WorkerCounters(countersBuffer, 0);
  /** What leases that end take for the time. */
  const clock = { nowMs: NOW };
  const pool = new KeyPool({
    group: groupOf(table, upstreams),
    counters,
    random: () => 0.5,
    now: () => clock.nowMs,
    workerId: 0,
  });
  const reload = new KeyReload(table, upstreams.list);
  const load = (keys: readonly string[], nowMs = NOW) => {
    const file = parseKeys(Buffer.from(keys.join('\n')), 'keys.txt');
    if (!file.ok) throw new Error(file.problems.join('\n'));
    return reload.apply(file.keys, nowMs, setup.startIndex);
  };
  const loaded = load(setup.keys);
  /** Leases, settles at once, and gives the key back. */
  const use = (verdict: Verdict = OK, nowMs = NOW, request = ANY): string | Unavailable => {
    const lease = pool.lease(request, nowMs);
    if (lease.kind === 'unavailable') return lease;
    lease.settle(verdict, nowMs);
    lease[Symbol.dispose]();
    return lease.key;
  };
  const must = (request = ANY, nowMs = NOW): Lease => {
    const lease = pool.lease(request, nowMs);
    if (lease.kind === 'unavailable') throw new Error(`no key: ${lease.shortage}`);
    return lease;
  };
  /** A key that is still blacklisted was leased: to find out whether it works again. */
  const isProbe = (lease: Lease) => stateOf(table.account.words.low(lease.row)) === DEAD;
  const sums = () => new Counters(countersBuffer).sum();
  return { table, upstreams, pool, reload, load, loaded, use, must, isProbe, sums, limits, clock };
}

/** `key-0`, `key-1`... */
export function keyNames(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `key-${i}`);
}
