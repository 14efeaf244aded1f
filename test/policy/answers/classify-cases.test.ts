// Real answers of real providers: each case of the fixture is one test.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { classify } from '../../../src/policy/answers/classify.ts';
import type { AnswerView } from '../../../src/policy/verdict.ts';

interface Case {
  id: string;
  provider: string;
  status: number;
  headers: Record<string, string>;
  body: string;
  verdict: string;
  retry_after_ms: number | null;
  resume_at?: string;
  body_encoding?: 'base64';
  in_stream?: boolean;
}

const HOSTS: Record<string, string> = {
  openai: 'api.openai.com',
  'azure-openai': 'my-resource.openai.azure.com',
  anthropic: 'api.anthropic.com',
  gemini: 'generativelanguage.googleapis.com',
  'gemini-cloudcode': 'cloudcode-pa.googleapis.com',
  'gemini-interactions': 'generativelanguage.googleapis.com',
  vertex: 'us-central1-aiplatform.googleapis.com',
  dashscope: 'dashscope.aliyuncs.com',
  openrouter: 'openrouter.ai',
  'cloudflare-workers-ai': 'api.cloudflare.com',
  mistral: 'api.mistral.ai',
  zhipu: 'open.bigmodel.cn',
  bedrock: 'bedrock-runtime.us-east-1.amazonaws.com',
  groq: 'api.groq.com',
  'volcengine-ark': 'ark.cn-beijing.volces.com',
  cohere: 'api.cohere.com',
  deepseek: 'api.deepseek.com',
  moonshot: 'api.moonshot.cn',
  siliconflow: 'api.siliconflow.cn',
  cerebras: 'api.cerebras.ai',
  fireworks: 'api.fireworks.ai',
  xai: 'api.x.ai',
  perplexity: 'api.perplexity.ai',
  together: 'api.together.xyz',
  huggingface: 'router.huggingface.co',
  sensenova: 'api.sensenova.cn',
};

const NOW_MS = Date.parse('2026-08-15T10:00:00Z');

const cases = JSON.parse(
  readFileSync(new URL('../../fixtures/provider-errors.json', import.meta.url), 'utf8'),
) as Case[];

function view(entry: Case): AnswerView {
  const text =
    entry.body_encoding === 'base64'
      ? gunzipSync(Buffer.from(entry.body, 'base64')).toString('utf8')
      : entry.body;
  return {
    status: entry.status,
    rawHeaders: Object.entries(entry.headers).flat(),
    text,
    inStream: entry.in_stream === true,
  };
}

describe('classify gives the recorded verdict', () => {
  for (const entry of cases) {
    test(entry.id, () => {
      const host = HOSTS[entry.provider] ?? 'relay.example';
      const verdict = classify(view(entry), { host, nowMs: NOW_MS });
      assert.equal(verdict.kind, entry.verdict, JSON.stringify(verdict));
      const waitMs = 'retryAfterMs' in verdict ? verdict.retryAfterMs : null;
      if (entry.retry_after_ms !== null) assert.equal(waitMs, entry.retry_after_ms);
      if (entry.resume_at !== undefined) {
        assert.equal(NOW_MS + (waitMs ?? 0), Date.parse(entry.resume_at));
      }
    });
  }
});
