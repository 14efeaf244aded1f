// What else the demo's provider answers, so that a person can point any client at it: counting
// tokens, images, batches, uploads, embeddings of Mistral's and Cohere's shapes, and WebSockets
// through gpt-load. The usual calls of the three official SDKs are in test/sdk.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI, type LiveServerMessage, Modality } from '@google/genai';
import OpenAI, { toFile } from 'openai';
import WebSocket from 'ws';
import { type ScriptedUpstream, startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const apiKey = 'sk-test-good-0123456789';
const KEYS = ['sk-test-good-0123456789abc', 'sk-test-good-abc0123456789'];
const SAID = 'Hello from the mock provider. You said: Hello';

async function provider(t: { after: (end: () => Promise<void>) => void }) {
  const upstream = await startScriptedUpstream();
  t.after(() => upstream.close());
  return upstream;
}

function openai({ url }: ScriptedUpstream): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
}

async function post(url: string, body: object): Promise<Record<string, unknown>> {
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' };
  const answer = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
  assert.equal(answer.status, 200);
  return (await answer.json()) as Record<string, unknown>;
}

test('OpenAI: images, files, uploads in parts and batches', async (t) => {
  const client = openai(await provider(t));
  const { data } = await client.images.generate({ model: 'gpt-image-1', prompt: 'x', n: 2 });
  assert.equal(data?.length, 2);
  assert.match(Buffer.from(data?.[0]?.b64_json ?? '', 'base64').toString('latin1'), /^.PNG/);
  const file = await toFile(Buffer.from('{}\n'), 'in.jsonl');
  const uploaded = await client.files.create({ file, purpose: 'batch' });
  assert.equal((await client.files.retrieve(uploaded.id)).id, uploaded.id);
  assert.equal((await client.files.list()).data.length, 1);
  assert.equal((await client.files.delete(uploaded.id)).deleted, true);
  const about = { bytes: 3, filename: 'a', mime_type: 'text/plain', purpose: 'batch' } as const;
  const { id } = await client.uploads.create(about);
  const part = await client.uploads.parts.create(id, { data: file });
  const whole = await client.uploads.complete(id, { part_ids: [part.id] });
  assert.equal(whole.status, 'completed');
  const batch = await client.batches.create({
    input_file_id: uploaded.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  });
  assert.equal((await client.batches.retrieve(batch.id)).status, 'completed');
  assert.equal((await client.batches.list()).data[0]?.id, batch.id);
  assert.equal((await client.batches.cancel(batch.id)).status, 'cancelling');
});

test('OpenAI: the Responses API calls a tool, then answers, streamed and not', async (t) => {
  const client = openai(await provider(t));
  const parameters = { type: 'object', properties: { city: { type: 'string' } } };
  const tools = [{ type: 'function' as const, name: 'weather', parameters, strict: false }];
  const asked = { model: 'gpt-4o', input: 'Hello', tools };
  const [item] = (await client.responses.create(asked)).output;
  assert.ok(item?.type === 'function_call');
  assert.deepEqual([item.name, item.arguments], ['weather', '{"city":"Paris"}']);
  const stream = client.responses.stream(asked);
  const [streamed] = (await stream.finalResponse()).output;
  assert.equal(streamed?.type === 'function_call' && streamed.arguments, '{"city":"Paris"}');
  const output = { type: 'function_call_output' as const, call_id: item.call_id, output: '20 C' };
  const after = await client.responses.create({ ...asked, input: [item, output] });
  assert.match(after.output_text, /^Hello from/);
});

test('Anthropic: counting tokens, and batches with their results', async (t) => {
  const { url } = await provider(t);
  const client = new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });
  const params = {
    model: 'claude-haiku-4-5',
    max_tokens: 50,
    messages: [{ role: 'user' as const, content: 'Hello' }],
  };
  const { model, messages } = params;
  assert.ok((await client.messages.countTokens({ model, messages })).input_tokens > 0);
  const requests = [{ custom_id: 'demo-1', params }];
  const batch = await client.messages.batches.create({ requests });
  assert.equal(batch.processing_status, 'in_progress');
  const ended = await client.messages.batches.retrieve(batch.id);
  assert.equal(ended.processing_status, 'ended');
  for await (const { result } of await client.messages.batches.results(batch.id)) {
    assert.equal(result.type, 'succeeded');
  }
});

test('Gemini: a file is uploaded to the address that is told, and asked for', async (t) => {
  const upstream = await provider(t);
  const client = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: upstream.url } });
  const file = new Blob(['Hello'], { type: 'text/plain' });
  const uploaded = await client.files.upload({ file, config: { mimeType: 'text/plain' } });
  assert.equal(uploaded.sizeBytes, '5');
  const { state } = await client.files.get({ name: uploaded.name ?? '' });
  assert.equal(state, 'ACTIVE');
});

test('embeddings of the shapes that Mistral and Cohere have', async (t) => {
  const { url } = await provider(t);
  const mistral = await post(`${url}/v1/embeddings`, { model: 'mistral-embed', input: ['a', 'b'] });
  assert.equal(typeof mistral.id, 'string');
  assert.equal((mistral.data as unknown[]).length, 2);
  const asked = { model: 'embed-v4.0', texts: ['a', 'b'], input_type: 'search_document' };
  const first = await post(`${url}/v1/embed`, asked);
  assert.equal((first.embeddings as number[][])[1]?.length, 8);
  const second = await post(`${url}/v2/embed`, { ...asked, embedding_types: ['float'] });
  assert.equal((second.embeddings as { float: number[][] }).float.length, 2);
});

test('a browser on the realtime WebSocket, its key in a subprotocol, is answered and blacklists no key', async (t) => {
  const upstream = await provider(t);
  await using app = await startGptLoad({ keys: KEYS, upstreams: [upstream.url] });
  const address = `${app.url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime`;
  const ws = new WebSocket(address, ['realtime', 'openai-insecure-api-key.none']);
  const [first] = await once(ws, 'message');
  assert.equal(JSON.parse(String(first)).type, 'session.created');
  assert.equal(ws.protocol, 'realtime');
  assert.equal(upstream.records[0]?.request.credential, 'subprotocol');
  let said = '';
  const done = new Promise<void>((resolve) => {
    ws.on('message', (data) => {
      const { type, delta } = JSON.parse(String(data));
      if (type === 'response.output_text.delta') said += delta;
      if (type === 'response.done') resolve();
    });
  });
  const item = { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hello' }] };
  ws.send(JSON.stringify({ type: 'conversation.item.create', item }));
  ws.send(JSON.stringify({ type: 'response.create' }));
  await done;
  assert.equal(said, SAID);
  ws.close();
  await once(ws, 'close');
  assert.match((await app.ask('/blacklist')).body, /"blacklisted_keys":\s*\[\]/);
});

test('Gemini Live talks through gpt-load, by its SDK', async (t) => {
  const upstream = await provider(t);
  await using app = await startGptLoad({ keys: KEYS, upstreams: [upstream.url] });
  const genai = new GoogleGenAI({ apiKey: 'client', httpOptions: { baseUrl: app.url } });
  const messages: LiveServerMessage[] = [];
  const session = await genai.live.connect({
    model: 'gemini-2.5-flash',
    config: { responseModalities: [Modality.TEXT] },
    callbacks: { onmessage: (message) => messages.push(message) },
  });
  session.sendClientContent({ turns: 'Hello', turnComplete: true });
  await eventually('the turn is complete', () =>
    messages.some(({ serverContent }) => serverContent?.turnComplete === true),
  );
  assert.equal(messages.map((message) => message.text ?? '').join(''), SAID);
  session.close();
});
