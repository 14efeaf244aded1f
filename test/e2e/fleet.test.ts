// A fleet as its user has it: whole programs that share a server. They tell each other of dead
// keys, share out the limits of keys and clients, and show who is there.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/peer-process.ts';
import { type GptLoad, startGptLoad } from '../support/start-gpt-load.ts';
import { needsRedis, type Redis, startRedis } from '../support/start-redis.ts';

const good = 'sk-test-good-fleet-0123456789abcdef';
const dead = 'sk-test-dead-fleet-0123456789fedcba';

function start(
  redis: Redis,
  upstream: string,
  keys: readonly string[],
  more: Record<string, string> = {},
): Promise<GptLoad> {
  const auth = { AUTH_KEY: 'auth-key-of-the-fleet-0123' };
  const env = { FLEET_URL: redis.url, ...auth, WORKERS: '2', ...more };
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

/** What a client command says about an instance. */
function command(name: string, { url }: GptLoad, ...args: string[]): string {
  const main = join(import.meta.dirname, '../../src/main.ts');
  const env = { PATH: process.env.PATH, AUTH_KEY: 'auth-key-of-the-fleet-0123' };
  const all = [main, name, '--url', url, ...args];
  return spawnSync(process.execPath, all, { env, encoding: 'utf8' }).stdout;
}

/** All are there, and each knows that the others know. */
async function together(...proxies: GptLoad[]): Promise<void> {
  await eventually('all see each other', async () => {
    const seen = await Promise.all(proxies.map((proxy) => asked(proxy, '/health')));
    return seen.every(({ fleet }) => fleet.instances === proxies.length);
  });
  await sleep(1_500);
}

/** Some heartbeats more, late ones too: shares are taken when the others have said they gave. */
async function sharing(...proxies: GptLoad[]): Promise<void> {
  await together(...proxies);
  await sleep(2_500);
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

test('two instances share the 60 requests a minute of a key', needsRedis, async (t) => {
  await using upstream = await startScriptedUpstream();
  await using redis = await startRedis();
  const keys = [`${good} rpm=60`];
  await using a = await start(redis, upstream.url, keys);
  await using b = await start(redis, upstream.url, keys);
  await sharing(a, b);
  const counts = await Promise.all([admitted(a, 80), admitted(b, 80)]);
  assert.deepEqual(counts, [30, 30]);

  // The share of one that was killed is the other's within five seconds, or ten where all is slow.
  const killedMs = performance.now();
  b.signal('SIGKILL');
  await b.exited;
  await eventually('a may send more', async () => (await chat(a)) === 200, 12_000);
  const tookMs = performance.now() - killedMs;
  t.diagnostic(`the share was back after ${Math.round(tookMs)} ms`);
  assert.ok(tookMs < 10_000, `${tookMs} ms`);
  assert.equal(await admitted(a, 40), 29);
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
    await sharing(a, b);
    const counts = await Promise.all([admitted(a, 5), admitted(b, 5)]);
    assert.deepEqual(counts.sort(), [0, 1]);
  },
);

test('usage is that of the fleet, or of one instance, over kill -9', needsRedis, async () => {
  await using upstream = await startScriptedUpstream();
  await using redis = await startRedis();
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-fleet-usage-'));
  after(() => rmSync(directory, { recursive: true, force: true }));
  const [portOfA, portOfB] = [await freePort(), await freePort()];
  const begin = (port: number, more: Record<string, string> = {}) => {
    return start(redis, upstream.url, [good], { PORT: String(port), ...more });
  };
  const state = { STATE_FILE: join(directory, 'b.db') };
  await using a = await begin(portOfA);
  await using b = await begin(portOfB, state);
  await together(a, b);
  for (let i = 0; i < 9; i += 1) await chat(i < 4 ? a : b);
  const used = async (of: GptLoad, query = '') => {
    const { rows, ...more } = await asked(of, `/usage?group_by=model,key&${query}`);
    const requests = rows.reduce((sum: number, row: { requests: number }) => sum + row.requests, 0);
    return { ...more, rows, requests };
  };
  for (const one of [a, b]) {
    await eventually('both have used 9', async () => (await used(one)).requests === 9, 9_000);
  }
  const { fleet, instances, rows } = await used(a);
  const [nameOfA, nameOfB] = [portOfA, portOfB].map((port) => `${hostname()}:${port}`);
  assert.deepEqual([fleet, instances], ['connected', [nameOfA, nameOfB].sort()]);
  assert.deepEqual([rows.length, rows[0].model, rows[0].key], [1, 'gpt-4o', 'sk-t...cdef']);
  assert.equal((await used(a, `instance=${nameOfA}`)).requests, 4);
  assert.equal((await used(a, `instance=${nameOfB}`)).requests, 5);
  assert.deepEqual((await used(a, `instance=${nameOfB}`)).instances, [nameOfB]);
  const unknown = await a.ask('/usage?instance=nobody', { headers });
  assert.equal(unknown.status, 400);
  assert.match(unknown.body, new RegExp(`instance: must be one of .*${nameOfA}`));
  assert.match(command('usage', a), new RegExp(`of 2 instances: .*${nameOfB}`));
  assert.match(
    command('usage', a, '--instance', nameOfB ?? ''),
    new RegExp(`\\nusage of ${nameOfB}\n`),
  );
  assert.equal((await asked(a, '/dashboard/state')).instance, nameOfA);

  b.signal('SIGKILL');
  await b.exited;
  await b.stop(null as unknown as number);
  await using again = await begin(portOfB, state);
  await together(a, again);
  await chat(again);
  await eventually('10, none twice', async () => (await used(a)).requests === 10, 9_000);

  await redis.kill();
  await eventually('a is alone', async () => (await asked(a, '/health')).fleet === 'away');
  const alone = await used(a);
  assert.deepEqual([alone.fleet, alone.instances, alone.requests], ['away', [nameOfA], 4]);
  const other = await a.ask(`/usage?instance=${nameOfB}`, { headers });
  assert.equal(other.status, 503);
  assert.match(other.body, /"code":"fleet_away"/);
  const csv = await a.fetch(`${a.url}/usage?format=csv`, { headers });
  assert.equal(csv.headers.get('x-gpt-load-fleet'), 'away');
  await csv.text();
  assert.match(
    command('usage', a),
    new RegExp(`fleet unavailable; this is the usage of ${nameOfA} alone`),
  );
});

test('what was used just before the end is told at the end', needsRedis, async () => {
  await using upstream = await startScriptedUpstream();
  await using redis = await startRedis();
  await using a = await start(redis, upstream.url, [good]);
  await using b = await start(redis, upstream.url, [good]);
  await together(a, b);
  for (let i = 0; i < 3; i += 1) await chat(b);
  await b.stop();
  await eventually('a has it', async () => {
    return (await asked(a, '/usage')).rows[0]?.requests === 3;
  });
});

test('gpt-load fleet shows who is there and what is shared', needsRedis, async () => {
  await using upstream = await startScriptedUpstream();
  await using redis = await startRedis();
  await using a = await start(redis, upstream.url, [good]);
  await using b = await start(redis, upstream.url, [good]);
  await together(a, b);
  const shown = command('fleet', a);
  assert.match(shown, /connected +yes/);
  assert.match(shown, /instances +2/);
  assert.match(shown, new RegExp(`:${a.port} \\* .*\\n.*:${b.port} `));
  const { instances, lag_ms: lagMs } = JSON.parse(command('fleet', a, '--json'));
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
