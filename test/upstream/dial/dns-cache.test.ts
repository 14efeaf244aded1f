// How long and how many DNS answers are kept, by a clock that the test sets.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DNS_MAX_ENTRIES,
  DNS_STALE_MS,
  DNS_TTL_MS,
  DnsCache,
} from '../../../src/upstream/dial/dns-cache.ts';

const address = [{ address: '192.0.2.1', family: 4 }];

test('DNS answers are shared by lookups at the same time and for the TTL', async () => {
  let nowMs = 0;
  let asked = 0;
  const cache = new DnsCache(
    () => nowMs,
    async () => {
      asked += 1;
      return address;
    },
  );
  await Promise.all([cache.lookup('a.test'), cache.lookup('a.test')]);
  nowMs = DNS_TTL_MS - 1;
  assert.deepEqual(await cache.lookup('a.test'), address);
  assert.equal(asked, 1);
  nowMs = DNS_TTL_MS;
  await cache.lookup('a.test');
  assert.equal(asked, 2);
  cache.expire('a.test');
  await cache.lookup('a.test');
  assert.equal(asked, 3);
});

test('an old DNS answer serves while the resolver fails, but not for ever', async () => {
  let nowMs = 0;
  let broken = false;
  const cache = new DnsCache(
    () => nowMs,
    async () => {
      if (broken) throw new Error('EAI_AGAIN');
      return address;
    },
  );
  await cache.lookup('a.test');
  broken = true;
  nowMs = DNS_STALE_MS - 1;
  assert.deepEqual(await cache.lookup('a.test'), address);
  nowMs = DNS_STALE_MS;
  assert.ok((await cache.lookup('a.test')) instanceof Error);
});

test('the DNS cache is bounded and a literal address needs no resolver', async () => {
  const asked: string[] = [];
  const cache = new DnsCache(
    () => 0,
    async (name) => {
      asked.push(name);
      return address;
    },
  );
  for (let i = 0; i <= DNS_MAX_ENTRIES; i += 1) await cache.lookup(`h${i}.test`);
  await cache.lookup('h0.test');
  assert.equal(asked.length, DNS_MAX_ENTRIES + 2);
  assert.deepEqual(await cache.lookup('::1'), [{ address: '::1', family: 6 }]);
});
