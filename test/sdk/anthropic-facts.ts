// What the official Anthropic SDK must see, whichever way leads to the upstream: straight, or
// through the proxy. The callers decide the way; each fact is one call with maxRetries 0, so that
// nothing is repaired by the SDK.

import assert from 'node:assert/strict';
import Anthropic, { toFile } from '@anthropic-ai/sdk';
import { audioBytes, binaryBytes } from '../../src/demo/provider-shape.ts';
import { sha256 } from './openai-facts.ts';
import type { SdkFact, SdkWay } from './sdk-ways.ts';

const ask = {
  model: 'claude-haiku-4-5',
  max_tokens: 100,
  messages: [{ role: 'user' as const, content: 'Say hello, please.' }],
};
const text = 'Hello from the mock provider. You said: Say hello, please.';
const tools = [
  {
    name: 'weather',
    input_schema: { type: 'object' as const, properties: { city: { type: 'string' } } },
  },
];
const uploadBytes = 20 * 1024 * 1024;

function client(way: SdkWay): Anthropic {
  return new Anthropic({
    baseURL: way.url,
    apiKey: way.clientKey,
    maxRetries: 0,
    fetch: way.fetch,
  });
}

export const anthropicFacts: readonly SdkFact[] = [
  {
    name: 'message',
    async check(way) {
      const { content } = await client(way).messages.create(ask);
      assert.ok(content[0]?.type === 'text');
      assert.equal(content[0].text, text);
    },
  },
  {
    name: 'streaming message',
    async check(way) {
      assert.equal(await client(way).messages.stream(ask).finalText(), text);
    },
  },
  {
    name: 'tool use',
    async check(way) {
      const { content, stop_reason } = await client(way).messages.create({ ...ask, tools });
      assert.ok(content[0]?.type === 'tool_use');
      assert.deepEqual(content[0].input, { city: 'Paris' });
      assert.equal(stop_reason, 'tool_use');
    },
  },
  {
    name: 'streaming tool use',
    async check(way) {
      const { content } = await client(way)
        .messages.stream({ ...ask, tools })
        .finalMessage();
      assert.ok(content[0]?.type === 'tool_use');
      assert.deepEqual(content[0].input, { city: 'Paris' });
    },
  },
  {
    name: 'model list',
    async check(way) {
      const ids = [];
      for await (const model of client(way).models.list()) ids.push(model.id);
      assert.ok(ids.includes('claude-haiku-4-5'), `models: ${ids}`);
    },
  },
  {
    name: '20 MB multipart upload',
    async check(way) {
      const bytes = binaryBytes(uploadBytes);
      const file = await toFile(bytes, 'speech.mp3', { type: 'audio/mpeg' });
      const answer = await client(way).beta.files.upload({ file });
      assert.equal(answer.size_bytes, uploadBytes);
      assert.equal((answer as unknown as { sha256: string }).sha256, sha256(bytes));
    },
  },
  {
    name: 'binary download',
    async check(way) {
      const answer = await client(way).beta.files.download('file_scripted0002');
      const bytes = new Uint8Array(await answer.arrayBuffer());
      assert.equal(sha256(bytes), sha256(binaryBytes(audioBytes)));
    },
  },
];
