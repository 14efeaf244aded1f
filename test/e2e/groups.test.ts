// Several providers behind one endpoint: the group is chosen by model or by prefix, stands in for
// another, and changes while requests run; clients may use what they may use and nothing else.

import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import WebSocket from 'ws';
import { jsonReply } from '../../src/demo/reply.ts';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { type GptLoad, startGptLoad } from '../support/start-gpt-load.ts';

const tail = '0123456789abcdef';
const keys = {
  openai: `sk-test-good-openai-${tail}`,
  claude: `sk-test-good-claude-${tail}`,
  gemini: `sk-test-good-gemini-${tail}`,
  dead: `sk-test-dead-openai-${tail}`,
  broken: `sk-test-broken-openai-${tail}`,
} as const;

interface Section {
  readonly url: string;
  readonly keys: readonly string[];
  readonly more?: string;
}

/** The files of such groups: gpt-load.toml and one key file each. */
function filesOf(groups: Readonly<Record<string, Section>>, clients = ''): Record<string, string> {
  const files: Record<string, string> = {};
  let toml = '';
  for (const [name, { url, keys: held, more = '' }] of Object.entries(groups)) {
    toml += `[group.${name}]\nbase_url = "${url}"\nkeys_file = "${name}.txt"\n${more}\n`;
    files[`${name}.txt`] = `${held.join('\n')}\n`;
  }
  return { ...files, 'gpt-load.toml': toml + clients };
}

function start(groups: Readonly<Record<string, Section>>, more: object = {}, clients = '') {
  const held = Object.values(groups).flatMap((group) => group.keys);
  return startGptLoad({
    keys: held,
    upstreams: [],
    withoutKeysFile: true,
    files: filesOf(groups, clients),
    ...more,
  });
}

function chat(proxy: GptLoad, model: string, path = '/v1/chat/completions', key = 'any') {
  return proxy.fetch(`${proxy.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ messages: [], model }),
  });
}

async function codeOf(answer: Response): Promise<string> {
  const { error } = (await answer.json()) as { error: { code: string } };
  return `${answer.status} ${error.code}`;
}

const models = {
  openai: 'models = ["gpt-*", "o3"]',
  claude: 'models = ["claude-*"]',
  gemini: 'models = ["gemini-*"]',
};

test('three SDKs are served by one process, each by its model alone', async (t) => {
  await using openai = await startScriptedUpstream();
  await using claude = await startScriptedUpstream();
  await using gemini = await startScriptedUpstream();
  await using proxy = await start({
    openai: { url: openai.url, keys: [keys.openai], more: models.openai },
    claude: { url: claude.url, keys: [keys.claude], more: models.claude },
    gemini: { url: gemini.url, keys: [keys.gemini], more: models.gemini },
  });
  const { url } = proxy;
  const message = { role: 'user', content: 'hello' } as const;

  await t.test('openai', async () => {
    const client = new OpenAI({ apiKey: 'x', baseURL: `${url}/v1`, fetch: proxy.fetch });
    const answer = await client.chat.completions.create({ model: 'gpt-4o', messages: [message] });
    assert.equal(answer.object, 'chat.completion');
    const stream = await client.responses.create({ model: 'o3', input: 'hello', stream: true });
    for await (const event of stream) assert.ok(event.type);
    assert.equal(openai.records.length, 2);
  });
  await t.test('@anthropic-ai/sdk', async () => {
    const client = new Anthropic({ apiKey: 'x', baseURL: url, fetch: proxy.fetch });
    const request = { model: 'claude-sonnet-4', max_tokens: 9, messages: [message] };
    assert.equal((await client.messages.create(request)).type, 'message');
    assert.equal(claude.records.length, 1);
  });
  await t.test('@google/genai', async () => {
    const client = new GoogleGenAI({ apiKey: 'x', httpOptions: { baseUrl: url } });
    const request = { model: 'gemini-2.5-flash', contents: 'hello' };
    assert.ok((await client.models.generateContent(request)).text);
    for await (const part of await client.models.generateContentStream(request)) assert.ok(part);
    assert.equal(gemini.records.length, 2);
  });
  assert.equal(openai.records.length + claude.records.length + gemini.records.length, 5);
  assert.equal(await codeOf(await chat(proxy, 'llama')), '404 model_not_found');
});

test('a prefix asks for a group, whatever the model, and is taken off', async () => {
  await using one = await startScriptedUpstream();
  await using two = await startScriptedUpstream();
  await using proxy = await start({
    one: { url: one.url, keys: [keys.openai], more: models.openai },
    two: { url: two.url, keys: [keys.claude] },
  });
  assert.equal((await chat(proxy, 'gpt-4o', '/proxy/two/v1/chat/completions')).status, 200);
  assert.equal(two.records[0]?.request.path, '/v1/chat/completions');
  assert.equal(one.records.length, 0);
  const wrong = await chat(proxy, 'gpt-4o', '/proxy/tow2/v1/chat/completions');
  assert.equal(await codeOf(wrong), '404 group_not_found');
  await proxy.waitForLog(/POST \/proxy\/two\/v1\/chat\/completions 200 .*group=two/);
});

test('another group stands in when no key can serve, with its own name for the model', async () => {
  await using first = await startScriptedUpstream();
  await using second = await startScriptedUpstream();
  const more = `${models.openai}\nfallback = ["second"]\nmax_retries = 1`;
  await using proxy = await start({
    first: { url: first.url, keys: [keys.dead, keys.broken], more },
    second: { url: second.url, keys: [keys.claude], more: 'alias = { "gpt-4o" = "x/gpt-4o" }' },
  });
  for (let i = 0; i < 3; i += 1) {
    const answer = await chat(proxy, 'gpt-4o');
    assert.equal(answer.status, 200);
    await answer.text();
  }
  const bodies = second.records.map(({ request }) => String(request.body));
  assert.ok(bodies.length === 3 && bodies.every((body) => /"model":"x\/gpt-4o"/.test(body)));
  // The first attempt, one retry, and then what is left of the group each time.
  assert.ok(first.records.length >= 4, `${first.records.length} attempts in the first group`);
  // A request that is wrong is nobody's fault and is asked of nobody else.
  const before = second.records.length;
  const wrong = await chat(proxy, 'gpt-4o', '/proxy/second/v1/nowhere');
  assert.equal(wrong.status, 404);
  assert.equal(second.records.length, before + 1);
});

test('what the last group says is what the client gets when all fail', async () => {
  await using first = await startScriptedUpstream();
  await using second = await startScriptedUpstream();
  await using proxy = await start({
    first: { url: first.url, keys: [keys.dead], more: `${models.openai}\nfallback = ["second"]` },
    second: { url: second.url, keys: [`sk-test-limited-two-${tail}`] },
  });
  assert.equal((await chat(proxy, 'gpt-4o')).status, 429);
  // Both have no key now: the one that has one first is waited for.
  assert.equal(await codeOf(await chat(proxy, 'gpt-4o')), '429 all_keys_resting');
});

test('clients may use their groups and models, and nobody comes in without a key', async () => {
  await using one = await startScriptedUpstream();
  await using two = await startScriptedUpstream();
  const clients = [
    '[client.ci]\nkey = "env:CI_KEY"\ngroups = ["one"]\nmodels = ["gpt-4o*"]',
    '[client.all]\nkey = "client-key-for-all"\n',
  ].join('\n');
  const groups = {
    one: { url: one.url, keys: [keys.openai], more: `${models.openai}\nfallback = ["two"]` },
    two: { url: two.url, keys: [keys.claude], more: models.claude },
  };
  const env = { CI_KEY: 'client-key-of-ci', AUTH_KEY: 'auth-key-0123456789' };
  await using proxy = await start(groups, { env }, clients);
  proxy.leaks.watch(['client-key-of-ci', 'client-key-for-all']);
  const ask = (model: string, key: string, path?: string) => chat(proxy, model, path, key);

  assert.equal((await ask('gpt-4o-mini', 'client-key-of-ci')).status, 200);
  assert.equal(await codeOf(await ask('o3', 'client-key-of-ci')), '403 not_allowed');
  assert.equal(await codeOf(await ask('claude-x', 'client-key-of-ci')), '403 not_allowed');
  const forced = await ask('gpt-4o', 'client-key-of-ci', '/proxy/two/v1/chat/completions');
  assert.equal(await codeOf(forced), '403 not_allowed');
  assert.equal((await ask('claude-x', 'client-key-for-all')).status, 200);
  assert.equal((await ask('claude-x', 'auth-key-0123456789')).status, 200);
  assert.equal(await codeOf(await ask('gpt-4o', 'somebody-else')), '401 invalid_api_key');
  const inHeader = await proxy.fetch(`${proxy.url}/v1/messages`, {
    method: 'POST',
    headers: { 'x-api-key': 'client-key-for-all' },
    body: '{"model":"claude-x","max_tokens":1,"messages":[]}',
  });
  assert.equal(inHeader.status, 200);

  // A model that is spelt so that only some would read it.
  for (const body of [
    '{"model":"gpt-4o","mod\\u0065l":"o3","messages":[]}',
    '[{"model":"o3"}]',
    '{"Model":"o3","messages":[]}',
  ]) {
    const headers = {
      'content-type': 'application/json',
      authorization: 'Bearer client-key-of-ci',
    };
    const init = { method: 'POST', headers, body };
    const answer = await proxy.fetch(`${proxy.url}/proxy/one/v1/chat/completions`, init);
    assert.equal(await codeOf(answer), '403 not_allowed', body);
  }

  // A client's key opens no endpoint of our own.
  const stats = { headers: { authorization: 'Bearer client-key-for-all' } };
  assert.equal((await proxy.ask('/stats', stats)).status, 401);
  await proxy.waitForLog(/client_name=ci group=one/);
});

test('a WebSocket goes by the model of its query', async () => {
  await using one = await startScriptedUpstream();
  await using two = await startScriptedUpstream();
  await using proxy = await start({
    one: { url: one.url, keys: [keys.openai], more: models.openai },
    two: { url: two.url, keys: [keys.claude], more: models.claude },
  });
  const socket = new WebSocket(`${proxy.url.replace('http', 'ws')}/v1/realtime?model=claude-live`);
  socket.on('error', () => {});
  await eventually('the handshake has arrived', () => two.received() > 0);
  assert.equal(one.received(), 0);
  socket.terminate();
});

test('groups come, change and go while 200 requests a second run, and none is lost', async () => {
  await using one = await startScriptedUpstream();
  await using two = await startScriptedUpstream();
  const base = { one: { url: one.url, keys: [keys.openai], more: models.openai } };
  const env = { WORKERS: '2', MAX_CONCURRENT_REQUESTS: '1000', LOG_ENABLE_REQUEST: 'false' };
  await using proxy = await start(base, { env });
  const both = { ...base, two: { url: two.url, keys: [keys.claude], more: models.claude } };
  const moved = { one: { url: two.url, keys: [keys.openai], more: models.openai } };
  const put = (groups: Readonly<Record<string, Section>>) => {
    for (const [name, text] of Object.entries(filesOf(groups))) {
      writeFileSync(join(proxy.directory, `${name}.new`), text);
      renameSync(join(proxy.directory, `${name}.new`), join(proxy.directory, name));
    }
  };
  const failed: number[] = [];
  let answered = 0;
  let isOver = false;
  const ask = async () => {
    const answer = await fetch(`${proxy.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"model":"gpt-4o","messages":[]}',
    });
    await answer.arrayBuffer();
    answered += 1;
    if (answer.status !== 200) failed.push(answer.status);
  };
  const running: Promise<void>[] = [];
  const timer = setInterval(() => {
    if (!isOver) running.push(ask());
  }, 5);
  const groupNames = async () => {
    const { groups } = JSON.parse((await proxy.ask('/groups')).body) as { groups: object[] };
    return groups.map((group) => (group as { name: string }).name).join();
  };
  for (let round = 0; round < 2; round += 1) {
    put(both);
    await eventually('the second group is there', async () => (await groupNames()) === 'one,two');
    assert.equal((await chat(proxy, 'claude-x')).status, 200);
    put(moved);
    await eventually('it is gone again', async () => (await groupNames()) === 'one');
    assert.equal(await codeOf(await chat(proxy, 'claude-x')), '404 model_not_found');
  }
  writeFileSync(join(proxy.directory, 'gpt-load.toml'), '[group.one]\nbase_url = 5\n');
  await proxy.waitForLog(/configuration rejected; still using the previous one/);
  await proxy.waitForLog(/gpt-load\.toml:2:1: \[group\.one\] base_url: must be/);
  assert.equal((await chat(proxy, 'gpt-4o')).status, 200);
  isOver = true;
  clearInterval(timer);
  await Promise.all(running);
  assert.deepEqual(failed, []);
  assert.ok(answered > 200, `${answered} answers`);
  assert.ok(two.records.length > 0);
});

test('a group whose key file turns bad keeps its keys; at the start it stops it', async () => {
  await using one = await startScriptedUpstream();
  const groups = { one: { url: one.url, keys: [keys.openai], more: models.openai } };
  {
    await using proxy = await start(groups);
    writeFileSync(join(proxy.directory, 'one.txt'), '# nothing\n');
    await proxy.waitForLog(/one\.txt: contains no keys/);
    assert.equal((await chat(proxy, 'gpt-4o')).status, 200);
  }
  const bad = { one: { ...groups.one, keys: [] } };
  const proxy = await start(bad, { waitUntilReady: false });
  await proxy.exited;
  assert.match(proxy.output(), /\[group\.one\] keys_file: \S+one\.txt: contains no keys/);
  await proxy.stop(1);
});

test('what was learned about a key outlives new settings and a new upstream', async () => {
  await using one = await startScriptedUpstream();
  const held = [keys.dead, keys.openai];
  const section = (more: string, url = one.url) => ({
    one: { url, keys: held, more: `${models.openai}\n${more}` },
  });
  await using proxy = await start(section(''), { env: { STATE_FILE: '' } });
  for (let i = 0; i < 3; i += 1) await (await chat(proxy, 'gpt-4o')).text();
  const deadNow = async () => {
    const { count } = JSON.parse((await proxy.ask('/blacklist')).body) as { count: number };
    return count;
  };
  assert.equal(await deadNow(), 1);
  const put = (groups: ReturnType<typeof section>, i: number) => {
    const name = join(proxy.directory, 'gpt-load.toml');
    writeFileSync(name, filesOf(groups)['gpt-load.toml'] ?? '');
    const times = new RegExp(`(?:configuration reloaded[^]*){${i}}`);
    return proxy.waitForLog(times);
  };
  await put(section('max_retries = 9'), 1);
  assert.equal(await deadNow(), 1);
  await put(section('', `${one.url}/v1`), 2);
  assert.equal(await deadNow(), 1);
  assert.equal((await chat(proxy, 'gpt-4o')).status, 200);
});

test('/health is about every group, and /reset-keys about one if it is named', async () => {
  await using one = await startScriptedUpstream();
  await using proxy = await start({
    good: { url: one.url, keys: [keys.openai], more: models.openai },
    bad: { url: one.url, keys: [keys.dead], more: models.claude },
  });
  await (await chat(proxy, 'claude-x')).text();
  const health = await proxy.ask('/health');
  assert.equal(health.status, 503);
  assert.match(health.body, /"name":"bad","status":"unhealthy","healthy_keys":0,"total_keys":1/);
  assert.equal((await proxy.ask('/reset-keys?group=good')).status, 200);
  assert.equal((await proxy.ask('/health')).status, 503);
  assert.equal((await proxy.ask('/reset-keys?group=bda')).status, 404);
  assert.equal((await proxy.ask('/reset-keys?group=bad')).status, 200);
  assert.equal((await proxy.ask('/health')).status, 200);
});

test('GET /v1/models lists what each group serves, asked for once for all workers', async () => {
  const listOf = (ids: readonly string[]) => ({
    kind: 'reply' as const,
    reply: jsonReply(200, { object: 'list', data: ids.map((id) => ({ id, object: 'model' })) }),
  });
  await using one = await startScriptedUpstream({
    script: () => listOf(['gpt-4o', 'llama', 'o3']),
  });
  await using two = await startScriptedUpstream({ script: () => listOf(['claude-x', 'gpt-4o']) });
  const broken = { kind: 'refuse', refusal: 'broken' } as const;
  await using three = await startScriptedUpstream({ script: () => broken });
  const alias = 'alias = { "claude-best" = "claude-x" }';
  const clients = [
    '[client.all]\nkey = "client-key-for-all"',
    '[client.few]\nkey = "client-key-of-few"\nmodels = ["gpt-*", "claude-best"]',
    '[client.two]\nkey = "client-key-of-two"\ngroups = ["two"]\n',
  ].join('\n');
  const groups = {
    one: { url: one.url, keys: [keys.openai], more: models.openai },
    two: { url: two.url, keys: [keys.claude], more: `${models.claude}\n${alias}` },
    three: { url: three.url, keys: [keys.gemini], more: models.gemini },
  };
  await using proxy = await start(groups, { env: { WORKERS: '2' } }, clients);
  const listed = async (apiKey: string) => {
    const client = new OpenAI({ apiKey, baseURL: `${proxy.url}/v1`, fetch: proxy.fetch });
    const found: string[] = [];
    for await (const { id } of client.models.list()) found.push(id);
    return found.join();
  };
  const all = Array.from({ length: 8 }, () => listed('client-key-for-all'));
  for (const list of await Promise.all(all)) assert.equal(list, 'gpt-4o,o3,claude-best,claude-x');
  assert.equal(await listed('client-key-of-few'), 'gpt-4o,claude-best');
  assert.equal(await listed('client-key-of-two'), 'claude-best,claude-x');
  const anthropic = new Anthropic({ apiKey: 'client-key-of-two', baseURL: proxy.url });
  assert.equal((await anthropic.models.list()).data.length, 2);
  assert.equal(one.records.length, 1);
  assert.equal(two.records.length, 1);
  // What cannot be listed is asked for again some seconds later, and not for each list.
  assert.ok(three.records.length >= 1 && three.records.length < 4);
  // With a prefix it is the group's own answer.
  const own = await chat(proxy, 'x', '/proxy/two/v1/models', 'client-key-for-all');
  assert.equal(own.status, 200);
  assert.equal(two.records.length, 2);
});
