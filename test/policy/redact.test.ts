// Credentials leave every text: by their look and by their value, in every form, and in linear
// time.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { previewKey, redact, redactExact } from '../../src/policy/redact.ts';
import { bestOfThree } from '../support/best-of-three.ts';

describe('previewKey', () => {
  test('shows four characters at either end of a key of 13 and more', () => {
    assert.equal(previewKey('sk-abcdefghijklmnop1234'), 'sk-a...1234');
    assert.equal(previewKey('abcdefghijklm'), 'abcd...jklm');
  });
  test('shows nothing of a key of 12 or fewer', () => {
    assert.equal(previewKey('abcdefghijkl'), '****');
    assert.equal(previewKey(''), '****');
  });
});

const TAIL = 'Zq7Rw2Xy9Lm4Kp6Tn8Vb3Hc5';
const KEYS: Record<string, string> = {
  OpenAI: `sk-proj-${TAIL}_-${TAIL}`,
  'old OpenAI': `sk-${TAIL}`,
  Anthropic: `sk-ant-api03-${TAIL}-AA`,
  OpenRouter: `sk-or-v1-${TAIL.toLowerCase()}`,
  Gemini: `AIzaSy${TAIL}`,
  'new Gemini': `AQ.Ab8${TAIL}`,
  'Google OAuth': `ya29.${TAIL}`,
  Groq: `gsk_${TAIL}`,
  xAI: `xai-${TAIL}`,
  'Hugging Face': `hf_${TAIL}`,
  Perplexity: `pplx-${TAIL}`,
  NVIDIA: `nvapi-${TAIL}`,
  Fireworks: `fw_${TAIL}`,
  Cerebras: `csk-${TAIL.toLowerCase()}`,
  'Bedrock API key': `ABSKQmVkcm9ja0FQSUtle${TAIL}`,
  'Moonshot access key': `ak-${TAIL.toLowerCase()}`,
  Zhipu: `0123456789abcdef0123456789abcdef.${TAIL.slice(0, 16)}`,
  'a JSON Web Token': `eyJhbGciOiJIUzI1NiJ9.eyJ${TAIL}.${TAIL}`,
};

const CONTEXTS: readonly ((key: string) => string)[] = [
  (key) => key,
  (key) => `Incorrect API key provided: ${key}. You can find`,
  (key) => `Consumer 'api_key:${key}' has been suspended`,
  (key) => `{"key":"${key}"}`,
  (key) => `GET /v1beta/models?key=${key}&alt=sse`,
  (key) => `Authorization: Bearer ${key}`,
  (key) => `<${key}>`,
  (key) => `/echo?header=Bearer%20${key}`,
  (key) => `${key}\n${key}`,
];

describe('redact', () => {
  for (const [owner, key] of Object.entries(KEYS)) {
    test(`masks a key of ${owner} wherever it stands`, () => {
      for (const context of CONTEXTS) {
        const text = redact(context(key));
        assert.ok(!text.includes(key), text);
        assert.ok(!text.includes(TAIL.slice(4, 16)), text);
      }
    });
  }

  const unknown = 'plainlookingsecret0042';
  const places = [
    `x-api-key: ${unknown}`,
    `api-key:${unknown}`,
    `"x-goog-api-key": "${unknown}"`,
    `{\\"api_key\\":\\"${unknown}\\"}`,
    `authorization: Basic ${unknown}`,
    `Bearer ${unknown}`,
    `Cookie: session=${unknown}`,
    `cookie: theme=dark; session=${unknown}; a=b`,
    `http://user:p@ss${unknown}@proxy.example:3128/`,
    `/v1/models?a=b&key=${unknown}`,
    `/v1/models?api_key=${unknown}#top`,
    `wss://host/?token=${unknown}`,
    `http://user:${unknown}@proxy.example:3128/`,
    `socks5://${unknown}@proxy.example`,
  ];
  for (const place of places) {
    test(`masks what only its place gives away: ${place.replace(unknown, '…')}`, () => {
      assert.ok(!redact(place).includes(unknown), redact(place));
    });
  }

  test('leaves ordinary text alone', () => {
    const lines = [
      'upstream https://api.openai.com/v1 answered 429 in 312 ms, req_011CSHoEeqs5C35K2UUqR7Fy',
      'Rate limit reached for gpt-4o in organization on tokens per min (TPM): Limit 30000',
      'task-force risk-averse disk-full monkey=banana',
      'authorization is missing',
      '2026-08-15T10:00:00Z GET /v1/chat/completions?model=gpt-4o 200',
      'sk-a...1234',
    ];
    for (const line of lines) assert.equal(redact(line), line);
  });

  test('redacts what it has redacted no further', () => {
    const text = CONTEXTS.map((context) => context(KEYS.OpenAI ?? '')).join('\n');
    const once = redact(text);
    assert.equal(redact(once), once);
  });

  test('takes no more than linear time on hostile text', async () => {
    const units = [
      'a://',
      'sk-',
      'key=',
      '?key=',
      'Bearer ',
      'authorization: ',
      'eyJ',
      '-eyJ-',
      '.eyJ01234567',
      '0',
      'a:@',
      '.',
      '-',
      ' ',
    ];
    for (const unit of units) {
      const text = unit.repeat(200_000 / unit.length);
      await bestOfThree(() => {
        const startedAt = performance.now();
        redact(text);
        const elapsedMs = performance.now() - startedAt;
        return elapsedMs < 400 ? undefined : `${unit}: ${elapsedMs} ms`;
      });
    }
  });
});

describe('redactExact', () => {
  test('replaces each secret as it is, URL-encoded and JSON-escaped', () => {
    const secret = 'a/b+c"d\\e f&0123456789';
    const json = JSON.stringify({ secret });
    const text = `${secret} ${encodeURIComponent(secret)} ${json}`;
    const preview = previewKey(secret);
    assert.equal(redactExact(text, [secret]), `${preview} ${preview} {"secret":"${preview}"}`);
  });

  test('replaces a secret that contains another one whole', () => {
    assert.equal(
      redactExact('key-long-version-1', ['key-long', 'key-long-version-1']),
      'key-...on-1',
    );
  });

  test('no text contains a secret afterwards, whatever both are', () => {
    const secret = fc.string({ minLength: 13, maxLength: 60 });
    const pieces = fc.array(fc.oneof(fc.string(), fc.constant(null)), { maxLength: 8 });
    fc.assert(
      fc.property(secret, pieces, (key, parts) => {
        const text = parts.map((part) => part ?? ` ${key} `).join('\n');
        assert.ok(!redactExact(text, [key]).includes(key));
      }),
      { numRuns: 300 },
    );
  });
});
