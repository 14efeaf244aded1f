// Kinds of servers that a fleet may have, Redis and Valkey where they are installed: a user with
// few rights, a cluster, Sentinels.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { DEAD_KEY, NOW } from '../../pool/pool-fixture.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort, startPeer } from '../../support/peer-process.ts';
import { needsRedis, SERVERS, startRedis } from '../../support/start-redis.ts';
import { startInstance } from './fleet-instance.ts';
import { MemoryBooks, usageRow } from './memory-books.ts';

const notes = readFileSync(join(import.meta.dirname, '../../../deploy/README.md'), 'utf8');

/** A test with each server that is installed. */
function ofEach(name: string, run: (server: (typeof SERVERS)[number]) => Promise<void>): void {
  if (SERVERS.length === 0) test(name, needsRedis);
  for (const server of SERVERS) test(`${server}: ${name}`, () => run(server));
}

ofEach('the rights that deploy/README.md names are all that is needed', async (server) => {
  await using redis = await startRedis({ server });
  const [, rule = ''] = /`ACL SETUSER (gpt-load .*?)`/.exec(notes) ?? [];
  const words = rule.replaceAll('{gpt-load}', '{test}').replace('PASSWORD', 'word').split(' ');
  assert.equal(await redis.cli('ACL', 'SETUSER', ...words), 'OK');
  const url = redis.url.replace('127', 'gpt-load:word@127');
  const books = new MemoryBooks();
  books.add(usageRow());
  // Days are forgotten by the server's clock: theirs is right, this once.
  const skewMs = Date.now() - NOW;
  await using a = startInstance({ url, keys: ['key-0'], books, skewMs });
  await using b = startInstance({ url, keys: ['key-0'], skewMs });
  await Promise.all([a.connected(), b.connected()]);
  a.answer(DEAD_KEY);
  await eventually('b knows', () => b.state() === 'dead');
  const today = Math.floor(Date.now() / 86_400_000) * 24;
  const question = { fromHour: today - 24, toHour: today + 48, by: 'day', groupBy: [] } as const;
  await eventually('b can tell what a used', async () => {
    const used = await b.usage(question, undefined);
    return typeof used === 'object' && used.rows[0]?.requests === 1;
  });
  await a.leave();
  await eventually('a has left', () => b.report().instances.length === 1, 2_800);
  assert.doesNotMatch(a.output() + b.output(), /WARN/);
});

ofEach('a node of a cluster sends the fleet to the one that has its keys', async (server) => {
  const dir = mkdtempSync(join(tmpdir(), 'gpt-load-cluster-'));
  after(() => rmSync(dir, { recursive: true, force: true }));
  const args = ['--dir', dir, '--cluster-enabled', 'yes', '--cluster-config-file'];
  await using one = await startRedis({ server, args: [...args, 'one.conf'] });
  await using two = await startRedis({ server, args: [...args, 'two.conf'] });
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

ofEach('Sentinels say where the primary is, and where the next one', async (server) => {
  await using primary = await startRedis({ server, args: ['--repl-diskless-sync-delay', '0'] });
  const replicaof = ['--replicaof', '127.0.0.1', String(primary.port)];
  await using replica = await startRedis({ server, args: replicaof });
  await eventually('it replicates', async () => {
    return (await replica.cli('INFO', 'replication')).includes('master_link_status:up');
  });
  const dir = mkdtempSync(join(tmpdir(), 'gpt-load-sentinel-'));
  after(() => rmSync(dir, { recursive: true, force: true }));
  const port = await freePort();
  const conf = join(dir, 'sentinel.conf');
  const watch = `sentinel monitor main 127.0.0.1 ${primary.port} 1`;
  const soon = 'sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000';
  writeFileSync(conf, `port ${port}\nbind 127.0.0.1\ndir ${dir}\n${watch}\n${soon}\n`);
  await using _ = await startPeer(`${server}-server`, [conf, '--sentinel'], port);
  const nobody = await freePort();
  const url = `redis+sentinel://127.0.0.1:${nobody},127.0.0.1:${port}/main`;
  await using a = startInstance({ url, keys: ['key-0', 'key-1'] });
  await using b = startInstance({ url, keys: ['key-0', 'key-1'] });
  await Promise.all([a.connected(), b.connected()]);
  a.answer(DEAD_KEY);
  await eventually('b knows', () => b.state() === 'dead');
  await eventually(
    'the Sentinel knows the replica',
    async () => {
      const said = await sentinelSays(server, port, 'SENTINEL', 'replicas', 'main');
      return said.includes(String(replica.port));
    },
    20_000,
  );
  await primary.kill();
  await eventually('both are away', () => [a, b].every((one) => one.memory.state === 'away'));
  a.answer(DEAD_KEY);
  await eventually(
    'both are back',
    () => [a, b].every((one) => one.memory.state === 'connected'),
    30_000,
  );
  await eventually('b knows the other too', () => b.state(1) === 'dead');
  assert.match(a.output(), /WARN .*the fleet server is unavailable/);
  await eventually('it is told', () => /rejoined the fleet/.test(a.output()));
});

async function sentinelSays(server: string, port: number, ...words: string[]): Promise<string> {
  const asked = await promisify(execFile)(`${server}-cli`, ['-p', String(port), ...words]);
  return asked.stdout;
}
