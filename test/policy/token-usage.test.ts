// Usage as real providers name it (shapes from their API references), in documents and streams.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { tokenUsage } from '../../src/policy/token-usage.ts';

const sse = (...events: object[]) =>
  events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');
const whole = (text: string) => tokenUsage(text, text);
const of = (input: number, output: number, more = {}) => {
  return { input, cached: 0, cacheWrite: 0, output, reasoning: 0, ...more };
};

test('documents of every provider', () => {
  const chat = {
    choices: [{ message: { content: 'said \\"usage\\":{\\"prompt_tokens\\":9}' } }],
    usage: {
      prompt_tokens: 19,
      completion_tokens: 10,
      total_tokens: 29,
      prompt_tokens_details: { cached_tokens: 5, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 4 },
    },
    service_tier: 'default',
  };
  assert.deepEqual(whole(JSON.stringify(chat)), of(19, 10, { cached: 5, reasoning: 4 }));
  const responses = {
    usage: {
      input_tokens: 36,
      input_tokens_details: { cached_tokens: 12 },
      output_tokens: 87,
      output_tokens_details: { reasoning_tokens: 64 },
      total_tokens: 123,
    },
    user: null,
    metadata: {},
  };
  assert.deepEqual(whole(JSON.stringify(responses)), of(36, 87, { cached: 12, reasoning: 64 }));
  const embeddings = { data: [], usage: { prompt_tokens: 8, total_tokens: 8 } };
  assert.deepEqual(whole(JSON.stringify(embeddings)), of(8, 0));
  const message = {
    type: 'message',
    usage: {
      input_tokens: 2,
      cache_creation_input_tokens: 100,
      cache_read_input_tokens: 300,
      output_tokens: 50,
    },
  };
  assert.deepEqual(whole(JSON.stringify(message)), of(402, 50, { cached: 300, cacheWrite: 100 }));
  const gemini = {
    usageMetadata: {
      promptTokenCount: 10,
      candidatesTokenCount: 20,
      thoughtsTokenCount: 7,
      cachedContentTokenCount: 3,
      totalTokenCount: 37,
      promptTokensDetails: [{ modality: 'TEXT', tokenCount: 10 }],
    },
    modelVersion: 'gemini-2.5-flash',
  };
  assert.deepEqual(whole(JSON.stringify(gemini)), of(10, 27, { cached: 3, reasoning: 7 }));
  const cohere = {
    usage: {
      billed_units: { input_tokens: 5, output_tokens: 3 },
      tokens: { input_tokens: 71, output_tokens: 9 },
    },
  };
  assert.deepEqual(whole(JSON.stringify(cohere)), of(71, 9));
});

test('those that mix the shapes, or count reasoning beside the answer', () => {
  const litellm = {
    usage: {
      prompt_tokens: 402,
      completion_tokens: 50,
      total_tokens: 452,
      prompt_tokens_details: null,
      cache_creation_input_tokens: 100,
      cache_read_input_tokens: 300,
    },
  };
  const cache = { cached: 300, cacheWrite: 100 };
  assert.deepEqual(whole(JSON.stringify(litellm)), of(402, 50, cache));
  const nulls = { usage: { input_tokens: 7, output_tokens: 2, cache_read_input_tokens: null } };
  assert.deepEqual(whole(JSON.stringify(nulls)), of(7, 2));
  const xai = {
    usage: {
      prompt_tokens: 32,
      completion_tokens: 9,
      total_tokens: 135,
      completion_tokens_details: { reasoning_tokens: 94 },
    },
  };
  assert.deepEqual(whole(JSON.stringify(xai)), of(32, 103, { reasoning: 94 }));
  const openrouter = {
    usage: {
      prompt_tokens: 14,
      completion_tokens: 163,
      total_tokens: 177,
      cost: 0.00014,
      is_byok: false,
      prompt_tokens_details: { cached_tokens: 2 },
      completion_tokens_details: { reasoning_tokens: 120, image_tokens: 0 },
    },
  };
  assert.deepEqual(whole(JSON.stringify(openrouter)), of(14, 163, { cached: 2, reasoning: 120 }));
  const images = {
    data: [{ b64_json: 'AAAA' }],
    usage: {
      total_tokens: 100,
      input_tokens: 50,
      output_tokens: 50,
      input_tokens_details: { text_tokens: 10, image_tokens: 40 },
    },
  };
  assert.deepEqual(whole(JSON.stringify(images)), of(50, 50));
});

test('streams: the last numbers count, and what only the first event says', () => {
  const last = { choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } };
  const openai = sse({ choices: [{}], usage: null }, last);
  assert.deepEqual(whole(`${openai}data: [DONE]\n\n`), of(3, 4));
  assert.equal(whole(`${sse({ choices: [{}] })}data: [DONE]\n\n`), undefined);
  const start = {
    type: 'message_start',
    message: {
      usage: { input_tokens: 25, cache_read_input_tokens: 75, output_tokens: 1 },
    },
  };
  const delta = { type: 'message_delta', delta: {}, usage: { output_tokens: 15 } };
  const head = sse(start);
  const tail = sse(delta, { type: 'message_stop' });
  assert.deepEqual(tokenUsage(head, tail), of(100, 15, { cached: 75 }));
  const short = head + tail;
  assert.deepEqual(whole(short), of(100, 15, { cached: 75 }));
  const spread = 'data: {"usage":{"prompt_tokens":31\ndata: ,"completion_tokens":4}}\n\n';
  assert.deepEqual(whole(spread), of(31, 4));
  const gemini = `[${JSON.stringify({ usageMetadata: { promptTokenCount: 5, totalTokenCount: 5 } })},\n${JSON.stringify({ usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 9, totalTokenCount: 14 } })}]`;
  assert.deepEqual(whole(gemini), of(5, 9));
});

test('what names nothing, or is cut off, is unknown and never 0', () => {
  for (const text of [
    '',
    '{"id":"x"}',
    '{"usage":null}',
    '{"usage":{"prompt_tok',
    '{"usage":"none"}',
    '{"usage":{}}',
    '{"usage":{"seconds":3}}',
    '{"usage":{"prompt_tokens":null,"completion_tokens":null,"total_tokens":null}}',
    '{"metadata":{"usage":{"kind":"x"}}}',
  ]) {
    assert.equal(whole(text), undefined, text);
  }
});

test('a number that no request can have used is none', () => {
  const absurd = { usage: { prompt_tokens: Number.MAX_SAFE_INTEGER, completion_tokens: 3 } };
  assert.deepEqual(whole(JSON.stringify(absurd)), of(0, 3));
});

test('any bytes are read without a fault, and numbers are counts', () => {
  const piece = fc.constantFrom(
    '"usage"',
    ':',
    '{',
    '}',
    '"prompt_tokens"',
    '1',
    '-1',
    '1e99',
    ',',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string())), (parts) => {
      const found = whole(parts.join(''));
      for (const value of Object.values(found ?? {})) assert.ok(Number.isSafeInteger(value));
    }),
    { numRuns: 2_000 },
  );
});

test('of objects within each other the inner one counts, whatever stands behind', () => {
  const nested = '"usage":{"prompt_tokens":9,"total":{"usage":{"prompt_tokens":3}}}';
  for (const behind of ['', ',"object":"usage"', ',"usage":null']) {
    assert.equal(whole(`{${nested}${behind}}`)?.input, 3, behind);
  }
});

test('of a long text the end counts', () => {
  const long = `{"choices":"${'x'.repeat(40_000)}","usage":{"prompt_tokens":5}}`;
  assert.equal(tokenUsage(long.slice(0, 4_096), long)?.input, 5);
});
