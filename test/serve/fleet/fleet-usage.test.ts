// Usage over several instances, on a real server: each row counts once, however often it is told;
// what the server loses is told again; there is a limit to what is told; and nothing of a key is
// there to be read.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServerUrl } from '../../../src/config/server-url.ts';
import { createLogger } from '../../../src/log/log.ts';
import { FleetSecret } from '../../../src/serve/fleet/fleet-secret.ts';
import { FleetUsage, MAX_SHARED_ROWS } from '../../../src/serve/fleet/fleet-usage.ts';
import { OthersBooks } from '../../../src/serve/fleet/others-usage.ts';
import { SharedUsage } from '../../../src/store/valkey/shared-usage.ts';
import { ValkeyLink } from '../../../src/store/valkey/valkey-link.ts';
import { needsRedis, type Redis, startRedis } from '../../support/start-redis.ts';
import { MemoryBooks as Books, usageRow as row } from './memory-books.ts';

const HOUR_MS = 3_600_000;
const NOW_HOUR = Math.floor(Date.now() / HOUR_MS);
const TODAY = Math.floor(NOW_HOUR / 24);
async function member(redis: Redis, name: string, books = new Books(), word = 'one') {
  const server = parseServerUrl(redis.url);
  if (server === undefined) throw new Error(`no server: ${redis.url}`);
  const link = await ValkeyLink.open({ server, caFile: '' });
  let output = '';
  const write = (line: string) => {
    output += line;
  };
  const log = createLogger({
    level: 'debug',
    format: 'text',
    colour: false,
    write,
    clock: Date.now,
  });
  const secret = new FleetSecret('test', word);
  // As after each start: nothing is remembered of what was told.
  let usage = new FleetUsage({ books, secret, instance: name, log, now: Date.now });
  const store = new SharedUsage(link, 'test');
  return {
    books,
    output: () => output,
    share: () => usage.share(store),
    checkAgain: () => usage.checkAgain(),
    meet: (...told: Parameters<FleetUsage['meet']>) => usage.meet(...told),
    restart: () => {
      usage = new FleetUsage({ books, secret, instance: name, log, now: Date.now });
    },
    /** What all others have used in the last 92 days. */
    others: async (
      groupBy: readonly ('client' | 'group' | 'model' | 'key')[] = [],
      by: 'day' | 'hour' = 'day',
      instance?: string,
    ) => {
      const question = { fromHour: (TODAY - 91) * 24, toHour: (TODAY + 1) * 24, by, groupBy };
      const days = { from: TODAY - 92, to: TODAY + 1 };
      const reader = { store, secret, ownBook: books.book, days };
      const read = await new OthersBooks().ask(question, instance, reader);
      if (read === 'too_many') throw new Error('too many');
      return read;
    },
    [Symbol.dispose]: () => link[Symbol.dispose](),
  };
}

function requests(rows: readonly { readonly requests: number }[]): number {
  return rows.reduce((sum, one) => sum + one.requests, 0);
}

test(
  'what one has used the other can tell, by hour and day, and each row counts once',
  needsRedis,
  async () => {
    await using redis = await startRedis();
    using a = await member(redis, 'a:1');
    using b = await member(redis, 'b:1');
    a.books.add(row(), row({ model: 'o3', hour: NOW_HOUR - 30, requests: 5 }));
    assert.equal(await a.share(), true);
    a.books.add(row({ requests: 2 }));
    for (let i = 0; i < 3; i += 1) await a.share();
    // A retry, a restart on the same books, and a check of all days change nothing.
    a.restart();
    await a.share();
    a.checkAgain();
    await a.share();
    for (const by of ['day', 'hour'] as const) {
      const { rows, instances } = await b.others(['model', 'key'], by);
      const seen = rows.map(({ model, key, requests: n, input }) => [model, key, n, input]);
      assert.deepEqual(seen.sort(), [
        ['gpt-4o', 'sk-a...wxyz', 3, 20],
        ['o3', 'sk-a...wxyz', 5, 10],
      ]);
      assert.deepEqual(instances, ['a:1']);
    }
    assert.deepEqual((await a.others()).rows, []);
    assert.deepEqual((await b.others([], 'day', 'c:1')).rows, []);
  },
);

test(
  'nothing of a key can be read on the server, and another secret reads nothing',
  needsRedis,
  async () => {
    await using redis = await startRedis();
    using a = await member(redis, 'a:1');
    using stranger = await member(redis, 'b:1', new Books(), 'two');
    a.books.add(row());
    await a.share();
    const keys = (await redis.cli('KEYS', '*')).split('\n');
    assert.equal(keys.length, 3);
    for (const key of keys) assert.doesNotMatch(await redis.cli('HGETALL', key), /sk-a|wxyz/);
    assert.deepEqual((await stranger.others()).rows, []);
  },
);

test('every day goes 92 days after its end, also when it is told again', needsRedis, async () => {
  await using redis = await startRedis();
  using a = await member(redis, 'a:1');
  a.books.add(row(), row({ hour: (TODAY - 3) * 24 }), row({ hour: (TODAY - 100) * 24 }));
  await a.share();
  a.books.add(row());
  await a.share();
  const keys = (await redis.cli('KEYS', '*')).split('\n');
  assert.equal(keys.length, 6, 'what is older than that is not told');
  for (const key of keys) {
    const day = Number(/usage:(\d+)/.exec(key)?.[1]);
    const untilSeconds = Date.now() / 1000 + Number(await redis.cli('TTL', key));
    assert.ok(Math.abs(untilSeconds - (day + 93) * 86_400) < 5, key);
  }
});

test('what the server has lost is told again', needsRedis, async () => {
  await using redis = await startRedis();
  using a = await member(redis, 'a:1');
  using b = await member(redis, 'b:1');
  a.books.add(row(), row({ hour: NOW_HOUR - 48 }));
  await a.share();
  await redis.cli('FLUSHALL');
  // Of the present day it is noticed at once, of the others when all are compared.
  a.books.add(row());
  await a.share();
  assert.equal(requests((await b.others()).rows), 2);
  a.checkAgain();
  await a.share();
  assert.equal(requests((await b.others()).rows), 3);
  // Half of a day: an instance that ended between two messages.
  await redis.cli('HSET', `{test}:usage:${TODAY}`, a.books.book, '00|x||a:1');
  await redis.cli('DEL', `{test}:usage:${TODAY}:${a.books.book}:day`);
  a.restart();
  await a.share();
  assert.equal(requests((await b.others()).rows), 3);
});

test(
  'more rows than there may be are told apart less, and add up to the same',
  needsRedis,
  async () => {
    await using redis = await startRedis();
    using a = await member(redis, 'a:1');
    using b = await member(redis, 'b:1');
    const keys = (count: number, from = 0) => {
      return Array.from({ length: count }, (_, i) =>
        row({ keyId: `k${i + from}`, keyPreview: `k-${i + from}` }),
      );
    };
    a.books.add(...keys(MAX_SHARED_ROWS - 1));
    await a.share();
    assert.equal((await b.others(['key'])).rows.length, MAX_SHARED_ROWS - 1);
    a.books.add(...keys(3, MAX_SHARED_ROWS));
    await a.share();
    for (const by of ['day', 'hour'] as const) {
      const { rows } = await b.others(['key'], by);
      assert.deepEqual(
        rows.map(({ key, requests: n }) => [key, n]),
        [['', MAX_SHARED_ROWS + 2]],
      );
    }
    a.books.add(row({ keyId: 'k1', keyPreview: 'k-1' }));
    a.restart();
    await a.share();
    assert.equal(requests((await b.others()).rows), MAX_SHARED_ROWS + 3);
  },
);

test('what nobody of the fleet can have written is passed over', needsRedis, async () => {
  await using redis = await startRedis();
  using a = await member(redis, 'a:1');
  using b = await member(redis, 'b:1');
  a.books.add(row());
  await a.share();
  const key = `{test}:usage:${TODAY}:${a.books.book}:day`;
  const [good = ''] = (await redis.cli('HGETALL', key)).split('\n');
  const values = ['', 'x', '1,2,3', '-1,0,0,0,0,0,0,0', '1e9,0,0,0,0,0,0,0'];
  const fields = ['x', '[]', '{}', '[1,2,3,4,5]', good.replace(String(TODAY * 24), '7')];
  for (const value of values)
    await redis.cli('HSET', key, good.replace('ci', value || 'no'), value);
  for (const field of fields) await redis.cli('HSET', key, field, '1,0,0,0,0,0,0,0');
  assert.equal(requests((await b.others()).rows), 1);
});

test(
  'a copy of STATE_FILE at another instance is told, and tells nothing',
  needsRedis,
  async (t) => {
    await using redis = await startRedis();
    const books = new Books();
    using a = await member(redis, 'a:1', books);
    books.add(row());
    t.mock.method(performance, 'now', () => clock);
    let clock = 1_000;
    const other = { id: 'aa', name: 'b:1', book: books.book };
    a.meet([other], 'bb');
    assert.equal(await a.share(), true);
    assert.equal(await redis.cli('KEYS', '*'), '');
    assert.equal(a.output(), '');
    clock += 20_000;
    for (let i = 0; i < 3; i += 1) a.meet([other], 'bb');
    assert.equal(a.output().match(/STATE_FILE was copied/g)?.length, 1);
    // The other one has the lower name, and goes on; as this one does when it is gone.
    a.meet([{ ...other, id: 'cc' }], 'bb');
    await a.share();
    assert.notEqual(await redis.cli('KEYS', '*'), '');
  },
);

test(
  "an error that is not the connection's is told once, and does not end the sharing",
  needsRedis,
  async () => {
    await using redis = await startRedis();
    using a = await member(redis, 'a:1');
    a.books.add(row());
    await redis.cli('SET', `{test}:usage:${TODAY}`, 'of another kind');
    assert.equal(await a.share(), false);
    assert.equal(await a.share(), false);
    assert.equal(a.output().match(/cannot share usage/g)?.length, 1);
    await redis.cli('DEL', `{test}:usage:${TODAY}`);
    assert.equal(await a.share(), true);
    await redis.kill();
    a.books.add(row());
    assert.equal(await a.share(), undefined);
  },
);

test('names that others made up are cut', needsRedis, async () => {
  await using redis = await startRedis();
  using a = await member(redis, `a:${'1'.repeat(10_000)}`);
  using b = await member(redis, 'b:1');
  a.books.add(row());
  await a.share();
  const { instances } = await b.others();
  assert.equal(instances[0]?.length, 256);
});

test('an answer is remembered for two seconds, and not kept for longer', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let asked = 0;
  const store = {
    index: async () => {
      asked += 1;
      return [];
    },
  } as unknown as SharedUsage;
  const secret = new FleetSecret('test', 'one');
  const reader = { store, secret, ownBook: 'x', days: { from: TODAY, to: TODAY } };
  const question = {
    fromHour: TODAY * 24,
    toHour: TODAY * 24 + 24,
    by: 'day',
    groupBy: [],
  } as const;
  const others = new OthersBooks();
  await Promise.all([
    others.ask(question, undefined, reader),
    others.ask(question, undefined, reader),
  ]);
  assert.deepEqual([asked, others.remembered], [1, 1]);
  t.mock.timers.tick(2_000);
  assert.equal(others.remembered, 0);
});
