// The books by themselves: sums by any dimension as a plain loop makes them, a bounded number of
// models, and a million rows that answer quickly.

import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import fc from 'fast-check';
import { MAX_USAGE_MODELS, UsageStore } from '../../src/store/sqlite/usage-store.ts';
import {
  KEEP_USAGE_DAYS,
  type StoredUsage,
  type UsageDimension,
} from '../../src/store/usage-question.ts';
import { bestOfThree } from '../support/best-of-three.ts';

const HOUR = 24 * 20_500;
const ONE = { requests: 1, failed: 0, unknown: 0, cached: 0, cacheWrite: 0, reasoning: 0 };

function row(more: Partial<StoredUsage>): StoredUsage {
  const names = { client: 'c', group: 'g', model: 'm', keyId: 'k', keyPreview: 'sk-a...1234' };
  return { ...ONE, hour: HOUR, ...names, input: 10, output: 2, ...more };
}

test('sums are those of a plain loop, whatever is asked for', () => {
  const rows = fc.array(
    fc.record({
      hour: fc.integer({ min: HOUR, max: HOUR + 60 }),
      client: fc.constantFrom('', 'ci', 'alice'),
      model: fc.constantFrom('gpt', 'claude'),
      keyId: fc.constantFrom('k1', 'k2', ''),
      input: fc.nat(1_000),
      output: fc.nat(1_000),
    }),
  );
  const asked = fc.subarray<UsageDimension>(['client', 'group', 'model', 'key']);
  fc.assert(
    fc.property(rows, asked, fc.constantFrom('hour', 'day'), (given, groupBy, by) => {
      const store = new UsageStore();
      const db = new DatabaseSync(':memory:');
      const stored = given.map((one) => row({ ...one, keyPreview: one.keyId }));
      // Twice, in two batches: sums are added to what is there.
      store.add(db, stored);
      store.add(db, stored);
      const question = { fromHour: HOUR, toHour: HOUR + 24, by, groupBy } as const;
      const plain = new Map<string, number>();
      for (const one of stored) {
        if (one.hour >= HOUR + 24) continue;
        const start = by === 'hour' ? one.hour : HOUR;
        const values = { client: one.client, group: one.group, model: one.model, key: one.keyId };
        const name = [start, ...groupBy.map((dimension) => values[dimension])].join(' ');
        plain.set(name, (plain.get(name) ?? 0) + 2 * (one.input + one.output));
      }
      const found = store.ask(db, question, 1_000).map((answer) => {
        const name = [answer.hour, ...groupBy.map((dimension) => answer[dimension])].join(' ');
        return [name, answer.input + answer.output] as const;
      });
      assert.deepEqual(new Map(found), plain);
      assert.equal(found.length, plain.size);
    }),
    { numRuns: 60 },
  );
});

test('models beyond the first thousand are other, also after the file was opened again', () => {
  const db = new DatabaseSync(':memory:');
  const models = Array.from({ length: MAX_USAGE_MODELS + 50 }, (_, i) => row({ model: `m${i}` }));
  new UsageStore().add(db, models);
  new UsageStore().add(db, [row({ model: 'm0' }), row({ model: 'new' })]);
  const question = { fromHour: HOUR, toHour: HOUR + 1, by: 'hour', groupBy: ['model'] } as const;
  const answers = new UsageStore().ask(db, question, 10_000);
  assert.ok(answers.length <= MAX_USAGE_MODELS + 1);
  const other = answers.find(({ model }) => model === 'other');
  assert.ok((other?.requests ?? 0) >= 50, `${other?.requests}`);
  assert.equal(answers.find(({ model }) => model === 'm0')?.requests, 2);
});

test('names that only failed requests bring leave half of the room to others', () => {
  const store = new UsageStore();
  const invented = Array.from({ length: MAX_USAGE_MODELS }, (_, i) => {
    return row({ model: `invented-${i}`, failed: 1 });
  });
  store.add(null, invented);
  store.add(null, [row({ model: 'real' })]);
  const question = { fromHour: HOUR, toHour: HOUR + 1, by: 'hour', groupBy: ['model'] } as const;
  const models = store.ask(null, question, 10_000).map(({ model }) => model);
  assert.equal(models.length, MAX_USAGE_MODELS / 2 + 2);
  assert.ok(models.includes('real'));
});

test('models that were forgotten make room', () => {
  const store = new UsageStore();
  const old = HOUR - (KEEP_USAGE_DAYS + 1) * 24;
  const models = Array.from({ length: MAX_USAGE_MODELS }, (_, i) =>
    row({ hour: old, model: `m${i}` }),
  );
  store.add(null, models);
  store.purge(null, HOUR);
  store.add(null, [row({ model: 'new' })]);
  const question = { fromHour: HOUR, toHour: HOUR + 1, by: 'hour', groupBy: ['model'] } as const;
  assert.deepEqual(
    store.ask(null, question, 10).map(({ model }) => model),
    ['new'],
  );
});

test('what is older than three months is forgotten', () => {
  const store = new UsageStore();
  const old = HOUR - (KEEP_USAGE_DAYS + 1) * 24;
  store.add(null, [row({ hour: old }), row({})]);
  store.purge(null, HOUR);
  const question = { fromHour: 0, toHour: HOUR + 1, by: 'day', groupBy: [] } as const;
  assert.deepEqual(
    store.ask(null, question, 10).map(({ hour, requests }) => [hour, requests]),
    [[HOUR, 1]],
  );
});

test('a million rows answer by day while one would not notice', async () => {
  const store = new UsageStore();
  const db = new DatabaseSync(':memory:');
  store.add(db, [row({})]);
  const fill = (table: string, step: number) => `WITH RECURSIVE
    t(n) AS (VALUES(0) UNION ALL SELECT n + ${step} FROM t WHERE n < 2207 - ${step}),
    m(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM m WHERE i < 452)
    INSERT OR IGNORE INTO ${table} SELECT ${HOUR} + t.n, 'client' || (m.i % 5), 'g',
      'model' || (m.i % 30), 'key' || (m.i / 30), 1, 0, 0, 100, 0, 0, 50, 0 FROM t, m`;
  db.exec(fill('usage_hour', 1));
  db.exec(fill('usage_day', 24));
  const { count } = db.prepare('SELECT count(*) AS count FROM usage_hour').get() as {
    count: number;
  };
  assert.ok(count > 990_000, `${count}`);
  const groupBy = ['client', 'model'] as const;
  const question = { fromHour: HOUR, toHour: HOUR + 2_400, by: 'day', groupBy } as const;
  await bestOfThree(() => {
    const startMs = performance.now();
    const answers = store.ask(db, question, 100_000);
    const tookMs = performance.now() - startMs;
    assert.ok(answers.length > 2_000);
    // 300 ms is what is promised; a busy machine may take longer.
    return tookMs < 1_500 ? undefined : `${tookMs} ms`;
  });
});
