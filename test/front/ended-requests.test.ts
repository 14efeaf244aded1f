// Requests that are over are counted and leave their trails in the order in which they ended, a few
// at once, and none waits long.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EndedRequest } from '../../src/front/ended-request.ts';
import { EndedRequests } from '../../src/front/ended-requests.ts';
import { TrailBatches } from '../../src/log/trail-batch.ts';
import { readTrails } from '../../src/log/trail-sheet.ts';
import { ClientLimits } from '../../src/pool/limits/client-limits.ts';
import { Accounting } from '../../src/proxy/accounting.ts';
import type { Exchange } from '../../src/proxy/exchange.ts';
import { type UsageRow, UsageTally } from '../../src/proxy/usage-tally.ts';
import { Deadlines } from '../../src/upstream/deadlines.ts';
import { eventually } from '../support/eventually.ts';

const ANSWER = '{"model":"m-answered","usage":{"prompt_tokens":7,"completion_tokens":3}}';

function exchange(id: string, given: Partial<Exchange> = {}): Exchange {
  return {
    ...{ id, serial: -1, clientAddress: '127.0.0.1', clientName: '', groupName: 'default' },
    ...{ method: 'POST', asked: { path: '/v1/x', query: undefined }, attempts: [], keyRow: 0 },
    ...{ response: { headersSent: true, statusCode: 200 }, firstByteMs: 1, isServed: true },
    ...{ startMs: performance.now() - 5, waitedMs: 0, bytesIn: 1, bytesOut: 2, text: ANSWER },
    ...given,
  } as Exchange;
}

function books() {
  const rows: UsageRow[] = [];
  const trails: string[] = [];
  const now = () => performance.now();
  const tally = new UsageTally((added) => rows.push(...added));
  const batches = new TrailBatches('w0', (batch) => {
    for (const { id, model, tokens, atMs } of readTrails(batch)) {
      assert.ok(Math.abs(Date.now() - atMs) < 5_000);
      trails.push(`${id} ${model} ${tokens?.input}`);
    }
    batches.taken();
  });
  const accounting = new Accounting(tally, new ClientLimits(ClientLimits.create(1, 1), 0), now);
  const ended = new EndedRequests({ accounting, trails: batches, deadlines: new Deadlines(now) });
  const add = (one: Exchange) => ended.add(new EndedRequest(one, 5, true));
  return { rows, trails, tally, batches, ended, add };
}

test('a request alone is counted and told within a moment', async () => {
  const { rows, trails, add } = books();
  const awake = setInterval(() => {}, 1_000);
  add(exchange('one'));
  assert.deepEqual([rows, trails], [[], []]);
  await eventually('the trail and the count', () => (trails[0] && rows[0]) || undefined, 5_000);
  clearInterval(awake);
  assert.deepEqual(trails, ['one m-answered 7']);
  assert.equal(rows[0]?.model, 'm-answered');
  assert.deepEqual([rows[0]?.input, rows[0]?.output, rows[0]?.requests], [7, 3, 1]);
});

test('many go as soon as enough are there, all in their order', () => {
  const { rows, trails, tally, batches, ended, add } = books();
  const names = Array.from({ length: 50 }, (_, at) => `request-${at}`);
  for (const name of names) add(exchange(name));
  batches.flush();
  assert.ok(trails.length > 30, 'few wait');
  ended.flush();
  tally.flush();
  assert.deepEqual(
    trails.map((trail) => trail.split(' ')[0]),
    names,
  );
  assert.equal(
    rows.reduce((sum, { requests }) => sum + requests, 0),
    names.length,
  );
});

test('what came to no group is told and not counted; what failed is counted as that', () => {
  const { rows, trails, tally, ended, add } = books();
  add(exchange('refused', { isServed: false, text: undefined }));
  add(exchange('broken', { ended: 'truncated', text: undefined, model: 'm-asked' }));
  ended.flush();
  tally.flush();
  assert.deepEqual(trails, ['refused undefined undefined', 'broken m-asked undefined']);
  assert.deepEqual(
    rows.map(({ model, requests, failed, unknown }) => ({ model, requests, failed, unknown })),
    [{ model: 'm-asked', requests: 1, failed: 1, unknown: 0 }],
  );
});
