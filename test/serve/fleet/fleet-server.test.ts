// Kinds of servers that a fleet may have: a user with few rights, a cluster.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { DEAD_KEY } from '../../pool/pool-fixture.ts';
import { eventually } from '../../support/eventually.ts';
import { needsRedis, startRedis } from '../../support/start-redis.ts';
import { startInstance } from './fleet-instance.ts';

const notes = readFileSync(join(import.meta.dirname, '../../../deploy/README.md'), 'utf8');

test('the rights that deploy/README.md names are all that is needed', needsRedis, async () => {
  await using redis = await startRedis();
  const [, rule = ''] = /`ACL SETUSER (gpt-load .*?)`/.exec(notes) ?? [];
  const words = rule.replaceAll('{gpt-load}', '{test}').replace('PASSWORD', 'word').split(' ');
  assert.equal(await redis.cli('ACL', 'SETUSER', ...words), 'OK');
  const url = redis.url.replace('127', 'gpt-load:word@127');
  await using a = startInstance({ url, keys: ['key-0'] });
  await using b = startInstance({ url, keys: ['key-0'] });
  await Promise.all([a.connected(), b.connected()]);
  a.answer(DEAD_KEY);
  await eventually('b knows', () => b.state() === 'dead');
  await a.leave();
  await eventually('a has left', () => b.report().instances.length === 1, 2_000);
  assert.doesNotMatch(a.output() + b.output(), /WARN/);
});

test('a node of a cluster sends the fleet to the one that has its keys', needsRedis, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'gpt-load-cluster-'));
  after(() => rmSync(dir, { recursive: true, force: true }));
  const args = ['--dir', dir, '--cluster-enabled', 'yes', '--cluster-config-file'];
  await using one = await startRedis({ args: [...args, 'one.conf'] });
  await using two = await startRedis({ args: [...args, 'two.conf'] });
  await one.cli('CLUSTER', 'ADDSLOTSRANGE', '0', '8191');
  await two.cli('CLUSTER', 'ADDSLOTSRANGE', '8192', '16383');
  await one.cli('CLUSTER', 'MEET', '127.0.0.1', String(two.port));
  await eventually(
    'the cluster is whole',
    async () => {
      const said = await Promise.all([one, two].map((node) => node.cli('CLUSTER', 'INFO')));
      return said.every((info) => /cluster_state:ok/.test(info) && /known_nodes:2/.test(info));
    },
    15_000,
  );
  await using a = startInstance({ url: one.url, keys: ['key-0'] });
  await using b = startInstance({ url: two.url, keys: ['key-0'] });
  await Promise.all([a.connected(), b.connected()]);
  a.answer(DEAD_KEY);
  await eventually('b knows', () => b.state() === 'dead');
});
