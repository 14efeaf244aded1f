// From the shared memory of two workers to one page of metrics.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { exposition } from '../../src/admin/exposition.ts';
import { metricFamilies, metricsSnapshot, sendMetrics } from '../../src/admin/metrics.ts';
import { parseConfig } from '../../src/config/config.ts';
import { ClientCounts, OTHER_CLIENTS } from '../../src/pool/counts/client-counts.ts';
import { Counters, WorkerCounters } from '../../src/pool/counts/counters.ts';
import { WorkerVitals } from '../../src/pool/counts/worker-vitals.ts';
import { FleetMemory } from '../../src/pool/fleet-memory.ts';
import { parseKeys } from '../../src/pool/keys/key-file.ts';
import { KeyReload } from '../../src/pool/keys/key-reload.ts';
import { KeyTable } from '../../src/pool/table/key-table.ts';
import { UpstreamPool } from '../../src/pool/upstreams/upstream-pool.ts';
import { groupOf } from '../pool/group-fixture.ts';

const NOW_MS = 1_800_000_000_000;

function sourcesOfTwoWorkers() {
  const config = parseConfig({ OPENAI_BASE_URL: 'http://one.example,http://two.example' });
  const table = KeyTable.attach(KeyTable.create({ epochMs: NOW_MS, capacity: 10 }), config);
  const upstreams = UpstreamPool.attach(UpstreamPool.create(config.upstreams, NOW_MS), config);
  const file = parseKeys(Buffer.from('sk-first-0123456789\nsk-second-0123456789\n'), 'keys.txt');
  assert.ok(file.ok);
  new KeyReload(table, upstreams.list).apply(file.keys, NOW_MS);
  const counters = Counters.create();
  for (const worker of [0, 1]) {
    const own = new WorkerCounters(counters, worker);
    own.add('succeeded', 3);
    own.add('inFlight');
    own.observe('firstByteMs', 40);
  }
  const group = groupOf(table, upstreams);
  group.attempts.add(1, 'key_cooldown');
  group.attempts.add(1, 'key_cooldown');
  const vitals = WorkerVitals.create();
  new WorkerVitals(vitals, 1).setHeap({ heapUsed: 1, heapTotal: 2, external: 3 });
  new WorkerVitals(vitals, 1).addDelay(30);
  const sources = { config, version: '1', groups: () => [group], vitals };
  const clientCounts = new ClientCounts(ClientCounts.create());
  clientCounts.add(1, true);
  clientCounts.add(OTHER_CLIENTS, false);
  clientCounts.add(OTHER_CLIENTS, false);
  const clients = () => [
    { name: 'ci', place: 1 },
    { name: 'x', place: OTHER_CLIENTS },
    { name: 'y', place: OTHER_CLIENTS },
  ];
  const own = { clients, clientCounts, fleet: new FleetMemory(FleetMemory.create()) };
  return {
    ...sources,
    ...own,
    counters: new Counters(counters),
    tokens: () => Promise.resolve([]),
    startedAtMs: NOW_MS,
    now: () => NOW_MS,
  };
}

test('the metrics of a process are the sums over its workers', () => {
  const snapshot = metricsSnapshot(sourcesOfTwoWorkers(), NOW_MS);
  assert.deepEqual(snapshot.requests, { success: 6, failure: 0 });
  assert.deepEqual(snapshot.clients, [
    { name: 'ci', requests: { success: 0, failure: 1 } },
    { name: 'other', requests: { success: 2, failure: 0 } },
  ]);
  const [group] = snapshot.groups;
  assert.equal(group?.name, 'default');
  assert.deepEqual(group.keys, { healthy: 2, resting: 0, blacklisted: 0 });
  assert.equal(snapshot.inFlight, 2);
  assert.equal(snapshot.firstByte.sumSeconds, 0.08);
  assert.deepEqual(
    group.upstreams.map(({ name, attempts: counts, available }) => [name, counts, available]),
    [
      ['http://one.example', {}, true],
      ['http://two.example', { key_cooldown: 2 }, true],
    ],
  );
  assert.deepEqual(
    snapshot.workers.map(({ worker, heapTotalBytes }) => [worker, heapTotalBytes]),
    [[1, 2]],
  );
  const text = exposition(metricFamilies(snapshot), 'text');
  assert.match(
    text,
    /^gpt_load_attempts_total\{group="default",upstream="http:\/\/two\.example",verdict="key_cooldown"\} 2$/m,
  );
  assert.match(
    text,
    /^gpt_load_worker_event_loop_delay_seconds_bucket\{worker="1",le="0\.05"\} 1$/m,
  );
  assert.ok(!text.includes('sk-first'));
});

test('/metrics is text for people and OpenMetrics for a scraper that prefers it', async (t) => {
  const sources = sourcesOfTwoWorkers();
  const server = createServer((request, response) => sendMetrics(request, response, sources));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
  const plain = await fetch(url);
  assert.equal(plain.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.match(await plain.text(), /^# TYPE gpt_load_requests_total counter$/m);
  const headers = { accept: 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5' };
  const open = await fetch(url, { headers });
  const type = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
  assert.equal(open.headers.get('content-type'), type);
  assert.match(await open.text(), /\n# EOF\n$/);
});
