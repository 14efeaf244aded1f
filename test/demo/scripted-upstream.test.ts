// The scripted upstream refuses as the providers do, by key, and remembers what it was asked.
// That the official SDKs understand its answers is checked in test/sdk.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import type {
  ScriptedUpstream,
  ScriptedUpstreamOptions,
} from '../../src/demo/scripted-upstream.ts';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';

async function withUpstream(
  options: ScriptedUpstreamOptions,
  check: (upstream: ScriptedUpstream) => Promise<void>,
): Promise<void> {
  const upstream = await startScriptedUpstream(options);
  try {
    await check(upstream);
  } finally {
    await upstream.close();
  }
}

function chat(upstream: ScriptedUpstream, key: string, body: object = {}, signal?: AbortSignal) {
  return fetch(`${upstream.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-4o', messages: [], ...body }),
    ...(signal && { signal }),
  });
}

function generate(upstream: ScriptedUpstream, key: string, verb = 'generateContent') {
  return fetch(`${upstream.url}/v1beta/models/gemini-2.5-flash:${verb}?alt=sse`, {
    method: 'POST',
    headers: { 'x-goog-api-key': key, 'content-type': 'application/json' },
    body: '{"contents":[]}',
  });
}

test('scripted upstream refuses a dead OpenAI key with 401 invalid_api_key, its middle masked', async () => {
  await withUpstream({}, async (upstream) => {
    const client = new OpenAI({
      baseURL: `${upstream.url}/v1`,
      apiKey: 'sk-test-dead-0123456789',
      maxRetries: 0,
    });
    const ask = client.chat.completions.create({ model: 'gpt-4o', messages: [] });
    const error = await ask.catch((reason: unknown) => reason);
    assert.ok(error instanceof OpenAI.AuthenticationError);
    assert.equal(error.code, 'invalid_api_key');
    assert.doesNotMatch(error.message, /sk-test-dead-0123456789/);
  });
});

test('scripted upstream refuses Anthropic keys in their own words', async () => {
  await withUpstream({ retryAfterS: 7 }, async (upstream) => {
    const error = async (apiKey: string) => {
      const client = new Anthropic({ baseURL: upstream.url, apiKey, maxRetries: 0 });
      const ask = client.messages.create({ model: 'm', max_tokens: 1, messages: [] });
      return await ask.catch((reason: unknown) => reason);
    };
    assert.ok((await error('sk-ant-dead-0123456789')) instanceof Anthropic.AuthenticationError);
    const limited = await error('sk-ant-limited-0123456789');
    assert.ok(limited instanceof Anthropic.RateLimitError);
    assert.equal(limited.headers.get('retry-after'), '7');
    const overloaded = await error('sk-ant-overloaded-0123456789');
    assert.ok(overloaded instanceof Anthropic.APIError && overloaded.status === 529);
  });
});

test('scripted upstream refuses a dead Gemini key with 400 API_KEY_INVALID, labelled as the stream it is not', async () => {
  await withUpstream({}, async (upstream) => {
    const answer = await generate(upstream, 'AIza-dead-0123456789');
    assert.equal(answer.status, 400);
    assert.equal(answer.headers.get('content-type'), 'text/event-stream');
    const body = (await answer.json()) as { error: { details: { reason: string }[] } };
    assert.equal(body.error.details[0]?.reason, 'API_KEY_INVALID');
  });
});

test("scripted upstream wraps Gemini's refusals in an array on its OpenAI-compatible paths", async () => {
  await withUpstream({}, async (upstream) => {
    const answer = await fetch(`${upstream.url}/v1beta/openai/chat/completions`, {
      method: 'POST',
      headers: { authorization: 'Bearer AIza-quota-0123456789' },
    });
    assert.equal(answer.status, 402);
    assert.ok(Array.isArray(await answer.json()));
  });
});

test('scripted upstream streams Gemini in CRLF frames without [DONE]', async () => {
  await withUpstream({}, async (upstream) => {
    const answer = await generate(upstream, 'AIza-good-0123456789', 'streamGenerateContent');
    const text = await answer.text();
    assert.match(text, /^(data: \{.*\}\r\n\r\n)+$/);
    assert.doesNotMatch(text, /DONE/);
  });
});

test('scripted upstream fails every second request of a flaky key, every third of limited3', async () => {
  await withUpstream({}, async (upstream) => {
    const statuses = async (key: string) => {
      const seen = [];
      for (let i = 0; i < 4; i += 1) seen.push((await chat(upstream, key)).status);
      return seen;
    };
    assert.deepEqual(await statuses('sk-test-flaky-01234567'), [500, 200, 500, 200]);
    assert.deepEqual(await statuses('sk-test-limited3-01234567'), [429, 200, 200, 429]);
  });
});

test('scripted upstream opens a stream with an error event, and cuts one off', async () => {
  await withUpstream({}, async (upstream) => {
    const opening = await chat(upstream, 'sk-streamerror-0123456789', { stream: true });
    assert.equal(opening.status, 200);
    assert.match(await opening.text(), /^data: \{"error":/);
    const cut = await chat(upstream, 'sk-cut2-0123456789', { stream: true });
    assert.equal(cut.status, 200);
    await assert.rejects(cut.text(), 'the body ends early');
  });
});

test('scripted upstream remembers who asked what, with the hash of the body', async () => {
  await withUpstream({}, async (upstream) => {
    await (await chat(upstream, 'sk-test-good-0123456789')).text();
    const [record] = upstream.records;
    assert.equal(record?.request.key, 'sk-test-good-0123456789');
    assert.equal(record?.request.credential, 'bearer');
    assert.equal(record?.request.model, 'gpt-4o');
    assert.equal(record?.request.target, '/v1/chat/completions');
    assert.match(record?.request.bodySha256 ?? '', /^[0-9a-f]{64}$/);
    await eventually('the answer is over', () => record?.finished);
    assert.equal(record?.aborted, false);
  });
});

test('scripted upstream notices at once that a client left a paced stream', async () => {
  await withUpstream({ paceMs: 20 }, async (upstream) => {
    const leave = new AbortController();
    const answer = await chat(upstream, 'sk-test-good-0123456789', { stream: true }, leave.signal);
    await answer.body?.getReader().read();
    leave.abort();
    const record = upstream.records[0];
    await eventually('the upstream saw it leave', () => record?.aborted, 5_000);
  });
});

test('scripted upstream forgets the oldest records beyond its limit', async () => {
  await withUpstream({ maxRecords: 2 }, async (upstream) => {
    for (let i = 0; i < 3; i += 1) await chat(upstream, `sk-test-good-${i}-0123456789`);
    assert.deepEqual(
      upstream.records.map((record) => record.request.index),
      [2, 3],
    );
    assert.equal(upstream.received(), 3);
  });
});
