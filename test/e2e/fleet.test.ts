// A fleet as its user has it: whole programs that share a server. They tell each other of dead
// keys, share out the limits of keys and clients, and show who is there.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { type GptLoad, startGptLoad } from '../support/start-gpt-load.ts';
import { needsRedis, type Redis, startRedis } from '../support/start-redis.ts';

const good = 'sk-test-good-fleet-0123456789abcdef';
const dead = 'sk-test-dead-fleet-0123456789fedcba';

function start(redis: Redis, upstream: string, keys: readonly string[]): Promise<GptLoad> {
  const env = { FLEET_URL: redis.url, AUTH_KEY: 'auth-key-of-the-fleet-0123', WORKERS: '2' };
  return startGptLoad({ keys, upstreams: [upstream], env });
}

const headers = { authorization: 'Bearer auth-key-of-the-fleet-0123' };

async function chat(proxy: GptLoad): Promise<number> {
  const body = '{"model":"gpt-4o","messages":[]}';
  const url = `${proxy.url}/v1/chat/completions`;
  const answer = await proxy.fetch(url, { method: 'POST', headers, body });
  await answer.text();
  return answer.status;
}

async function asked(proxy: GptLoad, path: string) {
  return JSON.parse((await proxy.ask(path, { headers })).body);
}

/** All are there, and each knows that the others know. */
async function together(...proxies: GptLoad[]): Promise<void> {
  await eventually('all see each other', async () => {
    const seen = await Promise.all(proxies.map((proxy) => asked(proxy, '/health')));
    return seen.every(({ fleet }) => fleet.instances === proxies.length);
  });
  // Two heartbeats: shares are taken when the others have said that they gave.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
}

async function admitted(proxy: GptLoad, requests: number): Promise<number> {
  const all = await Promise.all(Array.from({ length: requests }, () => chat(proxy)));
  return all.filter((status) => status === 200).length;
}

test('a key that one instance finds dead is blacklisted at all of them', needsRedis, async () => {
  await using upstream = await startScriptedUpstream();
  await using redis = await startRedis();
  await using a = await start(redis, upstream.url, [good, dead]);
  await using b = await start(redis, upstream.url, [dead, good]);
  await together(a, b);
  while ((await asked(a, '/blacklist')).count === 0) await chat(a);
  await eventually('b knows', async () => (await asked(b, '/blacklist')).count === 1);
  const [key] = (await asked(b, '/blacklist')).blacklisted_keys;
  assert.equal(key.reason, 'invalid_key');
  assert.equal((await asked(b, '/reset-keys')).healthy_keys, 2);
  await eventually('a has it back', async () => (await asked(a, '/blacklist')).count === 0);
});

test('two instances share the 60 requests a minute of a key', needsRedis, async () => {
  await using upstream = await startScriptedUpstream();
  await using redis = await startRedis();
  const keys = [`${good} rpm=60`];
  await using a = await start(redis, upstream.url, keys);
  await using b = await start(redis, upstream.url, keys);
  await together(a, b);
  const counts = await Promise.all([admitted(a, 80), admitted(b, 80)]);
  assert.deepEqual(counts, [30, 30]);

  // The share of one that was killed is the other's within five seconds.
  const killedMs = performance.now();
  b.signal('SIGKILL');
  await b.exited;
  let more = 0;
  await eventually(
    'a may send 30 more',
    async () => {
      more += (await chat(a)) === 200 ? 1 : 0;
      return more === 30;
    },
    9_000,
  );
  const tookMs = performance.now() - killedMs;
  assert.ok(tookMs < 7_000, `${tookMs} ms`);
  assert.equal(await chat(a), 429);
  await b.stop(null as unknown as number);
});

test(
  'a limit that is smaller than the fleet is used by as many as it has room for',
  needsRedis,
  async () => {
    await using upstream = await startScriptedUpstream();
    await using redis = await startRedis();
    const keys = [`${good} rpm=1`];
    await using a = await start(redis, upstream.url, keys);
    await using b = await start(redis, upstream.url, keys);
    await together(a, b);
    const counts = await Promise.all([admitted(a, 5), admitted(b, 5)]);
    assert.deepEqual(counts.sort(), [0, 1]);
  },
);

test('gpt-load fleet shows who is there and what is shared', needsRedis, async () => {
  await using upstream = await startScriptedUpstream();
  await using redis = await startRedis();
  await using a = await start(redis, upstream.url, [good]);
  await using b = await start(redis, upstream.url, [good]);
  await together(a, b);
  const main = join(import.meta.dirname, '../../src/main.ts');
  const run = (...args: string[]) => {
    const env = { PATH: process.env.PATH, AUTH_KEY: 'auth-key-of-the-fleet-0123' };
    const all = [main, 'fleet', '--url', a.url, ...args];
    return spawnSync(process.execPath, all, { env, encoding: 'utf8' }).stdout;
  };
  const shown = run();
  assert.match(shown, /connected +yes/);
  assert.match(shown, /instances +2/);
  assert.match(shown, new RegExp(`:${a.port} \\* .*\\n.*:${b.port} `));
  const { instances, lag_ms: lagMs } = JSON.parse(run('--json'));
  assert.equal(instances.length, 2);
  assert.ok(lagMs < 2_000, `${lagMs} ms`);
  await b.stop();
  await eventually('b is gone at once', async () => {
    return (await asked(a, '/fleet')).instances.length === 1;
  });
});

test('without FLEET_URL there is no fleet, and its client is never evaluated', async () => {
  await using upstream = await startScriptedUpstream();
  // Node says which files it evaluates.
  const env = { NODE_DEBUG: 'module,esm' };
  await using proxy = await startGptLoad({ keys: [good], upstreams: [upstream.url], env });
  const { body } = await proxy.ask('/health');
  assert.equal('fleet' in JSON.parse(body), false);
  assert.match((await proxy.ask('/fleet')).body, /FLEET_URL is not set/);
  assert.doesNotMatch((await proxy.ask('/metrics')).body, /fleet/);
  const client = /node_modules\/@redis\/client/;
  assert.doesNotMatch(proxy.output(), client);
  if (process.env.GPT_LOAD_BINARY) return;
  const fleet = { ...env, FLEET_URL: 'redis://127.0.0.1:1', FLEET_SECRET: 'x' };
  await using other = await startGptLoad({ keys: [good], upstreams: [upstream.url], env: fleet });
  await other.waitForLog(client);
});
