// From start to end of the process: it drains, it is killed in parts and replaced, it takes new
// keys while it runs.

import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { connectRaw, requestBytes } from '../support/raw-client.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const keys = ['sk-test-life-0-0123456789abcdef', 'sk-test-life-1-0123456789abcdef'];
const chat = requestBytes(
  'POST /v1/chat/completions',
  ['Content-Type: application/json'],
  '{"model":"m","stream":true,"messages":[{"role":"user","content":"one two three four five"}]}',
);

async function keyCount(ask: (path: string) => Promise<{ body: string }>): Promise<number> {
  return JSON.parse((await ask('/stats')).body).keys.total;
}

test('SIGTERM lets a running stream finish, refuses new connections, and exits 0', async () => {
  const upstream = await startScriptedUpstream({ paceMs: 60 });
  try {
    await using proxy = await startGptLoad({ keys, upstreams: [upstream.url] });
    using client = await connectRaw(proxy.port);
    await client.send(chat);
    await eventually('the stream runs', () => upstream.records.length === 1);
    await sleep(100);
    proxy.signal('SIGTERM');
    const refused = () =>
      connectRaw(proxy.port).then(
        (late) => void late.destroy(),
        () => true,
      );
    await eventually('new connections are refused', refused);
    const answer = await client.answer();
    assert.equal(answer.complete, true);
    assert.match(answer.body.toString(), /data: \[DONE\]\n\n$/);
    assert.equal(await proxy.exited, 0);
  } finally {
    await upstream.close();
  }
});

test('a stream longer than the grace period is cut at its end, and the exit code is still 0', async () => {
  const upstream = await startScriptedUpstream({ paceMs: 1_000 });
  try {
    const env = { SERVER_GRACEFUL_SHUTDOWN_TIMEOUT: '1' };
    await using proxy = await startGptLoad({ keys, upstreams: [upstream.url], env });
    using client = await connectRaw(proxy.port);
    await client.send(chat);
    await eventually('the stream runs', () => upstream.records.length === 1);
    const startMs = performance.now();
    proxy.signal('SIGTERM');
    assert.equal(await proxy.exited, 0);
    assert.ok(performance.now() - startMs < 5_000);
  } finally {
    await upstream.close();
  }
});

test('a second signal ends it at once', async () => {
  const upstream = await startScriptedUpstream({ script: () => ({ kind: 'never' }) });
  try {
    const proxy = await startGptLoad({
      keys,
      upstreams: [upstream.url],
      env: { SERVER_GRACEFUL_SHUTDOWN_TIMEOUT: '60' },
    });
    using client = await connectRaw(proxy.port);
    await client.send(chat);
    await eventually('a request runs', () => upstream.records.length === 1);
    proxy.signal('SIGTERM');
    await sleep(200);
    const startMs = performance.now();
    proxy.signal('SIGTERM');
    await proxy.exited;
    assert.ok(performance.now() - startMs < 15_000);
  } finally {
    await upstream.close();
  }
});

test('a key file that changes is read again, and unchanged keys keep their state', async () => {
  const dead = 'sk-test-dead-0123456789abcdef';
  const upstream = await startScriptedUpstream();
  try {
    await using proxy = await startGptLoad({ keys: [dead, ...keys], upstreams: [upstream.url] });
    const count = () => proxy.ask('/blacklist').then(({ body }) => JSON.parse(body).count);
    await eventually('the dead key is found out', async () => {
      await proxy.ask('/v1/models');
      return (await count()) === 1;
    });
    proxy.writeKeys([dead, ...keys, 'sk-test-life-2-0123456789abcdef']);
    await eventually('four keys', async () => (await keyCount(proxy.ask)) === 4, 10_000);
    assert.equal(await count(), 1, 'the dead key is still known');
    proxy.writeKeys(keys);
    await eventually('two keys', async () => (await keyCount(proxy.ask)) === 2, 10_000);
    assert.equal(await count(), 0, 'the dead key is gone with its line');
    upstream.forget();
    for (let i = 0; i < 4; i += 1) assert.equal((await proxy.ask('/v1/models')).status, 200);
    assert.deepEqual(new Set(upstream.records.map(({ request }) => request.key)), new Set(keys));
  } finally {
    await upstream.close();
  }
});

test('SIGHUP and /reset-keys read the key file too; a bad one keeps the old keys', async () => {
  const upstream = await startScriptedUpstream();
  try {
    await using proxy = await startGptLoad({ keys, upstreams: [upstream.url] });
    proxy.writeKeys([...keys, 'sk-test-life-3-0123456789abcdef']);
    proxy.signal('SIGHUP');
    await eventually('three keys', async () => (await keyCount(proxy.ask)) === 3);
    const before = proxy.output().length;
    writeFileSync(join(proxy.directory, 'keys.txt'), `${keys[0]} colour=blue\n`);
    proxy.signal('SIGHUP');
    await eventually('it says so', () => /keys\.txt/.test(proxy.output().slice(before)));
    assert.equal(await keyCount(proxy.ask), 3);
    assert.equal((await proxy.ask('/v1/models')).status, 200);
  } finally {
    await upstream.close();
  }
});

test('a worker that dies is replaced and gives its permits back', {
  skip: binarySkip(),
}, async () => {
  const upstream = await startScriptedUpstream({
    script: ({ path }) => (path === '/v1/hang' ? { kind: 'never' } : { kind: 'good' }),
  });
  try {
    const killer = join(import.meta.dirname, '../support/worker-killer.ts');
    await using proxy = await startGptLoad({
      keys,
      upstreams: [upstream.url],
      env: { NODE_OPTIONS: `--import=${killer}`, MAX_CONCURRENT_REQUESTS: '2', WORKERS: '1' },
    });
    await proxy.waitForLog(/listening on/, 30_000);
    using first = await connectRaw(proxy.port);
    using second = await connectRaw(proxy.port);
    for (const client of [first, second]) await client.send(requestBytes('GET /v1/hang'));
    await eventually('both permits are taken', () => upstream.records.length === 2);
    assert.equal((await proxy.ask('/v1/models')).status, 429);
    writeFileSync(join(proxy.directory, 'kill-worker'), '');
    const works = () => proxy.ask('/v1/models').then(({ status }) => status === 200);
    await eventually('another worker serves, with free permits', works, 10_000);
    assert.equal(await keyCount(proxy.ask), 2);
  } finally {
    await upstream.close();
  }
});

function binarySkip(): string | false {
  return process.env.GPT_LOAD_BINARY ? 'a packed binary takes no --import' : false;
}

test('log lines that a full disk takes are counted in /metrics', {
  skip: !existsSync('/dev/full'),
}, async () => {
  await using proxy = await startGptLoad({
    keys: ['sk-test-full-disk-0123456789abcdef'],
    upstreams: ['http://127.0.0.1:9'],
    env: { LOG_ENABLE_FILE: 'true', LOG_FILE_PATH: '/dev/full' },
  });
  await eventually('lost lines are counted', async () => {
    const { body } = await proxy.ask('/metrics');
    return Number(/^gpt_load_log_lines_dropped_total (\d+)$/m.exec(body)?.[1]) > 0;
  });
});
