// Measures the key pool by itself, in a process of its own so that its memory can be told: reading
// a key file of a million, resting all keys but one, and picking that one. Sends one message and
// ends.

import { writeFileSync } from 'node:fs';
import type { Verdict } from '../../src/policy/verdict.ts';
import { Counters, WorkerCounters } from '../../src/pool/counts/counters.ts';
import { KeyPool } from '../../src/pool/key-pool.ts';
import { parseKeys, readKeyFile } from '../../src/pool/keys/key-file.ts';
import { KeyReload } from '../../src/pool/keys/key-reload.ts';
import { KeyTable } from '../../src/pool/table/key-table.ts';
import { UpstreamPool } from '../../src/pool/upstreams/upstream-pool.ts';
import { groupOf } from '../pool/group-fixture.ts';
import { residentBytes } from './process-figures.ts';
import { median } from './statistics.ts';

export interface PickCost {
  readonly keys: number;
  readonly loadMs: number;
  readonly loadBytes: number;
  /** Resting one key, as a lease and its settling. */
  readonly restUs: number;
  readonly freshPickUs: number;
  /** With all keys but one resting. */
  readonly lastPickUs: number;
  /** With limits, weights and conversations, and a key to give; and with all keys but one full. */
  readonly limitedPickUs: number;
  readonly lastLimitedPickUs: number;
}

const BATCHES = 11;
const PICKS = 20_000;
const RESTING: Verdict = {
  kind: 'key_cooldown',
  reason: 'rate_limited',
  scope: 'account',
  retryAfterMs: 600_000,
};
const SUCCESS: Verdict = { kind: 'success' };
const LIMITS = {
  blacklistThreshold: 1,
  keyCooldownMs: 5_000,
  keyCooldownMaxMs: 600_000,
  retryAfterMaxMs: 86_400_000,
  deadKeyProbeMs: 10_800_000,
  modelAccessMs: 600_000,
  upstreamFailureThreshold: 5,
  upstreamCooldownMs: 5_000,
};
const REQUEST = { model: undefined, triedRows: [], avoidUpstreams: [], mustAvoid: false };

async function measure(path: string, keys: number): Promise<PickCost> {
  writeFileSync(path, lines(keys));
  globalThis.gc?.();
  const before = residentBytes([process.pid]);
  const nowMs = Date.now();
  const startMs = performance.now();
  const table = KeyTable.attach(KeyTable.create({ epochMs: nowMs }), LIMITS);
  const upstreams = UpstreamPool.attach(UpstreamPool.create(['http://127.0.0.1:1'], nowMs), LIMITS);
  const file = await readKeyFile(path);
  if (!file.ok) throw new Error(file.problems.join('\n'));
  const { total } = new KeyReload(table, upstreams.list).apply(file.keys, nowMs);
  const loadMs = performance.now() - startMs;
  globalThis.gc?.();
  const loadBytes = residentBytes([process.pid]) - before;
  if (total !== keys) throw new Error(`${total} keys of ${keys} were loaded`);

  const counters = new WorkerCounters(Counters.create(), 0);
  const pool = new KeyPool({
    group: groupOf(table, upstreams),
    counters,
    random: Math.random,
    now: Date.now,
    workerId: 0,
  });
  const use = (verdict: Verdict): void => {
    const leased = pool.lease(REQUEST, nowMs);
    if (leased.kind === 'unavailable') throw new Error(`no key: ${leased.shortage}`);
    using lease = leased;
    lease.settle(verdict, nowMs);
  };
  const freshPickUs = pickUs(() => use(SUCCESS));
  const restStartMs = performance.now();
  for (let i = 1; i < keys; i += 1) use(RESTING);
  const restUs = ((performance.now() - restStartMs) * 1000) / (keys - 1);
  const lastPickUs = pickUs(() => use(SUCCESS));
  return { keys, loadMs, loadBytes, restUs, freshPickUs, lastPickUs, ...limitedCosts(path, keys) };
}

/** The same with everything on: limits of each key, weights, and conversations. */
function limitedCosts(
  path: string,
  keys: number,
): Pick<PickCost, 'limitedPickUs' | 'lastLimitedPickUs'> {
  const nowMs = Date.now();
  const table = KeyTable.attach(KeyTable.create({ epochMs: nowMs }), LIMITS);
  const upstreams = UpstreamPool.attach(UpstreamPool.create(['http://127.0.0.1:1'], nowMs), LIMITS);
  let text = '';
  for (let i = 0; i < keys; i += 1) {
    const limits = i === 0 ? 'rpm=1000000000 concurrency=1000000' : 'rpm=100000000 concurrency=100';
    text += `sk-${i.toString(36).padStart(40, 'k')} weight=${1 + (i % 5)} ${limits}\n`;
  }
  const file = parseKeys(Buffer.from(text), path);
  if (!file.ok) throw new Error(file.problems.join('\n'));
  new KeyReload(table, upstreams.list).apply(file.keys, nowMs);
  const counters = new WorkerCounters(Counters.create(), 0);
  const home = { counters, random: Math.random, now: () => nowMs, workerId: 0 };
  const pool = new KeyPool({ group: groupOf(table, upstreams), ...home });
  let session = 0;
  const use = (): void => {
    session = (session + 0x9e3779b1) | 0;
    const leased = pool.lease({ ...REQUEST, session }, nowMs);
    if (leased.kind === 'unavailable') throw new Error(`no key: ${leased.shortage}`);
    using lease = leased;
    lease.settle(SUCCESS, nowMs);
  };
  const limitedPickUs = pickUs(use);
  const full = { kind: 'rpd', untilMs: nowMs + 3_600_000 } as const;
  for (let row = 1; row < keys; row += 1) table.aside?.setAside(row, full, nowMs);
  return { limitedPickUs, lastLimitedPickUs: pickUs(use) };
}

function lines(keys: number): string {
  let text = '';
  for (let i = 0; i < keys; i += 1) text += `sk-proj-${String(i).padStart(40, 'x')}\n`;
  return text;
}

function pickUs(pick: () => void): number {
  const batches = Array.from({ length: BATCHES }, () => {
    const startMs = performance.now();
    for (let i = 0; i < PICKS; i += 1) pick();
    return ((performance.now() - startMs) * 1000) / PICKS;
  });
  return median(batches);
}

const [path = '', keys = '1000000'] = process.argv.slice(2);
process.send?.(await measure(path, Number(keys)));
process.disconnect?.();
