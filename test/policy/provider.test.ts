// Hosts and their providers, where a key goes, and that every reason has an id and a sentence.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { credentialStyle, type Provider, providerOf } from '../../src/policy/provider.ts';
import { REASONS, reasonText } from '../../src/policy/reason.ts';

const HOSTS: readonly (readonly [string, Provider])[] = [
  ['api.openai.com', 'openai'],
  ['eu.api.openai.com', 'openai'],
  ['API.OpenAI.com.', 'openai'],
  ['api.openai.com:443', 'openai'],
  ['my-res.openai.azure.com', 'azure'],
  ['my-res.services.ai.azure.com', 'azure'],
  ['my-res.cognitiveservices.azure.com', 'azure'],
  ['eastus.api.cognitive.microsoft.com', 'azure'],
  ['api.anthropic.com', 'anthropic'],
  ['generativelanguage.googleapis.com', 'gemini'],
  ['us-central1-aiplatform.googleapis.com', 'vertex'],
  ['aiplatform.googleapis.com', 'vertex'],
  ['openrouter.ai', 'openrouter'],
  ['api.deepseek.com', 'deepseek'],
  ['api.groq.com', 'groq'],
  ['api.mistral.ai', 'mistral'],
  ['codestral.mistral.ai', 'mistral'],
  ['api.x.ai', 'xai'],
  ['api.together.xyz', 'together'],
  ['api.fireworks.ai', 'fireworks'],
  ['api.cohere.ai', 'cohere'],
  ['api.cohere.com', 'cohere'],
  ['api.perplexity.ai', 'perplexity'],
  ['api.cerebras.ai', 'cerebras'],
  ['api.cloudflare.com', 'cloudflare'],
  ['gateway.ai.cloudflare.com', 'cloudflare'],
  ['api.siliconflow.cn', 'siliconflow'],
  ['api.moonshot.cn', 'moonshot'],
  ['api.moonshot.ai', 'moonshot'],
  ['open.bigmodel.cn', 'zhipu'],
  ['api.z.ai', 'zhipu'],
  ['dashscope.aliyuncs.com', 'dashscope'],
  ['dashscope-intl.aliyuncs.com', 'dashscope'],
  ['dashscope-us.aliyuncs.com', 'dashscope'],
  ['ark.cn-beijing.volces.com', 'ark'],
  ['api.sensenova.cn', 'sensenova'],
  ['bedrock-runtime.us-east-1.amazonaws.com', 'bedrock'],
  ['bedrock-runtime-fips.us-east-1.amazonaws.com', 'bedrock'],
  ['router.huggingface.co', 'huggingface'],
  ['openai.com.evil.example', 'other'],
  ['notopenai.com', 'other'],
  ['oss-cn.aliyuncs.com', 'other'],
  ['s3.us-east-1.amazonaws.com', 'other'],
  ['storage.googleapis.com', 'other'],
  ['localhost', 'other'],
  ['127.0.0.1:8080', 'other'],
  ['[::1]:8080', 'other'],
  ['', 'other'],
];

describe('providerOf', () => {
  for (const [host, provider] of HOSTS) {
    test(`${host || 'an empty host'} is ${provider}`, () =>
      assert.equal(providerOf(host), provider));
  }
});

test('a key goes where its provider takes it', () => {
  assert.equal(credentialStyle('anthropic'), 'x-api-key');
  assert.equal(credentialStyle('azure'), 'api-key');
  assert.equal(credentialStyle('gemini'), 'x-goog-api-key');
  for (const provider of ['openai', 'vertex', 'bedrock', 'other'] as const) {
    assert.equal(credentialStyle(provider), 'bearer');
  }
});

test('reasons are ids that fit into a byte, start with none, and have a sentence', () => {
  assert.equal(REASONS[0], 'none');
  assert.ok(REASONS.length <= 256);
  for (const reason of REASONS) {
    assert.match(reason, /^[a-z_]+$/);
    assert.match(reasonText(reason), /^[A-Z].*\.$/);
  }
});
