// Whose fault it is, seen from outside: a client's mistake and a client's leaving blame no key and
// are never retried.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Behaviour } from '../../src/demo/behaviour.ts';
import { type ScriptedUpstream, startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { connectRaw, type RawClient, requestBytes, valuesOf } from '../support/raw-client.ts';
import { type GptLoad, startGptLoad } from '../support/start-gpt-load.ts';

const keys = Array.from({ length: 5 }, (_, i) => `sk-test-blame-${i}-0123456789abcdef`);
/** How soon the upstream must notice that the client disconnected, in milliseconds. */
const atOnceMs = 5_000;

let behaviour: Behaviour = { kind: 'good' };
let upstream: ScriptedUpstream;
let proxy: GptLoad;

before(async () => {
  upstream = await startScriptedUpstream({ script: () => behaviour, paceMs: 50 });
  proxy = await startGptLoad({ keys, upstreams: [upstream.url] });
});

after(async () => {
  await proxy?.stop();
  await upstream?.close();
});

function chatRequest(stream: boolean): Buffer {
  const body = JSON.stringify({ model: 'gpt-4o', stream, messages: [] });
  return requestBytes('POST /v1/chat/completions', ['Content-Type: application/json'], body);
}

async function assertNobodyBlamed(): Promise<void> {
  const blacklist = JSON.parse((await proxy.ask('/blacklist')).body);
  assert.equal(blacklist.count, 0, 'no key is blacklisted');
  assert.deepEqual(blacklist.resting_keys, [], 'no key rests');
  const stats = JSON.parse((await proxy.ask('/stats')).body);
  assert.equal(stats.keys.healthy, keys.length, 'all keys are healthy');
}

test("a client's 400 reaches the client verbatim, after one upstream request, and no key is blamed", async () => {
  upstream.forget();
  // Odd spacing, an own status text and fields that a proxy might tidy away.
  const body =
    '{ "error" : {"message":"max_tokens is too large", "type":"invalid_request_error" ,"code":null} }\r\n';
  const headers = {
    'content-type': 'application/json',
    'x-request-id': 'req_1',
    'x-odd': ['a', 'b'],
  };
  behaviour = { kind: 'reply', reply: { status: 400, headers, body } };
  using client = await connectRaw(proxy.port);
  await client.send(chatRequest(false));
  const answer = await client.answer();
  assert.equal(answer.status, 400);
  assert.equal(answer.body.toString(), body);
  assert.deepEqual(valuesOf(answer, 'x-odd'), ['a', 'b']);
  assert.deepEqual(valuesOf(answer, 'x-request-id'), ['req_1']);
  assert.equal(upstream.records.length, 1, 'the upstream saw one request');
  await assertNobodyBlamed();
});

for (const path of ['/v1/chat/completions', '/v1/messages', '/v1beta/models/m:generateContent']) {
  test(`a provider's 400 at ${path} is passed on after one upstream request`, async () => {
    upstream.forget();
    behaviour = { kind: 'refuse', refusal: 'bad_request' };
    const { status } = await proxy.ask(path, { method: 'POST', body: '{}' });
    assert.equal(status, 400);
    assert.equal(upstream.records.length, 1);
    await assertNobodyBlamed();
  });
}

async function assertAbortedAtOnce(leave: (client: RawClient) => Promise<void>): Promise<void> {
  upstream.forget();
  using client = await connectRaw(proxy.port);
  await client.send(chatRequest(true));
  await eventually('the upstream has the request', () => upstream.records.length === 1);
  await leave(client);
  const record = await eventually('it is noticed', () => upstream.records[0]);
  await eventually('the upstream request is aborted', () => record.aborted, atOnceMs);
  assert.equal(upstream.records.length, 1, 'nothing is retried');
  await assertNobodyBlamed();
}

test('a client that leaves before the answer aborts the upstream request at once', async () => {
  behaviour = { kind: 'never' };
  await assertAbortedAtOnce(async (client) => client.destroy());
});

test('a client that leaves in mid-stream aborts the upstream request at once', async () => {
  behaviour = { kind: 'good', paceMs: 50 };
  await assertAbortedAtOnce(async (client) => {
    await client.reader.until('data: ');
    client.destroy();
  });
});

test('a client that resets in mid-stream aborts the upstream request at once', async () => {
  behaviour = { kind: 'good', paceMs: 50 };
  await assertAbortedAtOnce(async (client) => {
    await client.reader.until('data: ');
    client.socket.resetAndDestroy();
  });
});

test('a client that leaves while it uploads reaches no key at all, or blames none', async () => {
  behaviour = { kind: 'good' };
  upstream.forget();
  using client = await connectRaw(proxy.port);
  await client.send(
    'POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n0123456789',
  );
  client.destroy();
  const { status } = await proxy.ask('/v1/models');
  assert.equal(status, 200);
  assert.ok(upstream.records.every((record) => record.request.path === '/v1/models'));
  await assertNobodyBlamed();
});

test('a client that leaves during a retry ends the retrying', async () => {
  behaviour = { kind: 'refuse', refusal: 'overloaded' };
  upstream.forget();
  using client = await connectRaw(proxy.port);
  await client.send(chatRequest(false));
  await eventually('the first attempt', () => upstream.records.length >= 1);
  client.destroy();
  const { body } = await proxy.ask('/health');
  assert.ok(body.length > 0);
  behaviour = { kind: 'good' };
  await assertNobodyBlamed();
});
