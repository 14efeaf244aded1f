// The forms in which keys are checked, and what answers make of a key.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkReasonText,
  completionRequest,
  listRequest,
  resultOfAnswer,
} from '../../../src/cli/validate/key-check.ts';
import { UpstreamList } from '../../../src/pool/upstreams/upstream-list.ts';

const KEY = 'sk-check-0123456789';

function upstreamAt(url: string) {
  return new UpstreamList(UpstreamList.create([url])).get(0);
}

/** Base URL; path of the list (null: no proof of a key); path of one token; where the key goes. */
const FORMS: [string, string | null, string, string][] = [
  ['https://api.openai.com', '/v1/models', '/v1/chat/completions', 'Authorization'],
  ['https://api.openai.com/v1', '/v1/models', '/v1/chat/completions', 'Authorization'],
  ['http://127.0.0.1:9/relay', '/relay/v1/models', '/relay/v1/chat/completions', 'Authorization'],
  [
    'https://open.bigmodel.cn/api/paas/v4',
    '/api/paas/v4/models',
    '/api/paas/v4/chat/completions',
    'Authorization',
  ],
  ['https://api.anthropic.com', '/v1/models?limit=1', '/v1/messages', 'x-api-key'],
  ['https://api.anthropic.com/v1', '/v1/models?limit=1', '/v1/messages', 'x-api-key'],
  [
    'https://generativelanguage.googleapis.com',
    '/v1beta/models?pageSize=1',
    '/v1beta/models/m:generateContent',
    'x-goog-api-key',
  ],
  [
    'https://generativelanguage.googleapis.com/v1beta/openai',
    '/v1beta/openai/models',
    '/v1beta/openai/chat/completions',
    'Authorization',
  ],
  [
    'https://res.openai.azure.com',
    '/openai/models?api-version=2024-10-21',
    '/openai/deployments/m/chat/completions?api-version=2024-10-21',
    'api-key',
  ],
  [
    'https://res.openai.azure.com/openai/deployments/own',
    '/openai/models?api-version=2024-10-21',
    '/openai/deployments/own/chat/completions?api-version=2024-10-21',
    'api-key',
  ],
  [
    'https://res.openai.azure.com/openai/v1',
    '/openai/v1/models',
    '/openai/v1/chat/completions',
    'api-key',
  ],
  ['https://openrouter.ai/api/v1', '/api/v1/key', '/api/v1/chat/completions', 'Authorization'],
  [
    'https://api.groq.com/openai',
    '/openai/v1/models',
    '/openai/v1/chat/completions',
    'Authorization',
  ],
  ['https://api.perplexity.ai', null, '/chat/completions', 'Authorization'],
];

for (const [base, list, completion, field] of FORMS) {
  test(`a key of ${base} is checked in its provider's own form`, () => {
    const upstream = upstreamAt(base);
    assert.equal(listRequest(upstream, KEY)?.path ?? null, list);
    const request = completionRequest(upstream, KEY, 'm');
    assert.equal(request.path, completion);
    const at = request.fields.findIndex((text) => text.includes(KEY));
    assert.equal(request.fields[at - 1], field);
    assert.equal(request.fields.filter((text) => text.includes(KEY)).length, 1);
    assert.match(
      String(request.body),
      /"max_tokens":1|"max_completion_tokens":1|"maxOutputTokens":1/,
    );
    assert.ok(!request.path.includes(KEY));
  });
}

const HEADERS = ['content-type', 'application/json'];

/** Host, status, body, what the key then is. */
const ANSWERS: [string, number, string, string][] = [
  ['api.openai.com', 200, '{"data":[]}', 'valid'],
  ['api.openai.com', 401, '{"error":{"code":"invalid_api_key"}}', 'dead'],
  ['api.openai.com', 429, '{"error":{"code":"insufficient_quota"}}', 'dead'],
  ['api.openai.com', 429, '{"error":{"code":"rate_limit_exceeded"}}', 'resting'],
  [
    'api.openai.com',
    403,
    '{"error":{"message":"Project `p` does not have access to model `m`"}}',
    'no_access',
  ],
  [
    'api.openai.com',
    400,
    '{"error":{"message":"Could not finish the message because max_tokens or model output limit was reached."}}',
    'valid',
  ],
  ['api.openai.com', 400, '{"error":{"message":"what?"}}', 'unchecked'],
  ['api.openai.com', 503, '', 'unchecked'],
  ['api.openai.com', 502, '<html>bad gateway</html>', 'unchecked'],
  ['relay.example', 200, '\n<!doctype html><title>Dashboard</title>', 'unchecked'],
  [
    'generativelanguage.googleapis.com',
    400,
    '{"error":{"code":400,"status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}',
    'dead',
  ],
];

for (const [host, status, text, kind] of ANSWERS) {
  test(`${status} ${text.slice(0, 50).trim()} at ${host} makes a key ${kind}`, () => {
    const result = resultOfAnswer({ status, rawHeaders: HEADERS, text, inStream: false }, host, 0);
    assert.equal(result.kind, kind, result.reason);
    assert.match(checkReasonText(result.reason), /^[A-Z].*[.?]$/);
  });
}

test('a resting key is told until when', () => {
  const answer = { status: 429, rawHeaders: ['Retry-After', '20'], text: '{}', inStream: false };
  const { kind, untilMs } = resultOfAnswer(answer, 'api.openai.com', 1_000);
  assert.deepEqual([kind, untilMs], ['resting', 21_000]);
});
