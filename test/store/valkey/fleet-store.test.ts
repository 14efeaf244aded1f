// Who is right about a key, as the server's script decides it when two tell at once; and what is
// said of a server that gives no answer.

import assert from 'node:assert/strict';
import dns from 'node:dns';
import { test } from 'node:test';
import { parseServerUrl } from '../../../src/config/server-url.ts';
import { FleetStore, type ToldRecord } from '../../../src/store/valkey/fleet-store.ts';
import { LinkError, ValkeyLink } from '../../../src/store/valkey/valkey-link.ts';
import { freePort } from '../../support/peer-process.ts';
import { needsRedis, startRedis } from '../../support/start-redis.ts';

function open(url: string): Promise<ValkeyLink> {
  const server = parseServerUrl(url);
  if (server === undefined) throw new Error(`no server: ${url}`);
  return ValkeyLink.open({ server, caFile: '' });
}

type Said = Partial<ToldRecord> & Pick<ToldRecord, 'state'>;

const AT = 1_800_000_000_000;

function told(said: Said): ToldRecord {
  const times = { atMs: AT, untilMs: said.state === 'ok' ? 0 : AT + 60_000, sinceMs: AT };
  const rest = { restCount: 1, deadCount: 0, reason: 'rate_limited', generation: 0 };
  return { field: 'key:', ...times, ...rest, ...said };
}

/** What one has told, what another tells then, and whether that is what all know from then on. */
const CASES: readonly {
  readonly name: string;
  readonly known: readonly Said[];
  readonly told: Said;
  readonly wins: boolean;
}[] = [
  {
    name: 'a later end of the same state wins',
    known: [{ state: 'cooling' }],
    told: { state: 'cooling', untilMs: AT + 60_001 },
    wins: true,
  },
  {
    name: 'an earlier end does not',
    known: [{ state: 'cooling' }],
    told: { state: 'cooling', untilMs: AT + 59_999 },
    wins: false,
  },
  {
    name: 'a blacklisting wins over a rest, however long that is',
    known: [{ state: 'cooling', untilMs: AT + 1e9 }],
    told: { state: 'dead' },
    wins: true,
  },
  {
    name: 'a rest does not win over a blacklisting',
    known: [{ state: 'dead' }],
    told: { state: 'cooling', untilMs: AT + 1e9 },
    wins: false,
  },
  {
    name: 'a clear by one that does not know the newest does not win',
    known: [{ state: 'dead' }, { state: 'dead', generation: 1, untilMs: AT + 2 }],
    told: { state: 'ok', generation: 1, atMs: AT + 5 },
    wins: false,
  },
  {
    name: 'a clear by one that does, wins',
    known: [{ state: 'dead' }],
    told: { state: 'ok', generation: 1 },
    wins: true,
  },
  {
    name: 'who knows the newest may lower an end',
    known: [{ state: 'dead' }],
    told: { state: 'dead', generation: 1, untilMs: AT + 1 },
    wins: true,
  },
  {
    name: 'what happened before a clear does not undo it',
    known: [{ state: 'dead' }, { state: 'ok', generation: 1, atMs: AT + 10 }],
    told: { state: 'dead', atMs: AT + 9 },
    wins: false,
  },
  {
    name: 'what happened after it does',
    known: [{ state: 'dead' }, { state: 'ok', generation: 1, atMs: AT + 10 }],
    told: { state: 'dead', atMs: AT + 11 },
    wins: true,
  },
  {
    name: 'a clear of what nobody knows is nothing',
    known: [],
    told: { state: 'ok' },
    wins: false,
  },
];

test('of two that tell at once', needsRedis, async (t) => {
  await using redis = await startRedis();
  for (const { name, known, told: last, wins } of CASES) {
    await t.test(name, async () => {
      await redis.cli('FLUSHALL');
      using link = await open(redis.url);
      const one = new FleetStore(link, 'test', { id: 'one', mark: 'm' });
      const other = new FleetStore(link, 'test', { id: 'other', mark: 'm' });
      for (const said of known) await one.tell([told(said)]);
      const [generation] = await other.tell([told(last)]);
      assert.equal(generation, wins ? known.length + 1 : 0);
      const { records } = await one.page('0');
      const by = wins ? 'other' : known.length === 0 ? undefined : 'one';
      assert.equal(records[0]?.record.by, by);
      // Whoever reads the news ends up with what is kept.
      const { news } = await one.newsAfter('0-0');
      assert.equal(news.at(-1)?.text, records[0]?.text);
    });
  }
});

test('a stale record is forgotten unless it has changed', needsRedis, async () => {
  await using redis = await startRedis();
  using link = await open(redis.url);
  const store = new FleetStore(link, 'test', { id: 'one', mark: 'm' });
  await store.tell([told({ state: 'dead' }), told({ state: 'dead', field: 'other:' })]);
  const { records } = await store.page('0');
  await store.tell([told({ state: 'ok', generation: 1, field: 'other:' })]);
  await store.forget(records);
  const left = (await store.page('0')).records.map(({ field }) => field);
  assert.deepEqual(left, ['other:']);
});

test(
  'what nobody of the fleet can have written is passed over, and written over',
  needsRedis,
  async () => {
    await using redis = await startRedis();
    using link = await open(redis.url);
    const store = new FleetStore(link, 'test', { id: 'one', mark: 'm' });
    const words = [
      'nonsense',
      '1|2|dead|x|0|0|0|none|me',
      '1|2|dead|3|0|-1|0|none|me',
      '1|2|mad|3|0|0|0|x|me',
    ];
    for (const [at, word] of words.entries()) {
      await redis.cli('HSET', '{test}:records', `key${at}:`, word);
      await redis.cli('XADD', '{test}:news', '*', 'f', `key${at}:`, 'v', word);
    }
    await redis.cli('HSET', '{test}:instances', 'other', 'nonsense');
    assert.deepEqual((await store.page('0')).records, []);
    assert.deepEqual((await store.newsAfter('0-0')).news, []);
    const facts = {
      roll: '',
      name: 'a',
      version: '1',
      startedAtMs: 0,
      lagMs: 0,
      keys: 0,
      book: '',
    };
    assert.deepEqual((await store.beat(facts, 'word')).others, []);
    assert.deepEqual(await store.tell([told({ state: 'dead', field: 'key0:' })]), [1]);
    assert.equal((await store.page('0')).records.length, 1);
  },
);

test('a server that is not there is told by its place, without the password', async () => {
  const url = `redis://user:secret-word@127.0.0.1:${await freePort()}`;
  await assert.rejects(open(url), (error: unknown) => {
    assert.ok(error instanceof LinkError);
    assert.equal(error.trouble, 'unreachable');
    assert.match(error.message, /^127\.0\.0\.1:\d+ cannot be reached: /);
    assert.doesNotMatch(error.message, /secret-word/);
    return true;
  });
});

test('a server that freezes is given up after two seconds', needsRedis, async () => {
  await using redis = await startRedis();
  using link = await open(redis.url);
  redis.signal('SIGSTOP');
  const startedMs = performance.now();
  await assert.rejects(link.ask(['PING']), { trouble: 'silent' });
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs > 1_900 && tookMs < 4_000, `${tookMs} ms`);
});

test('a server is found by its name', needsRedis, async () => {
  await using redis = await startRedis();
  using link = await open(redis.url.replace('127.0.0.1', 'localhost'));
  assert.equal(await link.ask(['PING']), 'PONG');
});

test('a name server that does not answer holds one thread, however often it is asked', async (t) => {
  let asked = 0;
  // As net.connect asks, and as whoever stands in for it does.
  t.mock.method(dns, 'lookup', () => {
    asked += 1;
  });
  const open2 = () => assert.rejects(open('redis://fleet.test:6379'), { name: 'LinkError' });
  await Promise.all([open2(), open2()]);
  await open2();
  assert.equal(asked, 1);
});
