// Which provider stands behind a host name, and which header its keys travel in.
// Hosts are data, compiled once. What a provider's answers mean is in rules.ts.

/** Providers with a rule of their own somewhere; every other host, relays included, is 'other'. */
export type Provider =
  | 'openai'
  | 'azure'
  | 'anthropic'
  | 'gemini'
  | 'vertex'
  | 'openrouter'
  | 'deepseek'
  | 'groq'
  | 'mistral'
  | 'xai'
  | 'together'
  | 'fireworks'
  | 'cohere'
  | 'perplexity'
  | 'cerebras'
  | 'cloudflare'
  | 'siliconflow'
  | 'moonshot'
  | 'zhipu'
  | 'dashscope'
  | 'ark'
  | 'sensenova'
  | 'bedrock'
  | 'huggingface'
  | 'other';

/** The one place a credential is put in when the client sent none. */
export type CredentialStyle = 'bearer' | 'x-api-key' | 'api-key' | 'x-goog-api-key';

/** A provider's own domains: each covers itself and every host below it. */
const DOMAINS: readonly (readonly [string, Provider])[] = [
  ['openai.com', 'openai'],
  ['openai.azure.com', 'azure'],
  ['openai.azure.us', 'azure'],
  ['openai.azure.cn', 'azure'],
  ['services.ai.azure.com', 'azure'],
  ['services.ai.azure.us', 'azure'],
  ['cognitiveservices.azure.com', 'azure'],
  ['cognitiveservices.azure.us', 'azure'],
  ['cognitiveservices.azure.cn', 'azure'],
  ['api.cognitive.microsoft.com', 'azure'],
  ['models.ai.azure.com', 'azure'],
  ['inference.ml.azure.com', 'azure'],
  ['anthropic.com', 'anthropic'],
  ['claude.ai', 'anthropic'],
  ['claude.com', 'anthropic'],
  ['generativelanguage.googleapis.com', 'gemini'],
  ['cloudcode-pa.googleapis.com', 'gemini'],
  ['aiplatform.googleapis.com', 'vertex'],
  ['openrouter.ai', 'openrouter'],
  ['deepseek.com', 'deepseek'],
  ['groq.com', 'groq'],
  ['mistral.ai', 'mistral'],
  ['x.ai', 'xai'],
  ['together.xyz', 'together'],
  ['together.ai', 'together'],
  ['fireworks.ai', 'fireworks'],
  ['cohere.ai', 'cohere'],
  ['cohere.com', 'cohere'],
  ['perplexity.ai', 'perplexity'],
  ['cerebras.ai', 'cerebras'],
  ['api.cloudflare.com', 'cloudflare'],
  ['ai.cloudflare.com', 'cloudflare'],
  ['siliconflow.cn', 'siliconflow'],
  ['siliconflow.com', 'siliconflow'],
  ['moonshot.cn', 'moonshot'],
  ['moonshot.ai', 'moonshot'],
  ['kimi.com', 'moonshot'],
  ['bigmodel.cn', 'zhipu'],
  ['z.ai', 'zhipu'],
  ['sensenova.cn', 'sensenova'],
  ['sensenova.dev', 'sensenova'],
  ['huggingface.co', 'huggingface'],
];

/** Hosts whose provider shows in a label rather than in the registered domain. */
const PATTERNS: readonly (readonly [RegExp, Provider])[] = [
  [/^[a-z0-9-]{1,40}-aiplatform\.googleapis\.com$/, 'vertex'],
  [/^dashscope(?:-[a-z0-9-]{1,40})?\.aliyuncs\.com$/, 'dashscope'],
  [/(?:^|\.)dashscope[a-z0-9-]{0,40}\.aliyuncs\.com$/, 'dashscope'],
  [/\.maas\.aliyuncs\.com$/, 'dashscope'],
  [/^ark\.[a-z0-9-]{1,40}\.(?:volces|volcengineapi|bytepluses)\.com$/, 'ark'],
  [
    /^(?:[a-z0-9-]{1,63}\.)?bedrock[a-z0-9-]{0,40}\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?$/,
    'bedrock',
  ],
  [/^bedrock[a-z0-9-]{0,40}\.[a-z0-9-]{1,40}\.(?:api\.aws|vpce\.amazonaws\.com)$/, 'bedrock'],
];

const PROVIDER_BY_DOMAIN: ReadonlyMap<string, Provider> = new Map(DOMAINS);

/** The provider of a host name. A port, brackets, letter case and a trailing dot do not matter. */
export function providerOf(host: string): Provider {
  const name = host
    .toLowerCase()
    .replace(/:\d{1,5}$/, '')
    .replace(/\.$/, '');
  let domain = name;
  while (domain !== '') {
    const provider = PROVIDER_BY_DOMAIN.get(domain);
    if (provider !== undefined) return provider;
    const dot = domain.indexOf('.');
    domain = dot < 0 ? '' : domain.slice(dot + 1);
  }
  return PATTERNS.find(([pattern]) => pattern.test(name))?.[1] ?? 'other';
}

/**
 * Where a provider's key belongs: docs of Anthropic, Azure OpenAI and Gemini; Bearer everywhere
 * else.
 */
export function credentialStyle(provider: Provider): CredentialStyle {
  if (provider === 'anthropic') return 'x-api-key';
  if (provider === 'azure') return 'api-key';
  if (provider === 'gemini') return 'x-goog-api-key';
  return 'bearer';
}
