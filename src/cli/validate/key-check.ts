// What to ask a provider to learn whether a key works, and what its answer says about the key.
// Sending is up to check-runner.ts. The judgement itself is the proxy's own classifier, so that
// both always agree.

import { classify } from '../../policy/answers/classify.ts';
import { pushCredential } from '../../policy/headers.ts';
import { type CredentialStyle, credentialStyle, type Provider } from '../../policy/provider.ts';
import { type Reason, reasonText } from '../../policy/reason.ts';
import type { AnswerView, Verdict } from '../../policy/verdict.ts';
import type { Upstream } from '../../pool/upstreams/upstream-list.ts';

/** The five things that a check can come to. */
export const RESULT_KINDS = ['valid', 'resting', 'dead', 'no_access', 'unchecked'] as const;
export type ResultKind = (typeof RESULT_KINDS)[number];

/** What is known about a key after its check. */
export interface CheckResult {
  readonly kind: ResultKind;
  readonly reason: CheckReason;
  /**
   * Resting: Unix time in milliseconds at which the key is back; null: the upstream did not say.
   */
  readonly untilMs: number | null;
}

/** Reasons of the classifier, and those that only a check has. */
export type CheckReason = Reason | keyof typeof OWN_REASONS;

const OWN_REASONS = {
  web_page: 'A web page came back instead of an API answer; is the base URL right?',
  no_question: 'This provider has no request that proves a key without a model; pass --model.',
  upstream_down: 'Not checked: its upstream has stopped answering.',
  interrupted: 'Not checked: the run was interrupted.',
} as const;

/** One short English sentence for people. */
export function checkReasonText(reason: CheckReason): string {
  return isOwn(reason) ? OWN_REASONS[reason] : reasonText(reason);
}

function isOwn(reason: CheckReason): reason is keyof typeof OWN_REASONS {
  return Object.hasOwn(OWN_REASONS, reason);
}

/** One HTTP request that proves or disproves a key. */
export interface CheckRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly fields: readonly string[];
  readonly body: Buffer | undefined;
}

/** A version segment at the end of a base path: `/v1`, `/v1beta`, `/api/paas/v4`. */
const VERSION = /\/v\d[^/]*$/;
/** learn.microsoft.com/azure/ai-services/openai/reference: the GA data plane of 2024-10-21. */
const AZURE_API_VERSION = '2024-10-21';
const AZURE_DEPLOYMENT = /\/openai\/deployments\/[^/]+$/;
/** docs.anthropic.com/en/api/versioning: mandatory. */
const ANTHROPIC_VERSION = '2023-06-01';

/**
 * Model lists that are public, absent, or not where the others have them; null: none proves a key.
 */
const LISTS: Readonly<Partial<Record<Provider, (base: string) => string | null>>> = {
  anthropic: (base) => `${root(base)}/v1/models?limit=1`,
  azure: (base) =>
    VERSION.test(base) ? `${base}/models` : `/openai/models?api-version=${AZURE_API_VERSION}`,
  bedrock: () => null,
  cloudflare: (base) => `${root(base)}/models/search?per_page=1`,
  cohere: () => '/v1/models?page_size=1',
  gemini: (base) => (isOpenai(base) ? `${base}/models` : `${root(base)}/v1beta/models?pageSize=1`),
  huggingface: () => null, // public
  openrouter: (base) => `${versioned(base)}/key`, // the model list is public
  perplexity: () => null,
  vertex: () => null,
};

/**
 * Asks for the model list: costs nothing, and no model has to be known. Null: name a model instead.
 */
export function listRequest(upstream: Upstream, key: string): CheckRequest | null {
  const { provider, basePath } = upstream;
  const path = (LISTS[provider] ?? ((base) => `${versioned(base)}/models`))(basePath);
  if (path === null) return null;
  return { method: 'GET', path, fields: fieldsFor(upstream, key), body: undefined };
}

/** Asks the model for one token: also proves that the key may use it, and has money left. */
export function completionRequest(upstream: Upstream, key: string, model: string): CheckRequest {
  const { path, body } = completionOf(upstream, model);
  const fields = [...fieldsFor(upstream, key), 'Content-Type', 'application/json'];
  return { method: 'POST', path, fields, body: Buffer.from(JSON.stringify(body)) };
}

function completionOf({ provider, basePath: base }: Upstream, model: string) {
  const messages = [{ role: 'user', content: 'Hi' }];
  const chat = { model, messages, max_tokens: 1 };
  // Newer models of these two refuse max_tokens.
  const newerChat = { model, messages, max_completion_tokens: 1 };
  switch (provider) {
    case 'anthropic':
      return { path: `${root(base)}/v1/messages`, body: chat };
    case 'azure':
      return { path: azureChat(base, model), body: newerChat };
    case 'cohere':
      return { path: isOpenai(base) ? `${base}/chat/completions` : '/v2/chat', body: chat };
    case 'gemini': {
      if (isOpenai(base)) return { path: `${base}/chat/completions`, body: chat };
      const path = `${root(base)}/v1beta/models/${encodeURIComponent(model)}:generateContent`;
      const contents = [{ role: 'user', parts: [{ text: 'Hi' }] }];
      return { path, body: { contents, generationConfig: { maxOutputTokens: 1 } } };
    }
    case 'openai':
      return { path: `${versioned(base)}/chat/completions`, body: newerChat };
    case 'perplexity':
    case 'vertex':
      return { path: `${base}/chat/completions`, body: chat };
    default:
      return { path: `${versioned(base)}/chat/completions`, body: chat };
  }
}

function azureChat(base: string, model: string): string {
  if (VERSION.test(base)) return `${base}/chat/completions`;
  const deployment = AZURE_DEPLOYMENT.test(base)
    ? base
    : `/openai/deployments/${encodeURIComponent(model)}`;
  return `${deployment}/chat/completions?api-version=${AZURE_API_VERSION}`;
}

/** Provider APIs in OpenAI's form under a path of their own: Gemini's, Cohere's. */
function isOpenai(base: string): boolean {
  return /\/openai$|\/compatibility\/v1$/.test(base);
}

function root(base: string): string {
  return base.replace(VERSION, '');
}

function versioned(base: string): string {
  return VERSION.test(base) ? base : `${base}/v1`;
}

function fieldsFor({ provider, basePath, host }: Upstream, key: string): string[] {
  const fields = ['Host', host, 'Accept', 'application/json', 'User-Agent', 'gpt-load'];
  const style: CredentialStyle = isOpenai(basePath) ? 'bearer' : credentialStyle(provider);
  pushCredential(fields, style, key);
  if (provider === 'anthropic') fields.push('anthropic-version', ANTHROPIC_VERSION);
  return fields;
}

/**
 * One token is too few for a model that thinks first; by then key, money and access have been
 * checked.
 */
const TOO_FEW_TOKENS = /max_tokens or model output limit was reached/i;

/** What an answer to a check says about the key. */
export function resultOfAnswer(answer: AnswerView, host: string, nowMs: number): CheckResult {
  const verdict = classify(answer, { host, nowMs });
  if (verdict.kind === 'success') {
    return /^\s*</.test(answer.text) ? unchecked('web_page') : VALID;
  }
  if (verdict.kind === 'client_fault' && TOO_FEW_TOKENS.test(answer.text)) return VALID;
  return resultOfVerdict(verdict, nowMs);
}

const VALID: CheckResult = { kind: 'valid', reason: 'none', untilMs: null };

/** A key of which nothing was learned. */
export function unchecked(reason: CheckReason): CheckResult {
  return { kind: 'unchecked', reason, untilMs: null };
}

/** Only what is the key's own doing counts against it. */
export function resultOfVerdict(verdict: Verdict, nowMs: number): CheckResult {
  switch (verdict.kind) {
    case 'success':
      return VALID;
    case 'key_dead':
      return { kind: 'dead', reason: verdict.reason, untilMs: null };
    case 'key_cooldown': {
      const { reason, retryAfterMs } = verdict;
      return {
        kind: 'resting',
        reason,
        untilMs: retryAfterMs === null ? null : nowMs + retryAfterMs,
      };
    }
    case 'model_access':
      return { kind: 'no_access', reason: verdict.reason, untilMs: null };
    case 'upstream_fault':
    case 'client_fault':
    case 'excluded':
      return unchecked(verdict.reason);
  }
}
