// Keys that fail, seen from the client: it gets an answer while any key can give one, and the truth
// when none can. Which key does what is in its name (src/demo/behaviour.ts); no whole key leaves,
// also where the upstream echoes it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ScriptedUpstream, startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/peer-process.ts';
import { type GptLoad, type StartOptions, startGptLoad } from '../support/start-gpt-load.ts';

const tail = '0123456789abcdef';
const good = `sk-test-good-${tail}`;

async function withPool(
  options: Omit<StartOptions, 'upstreams'>,
  check: (proxy: GptLoad, upstream: ScriptedUpstream) => Promise<void>,
): Promise<void> {
  const upstream = await startScriptedUpstream({ retryAfterS: 30 });
  try {
    await using proxy = await startGptLoad({ ...options, upstreams: [upstream.url] });
    await check(proxy, upstream);
  } finally {
    await upstream.close();
  }
}

function chat(proxy: GptLoad, extra: object = {}) {
  return proxy.fetch(`${proxy.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-4o', messages: [], ...extra }),
  });
}

async function blacklist(proxy: GptLoad) {
  const { body } = await proxy.ask('/blacklist');
  return JSON.parse(body) as {
    count: number;
    blacklisted_keys: { preview: string; reason: string }[];
    resting_keys: { preview: string; model: string; reason: string }[];
  };
}

test('a stream that opens with an error event is asked for again with another key', async () => {
  const keys = [`sk-test-streamerror-${tail}`, good];
  await withPool({ keys }, async (proxy, upstream) => {
    for (let i = 0; i < 3; i += 1) {
      const answer = await chat(proxy, { stream: true });
      const text = await answer.text();
      assert.equal(answer.status, 200);
      assert.doesNotMatch(text, /"error"/);
      assert.match(text, /data: \[DONE\]\n\n$/);
    }
    assert.ok(upstream.records.length > 3, 'the failing key was asked too');
    assert.equal((await blacklist(proxy)).count, 0);
  });
});

test('dead keys are asked once, then never again', async () => {
  const dead = [`sk-test-dead-1${tail}`, `sk-test-quota-2${tail}`, `sk-test-dead-3${tail}`];
  await withPool({ keys: [...dead, good] }, async (proxy, upstream) => {
    for (let i = 0; i < 8; i += 1) assert.equal((await chat(proxy)).status, 200);
    for (const key of dead) {
      const asked = upstream.records.filter(({ request }) => request.key === key).length;
      assert.equal(asked, 1, key.slice(0, 12));
    }
    const { count, blacklisted_keys: listed } = await blacklist(proxy);
    assert.equal(count, 3);
    assert.ok(listed.every(({ preview }) => /^sk-t\.\.\.[0-9a-f]{4}$/.test(preview)));
  });
});

test('all keys rate limited: 429 with a Retry-After as long as the upstream named', async () => {
  const keys = [`sk-test-limited-1${tail}`, `sk-test-limited-2${tail}`];
  await withPool({ keys }, async (proxy, upstream) => {
    assert.equal((await chat(proxy)).status, 429);
    const asked = upstream.received();
    const answer = await chat(proxy);
    assert.equal(answer.status, 429);
    const seconds = Number(answer.headers.get('retry-after'));
    assert.ok(seconds > 20 && seconds <= 31, `retry-after: ${seconds}`);
    assert.equal(
      typeof ((await answer.json()) as { error: { code: string } }).error.code,
      'string',
    );
    assert.equal(upstream.received(), asked, 'resting keys are left alone');
    assert.equal((await blacklist(proxy)).count, 0, 'a rate limit never blacklists');
  });
});

test('a key without access to one model still serves the others', async () => {
  const keys = [`sk-test-nomodel-${tail}`, good];
  await withPool({ keys }, async (proxy, upstream) => {
    for (let i = 0; i < 4; i += 1) assert.equal((await chat(proxy)).status, 200);
    const refused = upstream.records.filter(({ status }) => status === 403).length;
    assert.equal(refused, 1, 'it is asked once for that model');
    assert.equal((await blacklist(proxy)).count, 0);
    assert.equal((await chat(proxy, { model: 'another' })).status, 200);
    assert.equal((await chat(proxy, { model: 'another' })).status, 200);
    const other = upstream.records.filter(({ request }) => request.model === 'another');
    assert.ok(
      other.some(({ request }) => request.key === keys[0]),
      'another model is asked for with it',
    );
  });
});

test('a key that the upstream echoes reaches neither the log nor the client', async () => {
  const keys = [`sk-test-leaking-1${tail}`, `sk-test-leaking-2${tail}`];
  const env = { LOG_LEVEL: 'debug', MAX_RETRIES: '0' };
  await withPool({ keys, env }, async (proxy) => {
    const answer = await chat(proxy);
    assert.equal(answer.status, 401);
    const text = await answer.text();
    assert.match(text, /Incorrect API key provided/);
    assert.ok(keys.every((key) => !text.includes(key)));
    // What startGptLoad collected, this answer included, is searched when the proxy stops.
  });
});

test('one of two upstreams is gone: every request is answered by the other', async () => {
  const upstream = await startScriptedUpstream();
  try {
    const gone = `http://127.0.0.1:${await freePort()}`;
    const keys = [good, `sk-test-good-2${tail}`, `sk-test-good-3${tail}`];
    await using proxy = await startGptLoad({ keys, upstreams: [gone, upstream.url] });
    for (let i = 0; i < 20; i += 1) assert.equal((await chat(proxy)).status, 200);
    assert.equal((await blacklist(proxy)).count, 0);
  } finally {
    await upstream.close();
  }
});

test('beyond MAX_CONCURRENT_REQUESTS the answer is 429 at once, and the endpoints still answer', async () => {
  const keys = [`sk-test-never-${tail}`];
  await withPool({ keys, env: { MAX_CONCURRENT_REQUESTS: '1' } }, async (proxy, upstream) => {
    const leave = new AbortController();
    const hanging = fetch(`${proxy.url}/v1/models`, { signal: leave.signal }).catch(() => {});
    await eventually('the only permit is taken', () => upstream.received() === 1);
    const answer = await chat(proxy);
    assert.equal(answer.status, 429);
    assert.equal(answer.headers.get('retry-after'), '1');
    assert.equal((await proxy.ask('/health')).status, 200);
    leave.abort();
    await hanging;
  });
});

test('AUTH_KEY is asked of clients and never sent on', async () => {
  const env = { AUTH_KEY: 'proxy-password-0123456789' };
  await withPool({ keys: [good], env }, async (proxy, upstream) => {
    assert.equal((await chat(proxy)).status, 401);
    assert.equal(upstream.received(), 0);
    const headers = { authorization: `Bearer ${env.AUTH_KEY}` };
    assert.equal((await proxy.ask('/v1/models', { headers })).status, 200);
    const seen = JSON.stringify(upstream.records[0]?.request.rawHeaders);
    assert.ok(!seen.includes(env.AUTH_KEY) && seen.includes(good));
    assert.equal((await proxy.ask('/stats')).status, 401);
    assert.equal((await proxy.ask('/health')).status, 200);
  });
});

test('a good key is found behind dead, limited, unpaid and failing ones', async () => {
  const names = ['dead', 'limited', 'quota', 'nomodel', 'flaky2', 'dead'];
  const keys = [...names.map((name, i) => `sk-test-${name}-${i}-${tail}`), good];
  await withPool({ keys, env: { MAX_RETRIES: '1' } }, async (proxy, upstream) => {
    assert.equal((await chat(proxy)).status, 200);
    assert.equal(upstream.records.length, keys.length);
  });
  // None at all is still none, and so many are enough.
  await withPool({ keys, env: { MAX_RETRIES: '0' } }, async (proxy, upstream) => {
    assert.equal((await chat(proxy)).status, 401);
    assert.equal(upstream.records.length, 1);
  });
  await withPool({ keys, env: { MAX_KEY_SWITCHES: '2' } }, async (proxy, upstream) => {
    assert.equal((await chat(proxy)).status, 429);
    assert.equal(upstream.records.length, 3);
  });
});

test('a client’s address does not reach the provider, unless it is to', async () => {
  const addresses = {
    'x-forwarded-for': '203.0.113.7',
    'x-real-ip': '203.0.113.7',
    forwarded: 'for=203.0.113.7',
    via: '1.1 somewhere',
  };
  for (const forward of ['false', 'true']) {
    const env = { FORWARD_CLIENT_ADDRESS: forward };
    await withPool({ keys: [good], env }, async (proxy, upstream) => {
      await proxy.ask('/v1/models', { headers: addresses });
      const { headers } = upstream.records[0]?.request ?? {};
      for (const [name, value] of Object.entries(addresses)) {
        assert.equal(headers?.[name], forward === 'true' ? value : undefined, name);
      }
    });
  }
});
