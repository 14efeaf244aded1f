// `gpt-load top` against a scripted instance: what it shows of two moments, and how it ends.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { Terminal } from '../../src/cli/terminal.ts';
import { top } from '../../src/cli/top.ts';
import { TopView } from '../../src/cli/top-view.ts';
import { parseConfig } from '../../src/config/config.ts';

const statsOf = (total: number, failed: number) => ({
  keys: { total: 3, healthy: 1, resting: 1, blacklisted: 1 },
  groups: [
    {
      name: 'default',
      keys: { total: 3, healthy: 1, resting: 1, blacklisted: 1 },
      attempts: { success: total - failed, key_cooldown: failed },
    },
  ],
  requests: { success_count: total - failed, failure_count: failed, total_count: total },
  memory: { rss_mb: 80.4 },
  system: { version: '0.1.0', workers: 2, uptime: 250 },
});
const FAILED = {
  id: '0103a1cd000001',
  time: '2026-01-31T12:00:00.000Z',
  status: 502,
  total_ms: 1_900,
  first_byte_ms: null,
  model: 'gpt-4o',
  error_code: 'upstream_unreachable',
  attempts: [],
};
const ended = (totalMs: number) => ({
  ...FAILED,
  status: 200,
  total_ms: totalMs,
  first_byte_ms: 5,
});

function screen() {
  const said = { out: '', err: '' };
  const terminal: Terminal = {
    write: (text) => {
      said.out += text;
    },
    complain: (text) => {
      said.err += text;
    },
    columns: undefined,
    complaintColumns: undefined,
  };
  return { said, terminal };
}

test('a view tells rates, latencies, groups and the last errors', () => {
  const view = new TopView('http://127.0.0.1:3000');
  view.add({ atMs: 0, stats: statsOf(100, 10), ended: [] });
  const many = Array.from({ length: 39 }, (_, at) => ended(at + 1));
  view.add({ atMs: 2_000, stats: statsOf(140, 11), ended: [FAILED, ...many] });
  const text = view.text({ columns: undefined, lines: undefined });
  const plain = text.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g'), '');
  assert.match(plain, /^gpt-load 0\.1\.0 at http:\S+, up 4 min 10 s, 2 workers, 80 MiB\n/);
  assert.match(plain, /^requests {2}20\/s, 0\.5\/s failed, .* 140 in total/m);
  assert.match(plain, /^latency {3}first byte p50 5 ms, p95 5 ms; total p50 21 ms, p95 39 ms/m);
  assert.match(plain, /^keys {6}1 of 3 healthy, 1 resting, 1 blacklisted$/m);
  assert.match(plain, /^default +1 of 3 +1 +1 +20\/s +key_cooldown 0\.5\/s$/m);
  assert.match(plain, /^12:00:00 +0103a1cd000001 +502 .*upstream_unreachable$/m);
});

test('a view fits into the lines that there are', () => {
  const view = new TopView('here');
  const errors = Array.from({ length: 60 }, () => FAILED);
  view.add({ atMs: 0, stats: statsOf(60, 60), ended: errors });
  const text = view.text({ columns: 80, lines: 16 });
  assert.ok(text.trimEnd().split('\n').length <= 16, text);
});

test('a name from the instance cannot move the cursor', () => {
  const view = new TopView('here');
  const system = { version: '\x1b[2J', workers: 1, uptime: 1 };
  view.add({ atMs: 0, stats: { ...statsOf(1, 0), system }, ended: [] });
  assert.ok(!view.text({ columns: 80, lines: 24 }).includes('\x1b[2J'));
});

test('top writes one view below the other where there is no terminal, and ends', async (t) => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const isStats = request.url === '/stats';
    const answer = isStats ? statsOf(1, 0) : { requests: [ended(3)], last_id: 'x7' };
    response.end(JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const config = parseConfig({ PORT: String((server.address() as AddressInfo).port) });
  const { said, terminal } = screen();
  assert.equal(await top({ url: undefined, count: '2' }, config, terminal), 0);
  assert.equal(said.out.match(/^gpt-load 0\.1\.0 at/gm)?.length, 2);
  assert.equal(said.out.includes('\x1b'), false);
  assert.ok(asked.includes('/requests?limit=1000&since_id=x7'), asked.join(' '));
});

test('top exits 2 in one line when there is nothing to watch, or the count is none', async () => {
  const config = parseConfig({ HOST: 'unix:/tmp/no-such.sock' });
  for (const [count, told] of [
    [undefined, /^gpt-load top: nothing is listening at [^\n]+\n$/],
    ['none', /^gpt-load top: --count must be an integer of at least 1, got "none"\n$/],
  ] as const) {
    const { said, terminal } = screen();
    assert.equal(await top({ url: undefined, count }, config, terminal), 2);
    assert.match(said.err, told);
    assert.equal(said.out, '');
  }
});
