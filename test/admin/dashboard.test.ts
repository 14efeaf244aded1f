// The page's words and its own endpoints, without a browser: the two tables are equal, other
// origins do nothing, and the document lets nothing run but what is in it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { buildPage, MAX_PAGE_GZIP_BYTES } from '../../build/page.ts';
import { EN } from '../../src/admin/dashboard/page/words-en.ts';
import { ZH } from '../../src/admin/dashboard/page/words-zh.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const keys = ['sk-test-good-a-0123456789abcdef', 'sk-test-good-b-0123456789abcdef name=bob'];

test('both languages have the same words, with the same places for values', () => {
  assert.deepEqual(Object.keys(ZH), Object.keys(EN));
  const places = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([place]) => place).sort();
  for (const [word, text] of Object.entries(EN)) {
    const chinese = ZH[word as keyof typeof EN];
    assert.notEqual(chinese.trim(), '', word);
    assert.deepEqual(places(chinese), places(text), word);
  }
});

test('the document has at most 60 KB and a policy with hashes', async () => {
  const { html, policy } = await buildPage();
  assert.ok(gzipSync(html, { level: 9 }).length <= MAX_PAGE_GZIP_BYTES);
  assert.match(policy, /^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.doesNotMatch(html, /(?:src|href)="https?:|@import|url\(http/);
});

test('data need the AUTH_KEY, actions the page itself, and no key is ever whole', async () => {
  const env = { AUTH_KEY: 'the-auth-key-of-this-test' };
  await using proxy = await startGptLoad({ keys, upstreams: ['http://127.0.0.1:1'], env });
  for (const path of ['/dashboard/state', '/dashboard/events', '/dashboard/keys']) {
    assert.equal((await proxy.ask(path)).status, 401, path);
  }
  const headers = { authorization: 'Bearer the-auth-key-of-this-test' };
  const listed = await proxy.ask('/dashboard/keys', { headers });
  assert.equal(listed.status, 200);
  assert.match(listed.body, /sk-t\.\.\.cdef/);
  assert.doesNotMatch(listed.body, /0123456789/);
  const [row] = (JSON.parse(listed.body) as { rows: { row: number; life: number }[] }).rows;
  const act = (body: object, more = {}) => {
    const init = { method: 'POST', headers: { ...headers, ...more }, body: JSON.stringify(body) };
    return proxy.ask('/dashboard/actions', init);
  };
  const blacklist = { action: 'blacklist', group: 'default', ...row };
  assert.equal((await act(blacklist, { origin: 'https://evil.example' })).status, 403);
  assert.equal((await act(blacklist, { 'sec-fetch-site': 'cross-site' })).status, 403);
  assert.equal((await act({ ...blacklist, life: 77 })).status, 409);
  assert.equal((await act({ ...blacklist, group: 'none' })).status, 404);
  assert.equal((await act({ action: 'explode', group: 'default' })).status, 400);
  assert.equal((await proxy.ask('/dashboard/actions', { headers })).status, 405);
  assert.equal((await act(blacklist)).status, 200);
  const { body } = await proxy.ask('/blacklist', { headers });
  assert.match(body, /"reason":"manual"/);
});

test('the feed comes once a second, to 32 viewers, and tells the next one to poll', async () => {
  const env = { WORKERS: '2' };
  await using proxy = await startGptLoad({ keys, upstreams: ['http://127.0.0.1:1'], env });
  const leave = new AbortController();
  const viewers = await Promise.all(
    Array.from({ length: 33 }, () =>
      fetch(`${proxy.url}/dashboard/events`, { signal: leave.signal }),
    ),
  );
  const statuses = viewers.map(({ status }) => status);
  assert.equal(statuses.filter((status) => status === 200).length, 32);
  assert.equal(statuses.filter((status) => status === 503).length, 1);
  const reader = viewers.find(({ status }) => status === 200)?.body?.getReader();
  const first = new TextDecoder().decode((await reader?.read())?.value);
  assert.match(first, /^data: \{"at":/);
  leave.abort();
});
