// Which upstream a request goes to, and how those that fail leave and come back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseUpstreamUrl } from '../../../src/pool/upstreams/upstream-list.ts';
import type { UpstreamPool } from '../../../src/pool/upstreams/upstream-pool.ts';
import { ANY, DEAD_KEY, FAULT, keyNames, makePool, NOW, OK } from '../pool-fixture.ts';

const THREE = ['http://a.test', 'http://b.test', 'http://c.test'];

function hostOf(pool: UpstreamPool, avoid: readonly number[] = [], nowMs = NOW): string {
  const choice = pool.choose({ avoidUpstreams: avoid, mustAvoid: false }, nowMs);
  return choice?.upstream.hostname.charAt(0) ?? '-';
}

/** Faults, one request after the other, until it is ejected. */
function eject(pool: UpstreamPool, index: number, nowMs = NOW): void {
  for (let i = 0; i < 5; i++) {
    const { generation } = pool.pinned(index, nowMs);
    const random = () => 0.5;
    pool.settle(index, { kind: 'fault', generation, nowMs, retryAfterMs: null, random });
  }
  assert.equal(pool.status(index).state, 'open');
}

test('upstreams take turns, independent of the keys', () => {
  const { must } = makePool({ keys: keyNames(2), upstreams: THREE });
  const pairs = Array.from({ length: 6 }, () => must()).map((l) => l.key + l.upstream.hostname[0]);
  assert.deepEqual(pairs, ['key-0a', 'key-1b', 'key-0c', 'key-1a', 'key-0b', 'key-1c']);
});

test('an ejected upstream gives no turn to its neighbour, and one trial when its time has come', () => {
  const { upstreams } = makePool({ keys: ['k'], upstreams: THREE });
  eject(upstreams, 1);
  const hosts = Array.from({ length: 4 }, () => hostOf(upstreams)).join('');
  assert.equal(hosts, 'acac');
  const later = Array.from({ length: 7 }, () => hostOf(upstreams, [], NOW + 5_032)).join('');
  assert.equal(later.replaceAll(/[ac]/g, ''), 'b');
});

test('the trial decides: a fault doubles the absence, an answer ends it', () => {
  const { upstreams } = makePool({ keys: ['k'], upstreams: THREE });
  eject(upstreams, 1);
  const later = NOW + 5_032;
  const { generation } = upstreams.pinned(1, later);
  const fault = { kind: 'fault', generation, nowMs: later, retryAfterMs: null } as const;
  upstreams.settle(1, { ...fault, random: () => 0.5 });
  assert.ok(!upstreams.isUsable(1, later + 9_900));
  const back = later + 10_032;
  const trial = upstreams.pinned(1, back);
  upstreams.settle(1, { kind: 'alive', generation: trial.generation });
  assert.equal(upstreams.status(1).state, 'closed');
});

test('an upstream that failed this request is asked again only when there is no other', () => {
  const { upstreams } = makePool({ keys: ['k'], upstreams: THREE });
  assert.equal(hostOf(upstreams, [0, 1]), 'c');
  assert.match(hostOf(upstreams, [0, 1, 2]), /[abc]/);
  const must = { avoidUpstreams: [0, 1, 2], mustAvoid: true };
  assert.equal(upstreams.choose(must, NOW), null);
  assert.equal(upstreams.allowed(must), 0);
});

test('when all are ejected the one that returns first is used', () => {
  const { upstreams } = makePool({ keys: ['k'], upstreams: THREE });
  for (const index of [2, 0, 1]) eject(upstreams, index, NOW + index * 1_000);
  assert.equal(hostOf(upstreams, [], NOW + 3_000), 'a');
  assert.equal(hostOf(upstreams, [0], NOW + 3_000), 'b');
});

test('a single upstream that fails is never out of reach, and back with its first answer', () => {
  const { use, upstreams } = makePool({ keys: ['only'] });
  for (let i = 0; i < 50; i++) assert.equal(use(FAULT, NOW + i), 'only');
  assert.equal(upstreams.status(0).state, 'open');
  assert.equal(upstreams.status(0).trips, 1);
  use(OK, NOW + 100);
  assert.equal(upstreams.status(0).state, 'closed');
});

test('a verdict about the key proves the upstream alive; a faulty way there proves nothing', () => {
  const { use, upstreams } = makePool({ keys: keyNames(9), limits: { blacklistThreshold: 9 } });
  for (let i = 0; i < 4; i++) use(FAULT);
  use(DEAD_KEY);
  assert.equal(upstreams.status(0).failures, 0);
  for (let i = 0; i < 50; i++) use({ ...FAULT, route: true });
  assert.equal(upstreams.status(0).state, 'closed');
});

test('settling says when an upstream is ejected and when it is back', () => {
  const { must } = makePool({ keys: ['only'] });
  const said = Array.from({ length: 6 }, () =>
    must()
      .settle(FAULT, NOW)
      .map((c) => c.kind),
  ).flat();
  assert.deepEqual(said, ['upstream_ejected']);
  assert.deepEqual(must().settle(OK, NOW + 1), [{ kind: 'upstream_restored' }]);
});

test('a pinned key goes to its upstream only, and its pin is learned from the key file', () => {
  const keys = ['free', 'bound http://d.test/base/'];
  const { must, upstreams, load } = makePool({ keys, upstreams: THREE });
  const uses = Array.from({ length: 6 }, () => must()).map((l) => [l.key, l.upstream.href]);
  const bound = uses.filter(([key]) => key === 'bound').map(([, href]) => href);
  assert.deepEqual(bound, Array(3).fill('http://d.test/base'));
  assert.ok(uses.every(([key, href]) => key === 'bound' || href !== 'http://d.test/base'));
  assert.equal(upstreams.list.count, 4);
  load([...keys, 'late https://late.test']);
  assert.equal(upstreams.get(4).hostname, 'late.test');
});

test('a key pinned to an ejected upstream is passed over while another is available', () => {
  const keys = ['one http://d.test', 'two http://d.test', 'free'];
  const { must, upstreams, load } = makePool({ keys });
  eject(upstreams, 1);
  const used = Array.from({ length: 4 }, () => must().key);
  assert.deepEqual(used, Array(4).fill('free'));
  load(keys.slice(0, 2));
  assert.match(must().key, /one|two/);
});

test('a retry prefers a key of another upstream, and must when the first may be at work still', () => {
  const keys = ['one http://d.test', 'two http://d.test', 'other http://e.test', 'free'];
  const { must } = makePool({ keys });
  const first = must();
  assert.equal(first.key, 'one');
  const avoidUpstreams = [first.upstream.index];
  const retry = { ...ANY, triedRows: [first.row], avoidUpstreams };
  assert.equal(must(retry).key, 'other');
  const strict = { ...retry, avoidUpstreams: [1, 2], mustAvoid: true };
  assert.equal(must(strict).upstream.href, 'http://one.test');
});

test('a strict retry finds nothing when every key is bound to what must be avoided', () => {
  const { must, pool } = makePool({ keys: ['one http://d.test', 'two http://d.test'] });
  const first = must();
  const strict = { ...ANY, triedRows: [first.row], avoidUpstreams: [1], mustAvoid: true };
  const refused = pool.lease(strict, NOW);
  assert.ok(refused.kind === 'unavailable');
  assert.equal(refused.retryAtMs, null);
});

test('addresses have one spelling', () => {
  const spelled: [string, string | null][] = [
    ['https://API.OpenAI.com', 'https://api.openai.com'],
    ['https://api.openai.com:443/v1/', 'https://api.openai.com/v1'],
    ['http://[::1]:8080//', 'http://[::1]:8080'],
    ['http://user:secret@host.test', null],
    ['https://host.test/?key=1', null],
    ['https://host.test/#x', null],
    ['ftp://host.test', null],
    ['host.test', null],
    [`http://host.test/${'x'.repeat(600)}`, null],
  ];
  for (const [text, href] of spelled) assert.equal(parseUpstreamUrl(text), href);
});

test('an upstream knows what sockets, Host header and classifier need', () => {
  const { upstreams } = makePool({
    keys: ['k'],
    upstreams: ['https://api.openai.com/v1', 'http://[::1]:8080/base'],
  });
  assert.deepEqual(upstreams.get(0), {
    index: 0,
    href: 'https://api.openai.com/v1',
    origin: 'https://api.openai.com',
    route: 'https://api.openai.com',
    protocol: 'https:',
    hostname: 'api.openai.com',
    port: 443,
    host: 'api.openai.com',
    basePath: '/v1',
    provider: 'openai',
    proxy: undefined,
  });
  const { hostname, host, port, basePath } = upstreams.get(1);
  assert.deepEqual([hostname, host, port, basePath], ['::1', '[::1]:8080', 8080, '/base']);
});
