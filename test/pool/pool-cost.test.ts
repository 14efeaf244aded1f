// What the pool costs with a million keys: printed, and held only against the coarsest of limits,
// as the machine may be busy. The figures that are promised are measured by `make bench`.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Counters, WorkerCounters } from '../../src/pool/counts/counters.ts';
import { KeyPool } from '../../src/pool/key-pool.ts';
import { parseKeys } from '../../src/pool/keys/key-file.ts';
import { KeyReload } from '../../src/pool/keys/key-reload.ts';
import { summarise } from '../../src/pool/keys/key-report.ts';
import { KeyTable } from '../../src/pool/table/key-table.ts';
import { UpstreamPool } from '../../src/pool/upstreams/upstream-pool.ts';
import { groupOf } from './group-fixture.ts';
import { ANY, cooldown, LIMITS, NOW, OK } from './pool-fixture.ts';

const KEYS = 1_000_000;
const KEY_BYTES = 51;

function keyFile(): Buffer {
  const bytes = Buffer.alloc(KEYS * (KEY_BYTES + 1), 'x');
  for (let i = 0; i < KEYS; i++) {
    bytes.write(`sk-${i}`, i * (KEY_BYTES + 1));
    bytes[i * (KEY_BYTES + 1) + KEY_BYTES] = 0x0a;
  }
  return bytes;
}

/** Milliseconds that `act` took. */
function timed(act: () => void): number {
  const startMs = performance.now();
  act();
  return performance.now() - startMs;
}

test('a million keys: loading, and picking when all but one rest', (t: TestContext) => {
  const source = keyFile();
  const table = KeyTable.attach(KeyTable.create({ epochMs: NOW }), LIMITS);
  const upstreams = UpstreamPool.attach(UpstreamPool.create(['http://one.test'], NOW), LIMITS);
  const counters = new WorkerCounters(Counters.create(), 0);
  const pool = new KeyPool({
    group: groupOf(table, upstreams),
    counters,
    random: () => 0.5,
    now: Date.now,
    workerId: 0,
  });
  const loadMs = timed(() => {
    const file = parseKeys(source, 'keys.txt');
    assert.ok(file.ok);
    const { total } = new KeyReload(table, upstreams.list).apply(file.keys, NOW);
    assert.equal(total, KEYS);
  });
  const use = (verdict = OK): void => {
    const lease = pool.lease(ANY, NOW);
    assert.ok(lease.kind === 'lease');
    lease.settle(verdict, NOW);
    lease[Symbol.dispose]();
  };
  const restMs = timed(() => {
    for (let i = 0; i < KEYS - 1; i++) use(cooldown(3_600_000));
  });
  const picks = 200_000;
  const pickMs = timed(() => {
    for (let i = 0; i < picks; i++) use();
  });
  let resting = 0;
  const summaryMs = timed(() => {
    resting = summarise(table, NOW).resting;
  });
  assert.equal(resting, KEYS - 1);
  const pickUs = (pickMs / picks) * 1_000;
  t.diagnostic(`load ${loadMs.toFixed(0)} ms, rest ${((restMs / KEYS) * 1_000).toFixed(2)} us`);
  t.diagnostic(`lease and success ${pickUs.toFixed(2)} us, summary ${summaryMs.toFixed(1)} ms`);
  assert.ok(loadMs < 20_000 && pickUs < 50 && summaryMs < 1_000);
});
