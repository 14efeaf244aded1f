// What the official Gemini SDK must see, whichever way leads to the upstream: straight, or through
// the proxy. The callers decide the way. This SDK takes no fetch of ours; it does not retry unless
// told to.

import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GoogleGenAI, Type } from '@google/genai';
import { audioBytes, binaryBytes, embedding } from '../../src/demo/provider-shape.ts';
import { sha256 } from './openai-facts.ts';
import type { SdkFact, SdkWay } from './sdk-ways.ts';

const model = 'gemini-2.5-flash';
const contents = 'Say hello, please.';
const text = 'Hello from the mock provider. You said: Say hello, please.';
const config = {
  tools: [
    {
      functionDeclarations: [
        {
          name: 'weather',
          parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } } },
        },
      ],
    },
  ],
};

function client(way: SdkWay): GoogleGenAI {
  return new GoogleGenAI({ apiKey: way.clientKey, httpOptions: { baseUrl: way.url } });
}

export const geminiFacts: readonly SdkFact[] = [
  {
    name: 'generateContent',
    async check(way) {
      const answer = await client(way).models.generateContent({ model, contents });
      assert.equal(answer.text, text);
    },
  },
  {
    name: 'generateContentStream',
    async check(way) {
      let said = '';
      const stream = await client(way).models.generateContentStream({ model, contents });
      for await (const chunk of stream) said += chunk.text ?? '';
      assert.equal(said, text);
    },
  },
  {
    name: 'function call',
    async check(way) {
      const answer = await client(way).models.generateContent({ model, contents, config });
      assert.deepEqual(answer.functionCalls?.[0]?.args, { city: 'Paris' });
    },
  },
  {
    name: 'embeddings',
    async check(way) {
      const answer = await client(way).models.embedContent({
        model: 'gemini-embedding-001',
        contents: ['one', 'two'],
      });
      const numbers = answer.embeddings?.map((each) => each.values);
      assert.deepEqual(numbers, [embedding('one'), embedding('two')]);
    },
  },
  {
    name: 'model list',
    async check(way) {
      const names = [];
      for await (const each of await client(way).models.list()) names.push(each.name);
      assert.ok(names.includes(`models/${model}`), `models: ${names}`);
    },
  },
  {
    name: '20 MB upload inside the request',
    async check(way) {
      const data = binaryBytes(15 * 1024 * 1024).toString('base64');
      const answer = await client(way).models.generateContent({
        model,
        contents: [{ inlineData: { mimeType: 'audio/mpeg', data } }, { text: contents }],
      });
      assert.equal(answer.text, text);
    },
  },
  {
    name: 'binary download',
    async check(way) {
      const downloadPath = join(tmpdir(), `gpt-load-download-${process.pid}.mp3`);
      try {
        await client(way).files.download({ file: 'files/scripted0001', downloadPath });
        // The SDK's promise does not wait for the file to be written.
        await way.settled(
          () => sha256(readFileSync(downloadPath)) === sha256(binaryBytes(audioBytes)),
        );
      } finally {
        rmSync(downloadPath, { force: true });
      }
    },
  },
];
