// What the last requests were and why each went where it went, from the real program: by endpoint
// and by command, over several workers and their deaths. Never a body, never a key whole.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ScriptedUpstream, startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { RULES } from '../../src/policy/answers/rules.ts';
import { eventually } from '../support/eventually.ts';
import { type GptLoad, type StartOptions, startGptLoad } from '../support/start-gpt-load.ts';

const tail = '0123456789abcdef';
const good = `sk-test-good-${tail}`;
const limited = `sk-test-limited-${tail}`;
const mainFile = join(import.meta.dirname, '../../src/main.ts');
const prompt = 'what nobody else may read';

interface Shown {
  id: string;
  status: number;
  model: string | null;
  client_name?: string;
  group: string;
  error_code?: string;
  ended?: string;
  stream: boolean;
  bytes_out: number;
  tokens?: { input: number; output: number };
  attempts: { key: string; status: number | null; verdict: string; rule?: string }[];
}

interface Listed {
  requests: Shown[];
  last_id: string | null;
  kept: number;
  dropped: number;
}

async function withPool(
  options: Omit<StartOptions, 'upstreams'>,
  check: (proxy: GptLoad, upstream: ScriptedUpstream) => Promise<void>,
): Promise<void> {
  const upstream = await startScriptedUpstream({ retryAfterS: 20, paceMs: 50 });
  try {
    await using proxy = await startGptLoad({ ...options, upstreams: [upstream.url] });
    await check(proxy, upstream);
  } finally {
    await upstream.close();
  }
}

/** Asks a model; the answer is read whole. @returns the request's id */
async function chat(proxy: GptLoad, extra: object = {}, headers: Record<string, string> = {}) {
  const messages = [{ role: 'user', content: prompt }];
  const answer = await proxy.fetch(`${proxy.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'gpt-4o', messages, ...extra }),
  });
  await answer.text();
  return answer.headers.get('x-request-id') ?? '';
}

async function listed(proxy: GptLoad, query = '', init: RequestInit = {}): Promise<Listed> {
  const { status, body } = await proxy.ask(`/requests${query}`, init);
  assert.equal(status, 200, body);
  return JSON.parse(body) as Listed;
}

async function untilListed(proxy: GptLoad, count: number): Promise<Listed> {
  return await eventually(`${count} requests`, async () => {
    const found = await listed(proxy, '?limit=10000');
    return found.requests.length >= count ? found : undefined;
  });
}

function command(proxy: GptLoad, args: readonly string[], env: Record<string, string> = {}) {
  const all = { PATH: process.env.PATH, HOST: '127.0.0.1', PORT: String(proxy.port), ...env };
  return new Promise<{ code: number; out: string; err: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      [mainFile, ...args],
      { env: all, cwd: proxy.directory, timeout: 30_000 },
      (_, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
    );
  });
}

test('why tells in words which key was limited and which one answered', async () => {
  await withPool({ keys: [limited, good] }, async (proxy, upstream) => {
    const ids: string[] = [];
    for (let i = 0; i < 2; i += 1) ids.push(await chat(proxy));
    const { requests } = await untilListed(proxy, 2);
    assert.deepEqual(requests.map(({ id }) => id).toSorted(), ids.toSorted());
    const retried = requests.find(({ attempts }) => attempts.length === 2);
    assert.ok(retried !== undefined);
    assert.partialDeepStrictEqual(retried, {
      status: 200,
      model: 'gpt-4o',
      group: 'default',
      stream: false,
      attempts: [
        { key: 'sk-t...cdef', status: 429, verdict: 'key_cooldown' },
        { key: 'sk-t...cdef', status: 200, verdict: 'success' },
      ],
    });
    const names = RULES.map(({ name }) => name);
    assert.ok(names.includes(retried.attempts[0]?.rule ?? ''));

    assert.ok((retried.tokens?.output ?? 0) > 0, 'what it used is told');

    const { code, out } = await command(proxy, ['why', retried.id]);
    const host = new URL(upstream.url).host.replaceAll('.', '\\.');
    assert.equal(code, 0);
    assert.match(out, /^POST \/v1\/chat\/completions for gpt-4o$/m);
    const told = `1\\. sk-t\\.\\.\\.cdef was rate limited by ${host} \\(429 rate_limit_exceeded, rests for (19|20|21) s on gpt-4o\\)`;
    assert.match(out, new RegExp(told));
    assert.match(out, /^ {3}The key has reached its rate limit\. \[rule \w+\]$/m);
    assert.match(out, /^2\. sk-t\.\.\.cdef answered in \d+ ms/m);
    assert.match(out, /^The client got 200: first byte after \d+ ms, \d+ bytes in \d+ ms\.$/m);
    assert.match(out, /^Tokens: \d+ in \(\d+ cached\), \d+ out\.$/m);
    const { body } = await proxy.ask('/requests');
    assert.doesNotMatch(body + out, new RegExp(prompt));
  });
});

test('requests that gpt-load itself answered say why', async () => {
  await withPool({ keys: [limited] }, async (proxy) => {
    await chat(proxy);
    const id = await chat(proxy);
    await untilListed(proxy, 2);
    const { out } = await command(proxy, ['why', id]);
    assert.match(out, /^gpt-load itself answered 429 all_keys_resting: every key was resting/m);
    const { requests } = await listed(proxy, '?status=4xx');
    assert.equal(requests.length, 2);
    assert.equal(requests[0]?.error_code, 'all_keys_resting');
    const table = (await command(proxy, ['requests', '--status', '429'])).out;
    assert.match(table, /^TIME +ID +STATUS/);
    assert.match(table, /429 .* all_keys_resting$/m);
  });
});

test('streams, cut answers and dead upstreams are told as what they were', async () => {
  await withPool({ keys: [`sk-test-cut-${tail}`] }, async (proxy) => {
    await assert.rejects(chat(proxy, { stream: true }));
    const { requests } = await untilListed(proxy, 1);
    assert.partialDeepStrictEqual(requests[0], { status: 200, stream: true });
    assert.match(requests[0]?.ended ?? '', /^truncated /);
    const { out } = await command(proxy, ['why', requests[0]?.id ?? '']);
    assert.match(out, /^The answer \(200\) was cut short: truncated \w+, after [\d,]+ bytes/m);
  });
  await using dead = await startGptLoad({
    keys: [good],
    upstreams: ['http://127.0.0.1:1'],
    env: { MAX_RETRIES: '1' },
  });
  const id = await chat(dead);
  await untilListed(dead, 1);
  const { out } = await command(dead, ['why', id]);
  assert.match(out, /^1\. no answer from 127\.0\.0\.1:1 for sk-t\.\.\.cdef/m);
  assert.match(out, /\[rule fault_connect\]$/m);
  assert.match(out, /^gpt-load itself answered 502 upstream_unreachable/m);
});

test('every worker tells of every worker’s requests, by any filter', async () => {
  const files = {
    'gpt-load.toml':
      '[client.ci]\nkey = "client-key-of-ci"\n[client.web]\nkey = "client-key-of-web"\n',
  };
  const admin = { headers: { authorization: 'Bearer letmein-0123' } };
  const env = { WORKERS: '3', AUTH_KEY: 'letmein-0123' };
  await withPool({ keys: [good], files, env }, async (proxy) => {
    const ids = new Set<string>();
    for (let i = 0; i < 30; i += 1) {
      const name = i % 3 === 0 ? 'ci' : 'web';
      const headers = { authorization: `Bearer client-key-of-${name}`, connection: 'close' };
      ids.add(await chat(proxy, { model: i % 2 === 0 ? 'gpt-4o' : 'o3' }, headers));
    }
    assert.equal(ids.size, 30);
    for (let i = 0; i < 10; i += 1) {
      const headers = { ...admin.headers, connection: 'close' };
      const { requests } = await eventually('all requests', async () => {
        const found = await listed(proxy, '', { headers });
        return found.requests.length === 30 ? found : undefined;
      });
      assert.deepEqual(new Set(requests.map(({ id }) => id)), ids);
    }
    const count = async (query: string) => (await listed(proxy, query, admin)).requests.length;
    assert.equal(await count('?client=ci'), 10);
    assert.equal(await count('?model=o3'), 15);
    assert.equal(await count('?client=ci&model=o3'), 5);
    assert.equal(await count('?group=default&limit=7'), 7);
    assert.equal(await count('?status=500'), 0);
    const { last_id } = await listed(proxy, '', admin);
    assert.equal(await count(`?since_id=${last_id}`), 0);
    await chat(proxy, {}, { authorization: 'Bearer client-key-of-ci' });
    await eventually('the next one', async () => (await count(`?since_id=${last_id}`)) === 1);
    assert.equal((await proxy.ask('/requests')).status, 401);
    assert.equal((await proxy.ask(`/requests/${[...ids][0]}`)).status, 401);
  });
});

test('questions that cannot be answered are errors that say what is wrong', async () => {
  await withPool({ keys: [good] }, async (proxy, upstream) => {
    const wrong = ['?limit=0', '?limit=x', '?limit=10001', '?status=abc', '?colour=red'];
    for (const query of wrong) {
      const { status, body } = await proxy.ask(`/requests${query}`);
      assert.equal(status, 400, query);
      assert.equal(JSON.parse(body).error.code, 'bad_query');
    }
    const unknown = await proxy.ask('/requests/no-such-id');
    assert.equal(unknown.status, 404);
    assert.equal(JSON.parse(unknown.body).error.code, 'request_not_found');
    assert.equal((await proxy.ask('/requests', { method: 'POST' })).status, 405);
    assert.equal((await proxy.ask('/requests/one', { method: 'DELETE' })).status, 405);
    const { code, err } = await command(proxy, ['why', 'no-such-id']);
    assert.equal(code, 1);
    assert.match(err, /no recent request has the ID "no-such-id"/);
    assert.match((await command(proxy, ['why'])).err, /why needs a request ID/);
    assert.equal(upstream.received(), 0);
  });
});

test('a client’s own request id is the trail’s, whatever is in it', async () => {
  await withPool({ keys: [good] }, async (proxy) => {
    const id = 'job/42:a+b=c.d-e';
    await chat(proxy, {}, { 'x-request-id': id });
    await untilListed(proxy, 1);
    const { status, body } = await proxy.ask(`/requests/${encodeURIComponent(id)}`);
    assert.equal(status, 200);
    assert.equal((JSON.parse(body) as Shown).id, id);
    assert.match((await command(proxy, ['why', id])).out, /id job\/42:a\+b=c\.d-e$/m);
  });
});

const skip = process.env.GPT_LOAD_BINARY ? 'a packed binary takes no --import' : false;

test('a worker that dies takes none of the trails with it', { skip }, async () => {
  const killer = join(import.meta.dirname, '../support/worker-killer.ts');
  const env = { NODE_OPTIONS: `--import=${killer}` };
  await withPool({ keys: [good], env }, async (proxy) => {
    const ids: string[] = [];
    await proxy.waitForLog(/listening on/, 30_000);
    for (let i = 0; i < 20; i += 1) ids.push(await chat(proxy));
    writeFileSync(join(proxy.directory, 'kill-worker'), '');
    await proxy.waitForLog(/worker died/);
    const { requests } = await eventually('the next worker', async () =>
      listed(proxy).catch(() => undefined),
    );
    assert.deepEqual(requests.map(({ id }) => id).toReversed(), ids);
  });
});

test('requests --follow shows each request as it ends', async () => {
  await withPool({ keys: [good] }, async (proxy) => {
    const first = await chat(proxy);
    await untilListed(proxy, 1);
    const env = { PATH: process.env.PATH, HOST: '127.0.0.1', PORT: String(proxy.port) };
    const child = spawn(process.execPath, [mainFile, 'requests', '--follow'], { env });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    try {
      await eventually('the first row', () => out.includes(first));
      const later = [await chat(proxy), await chat(proxy)];
      await eventually('the later rows', () => later.every((id) => out.includes(id)));
      await sleep(1_500);
      const lines = out.trimEnd().split('\n');
      assert.equal(lines.length, 4, out);
      assert.match(lines[0] ?? '', /^TIME +ID +STATUS/);
      const starts = lines.map((line) => line.search(/ID|[0-9a-z]{14}/));
      assert.equal(new Set(starts).size, 1, 'columns stay where they are');
    } finally {
      child.kill();
    }
  });
});

test('ENABLE_TRAILS=false remembers nothing and says so', async () => {
  await withPool({ keys: [good], env: { ENABLE_TRAILS: 'false' } }, async (proxy) => {
    const id = await chat(proxy);
    const told = { requests: [], last_id: null, kept: 0, dropped: 0, enabled: false };
    assert.deepEqual(await listed(proxy), told);
    assert.equal((await proxy.ask('/requests?limit=x')).status, 400);
    const one = await proxy.ask(`/requests/${id}`);
    assert.equal(one.status, 404);
    assert.match(one.body, /"code":"requests_not_kept"/);
    const said = /requests are not remembered: ENABLE_TRAILS is false/;
    for (const [args, code] of [
      [['requests'], 0],
      [['requests', '--follow'], 1],
      [['why', id], 1],
    ] as const) {
      const shown = await command(proxy, args);
      assert.equal(shown.code, code, args.join(' '));
      assert.match(shown.out + shown.err, said);
    }
    assert.match((await proxy.ask('/stats')).body, /"total_count":1\b/);
  });
});
