// What the official OpenAI SDK must see, whichever way leads to the upstream: straight, or through
// the proxy. The callers decide the way; each fact is one call with maxRetries 0, so that nothing
// is repaired by the SDK.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import OpenAI, { toFile } from 'openai';
import { audioBytes, binaryBytes, embedding } from '../../src/demo/provider-shape.ts';
import type { SdkFact, SdkWay } from './sdk-ways.ts';

const messages = [{ role: 'user' as const, content: 'Say hello, please.' }];
const text = 'Hello from the mock provider. You said: Say hello, please.';
const tools = [
  {
    type: 'function' as const,
    function: {
      name: 'weather',
      parameters: { type: 'object', properties: { city: { type: 'string' } } },
    },
  },
];
const uploadBytes = 20 * 1024 * 1024;

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function client(way: SdkWay): OpenAI {
  return new OpenAI({
    baseURL: `${way.url}/v1`,
    apiKey: way.clientKey,
    maxRetries: 0,
    fetch: way.fetch,
  });
}

export const openaiFacts: readonly SdkFact[] = [
  {
    name: 'chat',
    async check(way) {
      const answer = await client(way).chat.completions.create({ model: 'gpt-4o', messages });
      assert.equal(answer.choices[0]?.message.content, text);
      assert.ok((answer.usage?.total_tokens ?? 0) > 20);
    },
  },
  {
    name: 'streaming chat',
    async check(way) {
      const stream = await client(way).chat.completions.create({
        model: 'gpt-4o',
        messages,
        stream: true,
        stream_options: { include_usage: true },
      });
      let said = '';
      let tokens = 0;
      for await (const chunk of stream) {
        said += chunk.choices[0]?.delta.content ?? '';
        tokens = chunk.usage?.total_tokens ?? tokens;
      }
      assert.equal(said, text);
      assert.ok(tokens > 20);
    },
  },
  {
    name: 'tool call',
    async check(way) {
      const answer = await client(way).chat.completions.create({
        model: 'gpt-4o',
        messages,
        tools,
      });
      const call = answer.choices[0]?.message.tool_calls?.[0];
      assert.ok(call?.type === 'function');
      assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Paris' });
      assert.equal(answer.choices[0]?.finish_reason, 'tool_calls');
    },
  },
  {
    name: 'streaming tool call',
    async check(way) {
      const stream = client(way).chat.completions.stream({ model: 'gpt-4o', messages, tools });
      const answer = await stream.finalChatCompletion();
      const call = answer.choices[0]?.message.tool_calls?.[0];
      assert.ok(call?.type === 'function');
      assert.deepEqual(JSON.parse(call.function.arguments), { city: 'Paris' });
    },
  },
  {
    name: 'response',
    async check(way) {
      const answer = await client(way).responses.create({ model: 'gpt-4o', input: 'Hi.' });
      assert.equal(answer.output_text, 'Hello from the mock provider. You said: Hi.');
    },
  },
  {
    name: 'streaming response',
    async check(way) {
      const stream = client(way).responses.stream({ model: 'gpt-4o', input: 'Hi.' });
      const answer = await stream.finalResponse();
      assert.equal(answer.output_text, 'Hello from the mock provider. You said: Hi.');
    },
  },
  {
    name: 'embeddings',
    async check(way) {
      const answer = await client(way).embeddings.create({
        model: 'text-embedding-3-small',
        input: ['one', 'two'],
      });
      const numbers = answer.data.map((each) => each.embedding);
      assert.deepEqual(numbers, [embedding('one'), embedding('two')]);
    },
  },
  {
    name: 'model list',
    async check(way) {
      const ids = [];
      for await (const model of client(way).models.list()) ids.push(model.id);
      assert.ok(ids.includes('gpt-4o'), `models: ${ids}`);
    },
  },
  {
    name: '20 MB multipart upload',
    async check(way) {
      const bytes = binaryBytes(uploadBytes);
      const file = await toFile(bytes, 'speech.mp3', { type: 'audio/mpeg' });
      const answer = await client(way).audio.transcriptions.create({ model: 'whisper-1', file });
      const seen = answer as unknown as { bytes: number; sha256: string };
      assert.equal(seen.bytes, uploadBytes);
      assert.equal(seen.sha256, sha256(bytes));
    },
  },
  {
    name: 'file upload',
    async check(way) {
      const file = await toFile(binaryBytes(100_000), 'data.jsonl');
      const answer = await client(way).files.create({ file, purpose: 'assistants' });
      assert.equal(answer.bytes, 100_000);
      assert.equal(answer.filename, 'data.jsonl');
    },
  },
  {
    name: 'binary audio download',
    async check(way) {
      const answer = await client(way).audio.speech.create({
        model: 'tts-1',
        voice: 'alloy',
        input: 'Hello',
      });
      const bytes = new Uint8Array(await answer.arrayBuffer());
      assert.equal(sha256(bytes), sha256(binaryBytes(audioBytes)));
    },
  },
];
