// What the lines of a key file say of single keys, as clients meet it: limits that nobody runs
// into, weights, tiers, and a line of those that wait.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { type GptLoad, startGptLoad } from '../support/start-gpt-load.ts';

const keys = ['a', 'b', 'c'].map((name) => `sk-test-good-${name}-0123456789abcdef`);

function ask(proxy: GptLoad, signal?: AbortSignal, query = ''): Promise<Response> {
  return fetch(`${proxy.url}/v1/chat/completions${query}`, {
    method: 'POST',
    headers: { connection: 'close' },
    body: '{"model":"gpt-4o","messages":[]}',
    ...(signal === undefined ? {} : { signal }),
  });
}

/** A good answer that comes to its end when it is released. */
function heldAnswer() {
  const { promise, resolve } = Promise.withResolvers<void>();
  async function* body() {
    await promise;
    yield '{"object":"chat.completion","choices":[]}';
  }
  const headers = { 'content-type': 'application/json' };
  const behaviour = () =>
    ({ kind: 'reply', reply: { status: 200, headers, body: body() } }) as const;
  return { behaviour, release: resolve };
}

test('four workers that hammer one key with rpm=60 let exactly 60 through', async () => {
  await using upstream = await startScriptedUpstream();
  const env = { WORKERS: '4', MAX_CONCURRENT_REQUESTS: '200' };
  await using proxy = await startGptLoad({
    keys: [`${keys[0]} rpm=60 name=alice`],
    upstreams: [upstream.url],
    env,
  });
  const answers = await Promise.all(Array.from({ length: 150 }, () => ask(proxy)));
  assert.equal(answers.filter(({ status }) => status === 200).length, 60);
  assert.equal(upstream.received(), 60);
  const refused = answers.find(({ status }) => status === 429);
  const waitS = Number(refused?.headers.get('retry-after'));
  assert.ok(waitS > 30 && waitS <= 65, `Retry-After: ${waitS}`);
  assert.match((await refused?.text()) ?? '', /"code":"all_keys_busy"/);
  const stats = (await (await fetch(`${proxy.url}/stats`)).json()) as { keys: object };
  assert.deepEqual(stats.keys, {
    total: 1,
    healthy: 1,
    blacklisted: 0,
    resting: 0,
    at_limit: 1,
    current_index: 0,
  });
  const metrics = await (await fetch(`${proxy.url}/metrics`)).text();
  assert.match(metrics, /gpt_load_key_limit_skips_total\{group="default",limit="rpm"\} [1-9]/);
});

test('limits of requests under way spread the load, and the last key of a tier is not the end', async () => {
  const held = heldAnswer();
  await using upstream = await startScriptedUpstream({ script: held.behaviour });
  await using proxy = await startGptLoad({
    keys: [`${keys[0]} concurrency=1`, `${keys[1]} concurrency=1`, `${keys[2]} tier=2`],
    upstreams: [upstream.url],
  });
  const asked = [ask(proxy), ask(proxy), ask(proxy), ask(proxy)];
  await eventually('all are under way', () => upstream.received() === 4);
  held.release();
  const answers = await Promise.all(asked);
  for (const { status } of answers) assert.equal(status, 200);
  const used = upstream.records.map(({ request }) => request.key).sort();
  assert.deepEqual(used, [keys[0], keys[1], keys[2], keys[2]]);
});

test('with QUEUE_TIMEOUT requests wait for a busy key, first come first served', async () => {
  // The first one lasts until all the others are in line.
  const held = heldAnswer();
  const soon = { kind: 'slow', delayMs: 30 } as const;
  await using upstream = await startScriptedUpstream({
    script: ({ index }) => (index === 1 ? held.behaviour() : soon),
  });
  await using proxy = await startGptLoad({
    keys: [`${keys[0]} concurrency=1`],
    upstreams: [upstream.url],
    env: { QUEUE_TIMEOUT: '60', WORKERS: '2' },
  });
  const all: Promise<unknown>[] = [];
  for (let place = 0; place < 8; place += 1) {
    const answered = ask(proxy, undefined, `?place=${place}`);
    all.push(answered.then((answer) => assert.equal(answer.status, 200)));
    await eventually(`${place + 1} are under way`, async () => {
      const metrics = await (await fetch(`${proxy.url}/metrics`)).text();
      return metrics.includes(`\ngpt_load_requests_in_flight ${place + 1}\n`);
    });
    // It has its slot; to the line it is a millisecond more, or some where all else runs too.
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  held.release();
  await Promise.all(all);
  // One at a time, so that the order at the upstream is that of the keys.
  const order = upstream.records.map(({ request }) => Number(request.query.get('place')));
  assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7]);
  // A request is counted a moment after its answer.
  await eventually('all seven are counted', async () => {
    const metrics = await (await fetch(`${proxy.url}/metrics`)).text();
    return /gpt_load_queue_wait_seconds_count 7\n/.test(metrics);
  });
  await proxy.waitForLog(/waited_ms=\d+/);
});

test('who waits too long gets 429, and who leaves gives its turn to the next', async () => {
  const slow = { kind: 'slow', delayMs: 2_000 } as const;
  await using upstream = await startScriptedUpstream({ script: () => slow });
  await using proxy = await startGptLoad({
    keys: [`${keys[0]} concurrency=1`],
    upstreams: [upstream.url],
    env: { QUEUE_TIMEOUT: '1.5', WORKERS: '2' },
  });
  const first = ask(proxy);
  await eventually('the first is under way', () => upstream.received() === 1);
  const impatient = new AbortController();
  const gone = ask(proxy, impatient.signal).catch(() => 'gone');
  await new Promise((resolve) => setTimeout(resolve, 300));
  impatient.abort();
  assert.equal(await gone, 'gone');
  const startMs = Date.now();
  const [late] = await Promise.all([ask(proxy), first]);
  // Either its time was up, or the first one ended just before.
  if (late.status === 429) {
    assert.ok(Date.now() - startMs >= 1_400);
    assert.equal(((await late.json()) as { error: { code: string } }).error.code, 'all_keys_busy');
  } else assert.equal(late.status, 200);
  const second = await ask(proxy);
  assert.ok(second.status === 200 || second.status === 429);
  await eventually('the key is free', async () => (await ask(proxy)).status === 200);
  assert.ok(upstream.received() <= 4, `${upstream.received()}`);
});

test('with QUEUE_TIMEOUT requests wait for a place among the concurrent ones', async () => {
  const slow = { kind: 'slow', delayMs: 200 } as const;
  await using upstream = await startScriptedUpstream({ script: () => slow });
  await using proxy = await startGptLoad({
    keys,
    upstreams: [upstream.url],
    env: { QUEUE_TIMEOUT: '20', MAX_CONCURRENT_REQUESTS: '2', WORKERS: '2' },
  });
  const answers = await Promise.all(Array.from({ length: 12 }, () => ask(proxy)));
  for (const { status } of answers) assert.equal(status, 200);
  assert.equal(upstream.received(), 12);
});

test('the count of a day survives kill -9, and the minute of a key a reading of its file', async () => {
  await using upstream = await startScriptedUpstream();
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-day-'));
  const env = { STATE_FILE: join(directory, 'state.db') };
  const lines = [`${keys[0]} rpd=5`];
  try {
    const first = await startGptLoad({ keys: lines, upstreams: [upstream.url], env });
    for (let i = 0; i < 3; i += 1) assert.equal((await ask(first)).status, 200);
    // A batch is written once a second.
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    first.signal('SIGKILL');
    await first.exited;
    await using proxy = await startGptLoad({ keys: lines, upstreams: [upstream.url], env });
    const statuses = [];
    for (let i = 0; i < 4; i += 1) statuses.push((await ask(proxy)).status);
    // Unless midnight has just passed.
    assert.deepEqual(statuses, [200, 200, 429, 429]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('one that waits for a certain key keeps nobody from the others', async () => {
  const held = heldAnswer();
  await using upstream = await startScriptedUpstream({
    script: ({ path, key }) => {
      if (path.includes('files')) return { kind: 'good' };
      return key === keys[0] ? held.behaviour() : { kind: 'good' };
    },
  });
  await using proxy = await startGptLoad({
    keys: [`${keys[0]} concurrency=1`, `${keys[1]} concurrency=1 tier=2`],
    upstreams: [upstream.url],
    env: { QUEUE_TIMEOUT: '20', WORKERS: '2' },
  });
  // The file is the first key's, which then is busy.
  const form = new FormData();
  form.set('purpose', 'batch');
  form.set('file', new Blob(['{}']), 'in.jsonl');
  const made = await fetch(`${proxy.url}/v1/files`, { method: 'POST', body: form });
  const { id } = (await made.json()) as { id: string };
  const first = ask(proxy);
  await eventually('the first key is busy', () => upstream.received() === 2);
  const bound = fetch(`${proxy.url}/v1/files/${id}`);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const startMs = Date.now();
  for (let i = 0; i < 3; i += 1) assert.equal((await ask(proxy)).status, 200);
  assert.ok(Date.now() - startMs < 8_000, `${Date.now() - startMs} ms`);
  held.release();
  assert.equal((await first).status, 200);
  await (await bound).arrayBuffer();
  assert.equal(upstream.records.at(-1)?.request.key, keys[0]);
});

test('what an answer has used takes the place of the estimate', async () => {
  await using upstream = await startScriptedUpstream();
  await using proxy = await startGptLoad({
    keys: [`${keys[0]} tpm=1500`],
    upstreams: [upstream.url],
  });
  const body = '{"model":"gpt-4o","max_tokens":700,"messages":[{"role":"user","content":"Hi"}]}';
  for (let i = 0; i < 4; i += 1) {
    const answer = await fetch(`${proxy.url}/v1/chat/completions`, { method: 'POST', body });
    assert.equal(answer.status, 200);
    await answer.arrayBuffer();
  }
  const stats = (await (await fetch(`${proxy.url}/stats`)).json()) as {
    limited_keys: { limits: { tpm: { used: number } } }[];
  };
  const used = stats.limited_keys[0]?.limits.tpm.used ?? 0;
  assert.ok(used > 80 && used < 1_000, `${used}`);
});
