// A state file as large as three busy months leave it: its owner asks what was used, and nobody
// else notices.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { createLogger } from '../../src/log/log.ts';
import { StateStore } from '../../src/store/sqlite/state-store.ts';
import { UsageStore } from '../../src/store/sqlite/usage-store.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const keys = ['a', 'b', 'c'].map((name) => `sk-test-good-${name}-0123456789abcdef`);
const log = createLogger({
  level: 'error',
  format: 'text',
  colour: false,
  clock: () => 0,
  write: (line) => assert.fail(line),
});

/** A state file with a million rows of the last three months. */
function millionRows(path: string): void {
  using state = StateStore.open(path, log);
  const db = state.database;
  assert.ok(db !== null);
  const hour = Math.floor(Date.now() / 3_600_000);
  const nothing = { failed: 0, unknown: 0, cached: 0, cacheWrite: 0, reasoning: 0 };
  const named = { client: 'c', group: 'g', model: 'm', keyId: 'k', keyPreview: 'sk-a...1234' };
  new UsageStore().add(db, [{ hour, ...named, ...nothing, requests: 1, input: 1, output: 1 }]);
  const day = Math.floor(hour / 24) * 24;
  const fill = (table: string, first: number, step: number) => `WITH RECURSIVE
    t(n) AS (VALUES(0) UNION ALL SELECT n + ${step} FROM t WHERE n < 2160 - ${step}),
    m(i) AS (VALUES(0) UNION ALL SELECT i + 1 FROM m WHERE i < 462)
    INSERT OR IGNORE INTO ${table} SELECT ${first} - t.n, 'client' || (m.i % 5), 'g',
      'model' || (m.i % 30), 'key' || (m.i / 30), 1, 0, 0, 100, 0, 0, 50, 0 FROM t, m`;
  db.exec(fill('usage_hour', hour, 1));
  db.exec(fill('usage_day', day, 24));
  const { count } = db.prepare('SELECT count(*) AS count FROM usage_hour').get() as {
    count: number;
  };
  assert.ok(count >= 1_000_000, `${count}`);
}

test('a million rows are added up by day while the only worker goes on', async (t) => {
  await using upstream = await startScriptedUpstream();
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-million-'));
  const path = join(directory, 'state.db');
  try {
    millionRows(path);
    const env = { STATE_FILE: path };
    await using proxy = await startGptLoad({ keys, upstreams: [upstream.url], env });
    let isOver = false;
    /** Of the others' requests, since it was last set to 0. */
    let longestMs = 0;
    const others = (async () => {
      while (!isOver) {
        const startMs = performance.now();
        assert.equal((await proxy.ask('/health')).status, 200);
        longestMs = Math.max(longestMs, performance.now() - startMs);
      }
    })();
    const tookMs: number[] = [];
    const waitsMs: number[] = [];
    for (let i = 0; i < 5; i += 1) {
      longestMs = 0;
      const startMs = performance.now();
      const answer = await proxy.ask('/usage?from=92d&by=day&group_by=client,model');
      tookMs.push(Math.round(performance.now() - startMs));
      waitsMs.push(Math.round(longestMs));
      assert.ok((JSON.parse(answer.body) as { rows: object[] }).rows.length > 2_000);
    }
    // More rows than one answer has are refused, not cut short.
    const { status, body } = await proxy.ask('/usage?from=92d&by=hour&group_by=client,model,key');
    assert.equal(status, 400);
    assert.match(body, /"code":"too_many_rows"/);
    isOver = true;
    await others;
    t.diagnostic(`by day ${tookMs.join(', ')} ms; other requests at most ${waitsMs.join(', ')} ms`);
    // 300 ms is what is promised; a busy machine may take longer, and stand still now and then.
    assert.ok(Math.min(...tookMs) < 1_500, `${tookMs}`);
    const isUnnoticed = waitsMs.some((ms, i) => ms < Math.max(100, (tookMs[i] ?? 0) / 3));
    assert.ok(isUnnoticed, `others waited ${waitsMs} ms, while the asks took ${tookMs}`);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
