// A member whose server does what servers should not do: it says so once, waits for nothing, and
// tells no secret.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GONE_MS } from '../../../src/store/valkey/fleet-store.ts';
import { keyNames } from '../../pool/pool-fixture.ts';
import { bestOfThree } from '../../support/best-of-three.ts';
import { eventually } from '../../support/eventually.ts';
import { needsRedis, startRedis, startSlowWay } from '../../support/start-redis.ts';
import { startInstance } from './fleet-instance.ts';

test('a server that repeats what it was sent does not have it in our log', needsRedis, async () => {
  // Redis names the arguments of a command that it does not know: here user and password.
  const args = ['--requirepass', 'p%ss word', '--rename-command', 'HELLO', ''];
  await using redis = await startRedis({ args });
  const url = redis.url.replace('127', ':p%25ss%20word@127');
  await using a = startInstance({ url, keys: ['key-0'] });
  await eventually('it is told', () => /WARN/.test(a.output()));
  const said = a.output() + JSON.stringify(a.report());
  assert.doesNotMatch(said, /ss word|ss%20word/);
  assert.match(said, /unknown command/);
});

for (const [name, prepare] of Object.entries({
  frozen: async (way: Awaited<ReturnType<typeof startSlowWay>>) => way.cut(),
  'not to be reached by its Sentinels': async () => {},
})) {
  test(`an instance leaves within a second though the server is ${name}`, needsRedis, async () => {
    await using redis = await startRedis();
    const isSentinel = name.includes('Sentinel');
    await bestOfThree(async () => {
      await using way = await startSlowWay(redis.port, 0);
      if (isSentinel) way.cut();
      const place = `127.0.0.1:${way.port}`;
      const url = isSentinel
        ? `redis+sentinel://${place},${place},${place}/main`
        : `redis://${place}`;
      const a = startInstance({ url, keys: ['key-0'] });
      if (isSentinel) await sleep(300);
      else await a.connected();
      await prepare(way);
      // In the middle of an exchange.
      await sleep(700);
      const startedMs = performance.now();
      await a.leave();
      const tookMs = performance.now() - startedMs;
      return tookMs < 1_200 ? undefined : `${tookMs} ms`;
    });
  });
}

test('one that joins and fails at once, over and over, is told once', needsRedis, async () => {
  await using redis = await startRedis();
  await redis.cli('SET', '{test}:records', 'of another kind');
  await using a = startInstance({ url: redis.url, keys: ['key-0'] });
  await eventually('it is told', () => /WARN/.test(a.output()));
  await sleep(3_000);
  const lines = a.output().trim().split('\n');
  assert.ok(lines.length <= 2, lines.join('\n'));
  await redis.cli('DEL', '{test}:records');
  await eventually('and that it is over', () => /rejoined the fleet/.test(a.output()), 10_000);
});

test(
  'an instance with many keys lives for the others while it learns them',
  needsRedis,
  async () => {
    await using redis = await startRedis();
    const keys = keyNames(60_000);
    await using a = startInstance({ url: redis.url, keys, capacity: 60_000 });
    const seen = new Set<string>();
    await eventually(
      'all are learned',
      async () => {
        const [, word = ''] = (await redis.cli('HGETALL', '{test}:instances')).split('\n');
        seen.add(word.split('|')[0] ?? '');
        return a.report().shared.keys === keys.length;
      },
      30_000,
    );
    const times = [...seen].filter((word) => word !== '').map(Number);
    const gaps = times.slice(1).map((ms, i) => ms - (times[i] ?? 0));
    assert.ok(Math.max(0, ...gaps) < GONE_MS && gaps.length > 0, `between heartbeats: ${gaps} ms`);
  },
);
