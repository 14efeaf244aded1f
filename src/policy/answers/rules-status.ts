// What is left once no code and no wording has decided: errors inside a stream, and the bare
// status.

import type { Rule } from './rule.ts';

const RATE_CODES = [
  'rate_limit*',
  'ratelimit*',
  'throttling*',
  'too_many_requests',
  'resource_exhausted',
  'slow_down',
];

export const IN_STREAM: readonly Rule[] = [
  {
    verdict: 'key_cooldown',
    reason: 'rate_limited',
    status: ['stream'],
    codes: RATE_CODES,
    numbers: { other: [429], gemini: [429], vertex: [429], openrouter: [429] },
    says: ['please wait before trying again', 'rate limit reached for'],
  },
  // Azure refuses streamed Responses with a Retry-After on the 200.
  { verdict: 'key_cooldown', reason: 'rate_limited', status: ['stream'], sign: 'retry_after' },
  {
    verdict: 'key_dead',
    reason: 'unauthorized',
    status: ['stream'],
    codes: ['authentication_error'],
  },
  {
    // Before the next one: DeepSeek's code is invalid_request_error whatever happened.
    verdict: 'upstream_fault',
    reason: 'stream_error',
    status: ['stream'],
    codes: ['server_error', 'api_error', 'service_unavailable_error', 'internal_server_error'],
  },
  {
    verdict: 'client_fault',
    reason: 'bad_request',
    status: ['stream'],
    codes: ['invalid_request_error', 'invalid_argument', 'validation'],
    numbers: { other: [400, 422], gemini: [400], vertex: [400], openrouter: [400] },
  },
  { verdict: 'upstream_fault', reason: 'stream_error', status: ['stream'] },
];

export const BY_STATUS: readonly Rule[] = [
  // OpenRouter: a 402 with Retry-After is a wait, one without is not.
  {
    verdict: 'key_cooldown',
    reason: 'spend_limit',
    status: [402],
    sign: 'retry_after',
    account: true,
  },
  {
    // Recorded from OpenAI: a live key without the scope for this endpoint.
    verdict: 'model_access',
    reason: 'permission_denied',
    status: [401],
    sign: 'authenticated',
  },
  { verdict: 'key_dead', reason: 'unauthorized', status: [401] },
  { verdict: 'key_dead', reason: 'payment_required', status: [402] },
  // An unexplained 403 (WAF, region, moderation, scope) never retires a key.
  { verdict: 'model_access', reason: 'forbidden', status: [403] },
  {
    verdict: 'key_cooldown',
    reason: 'usage_window',
    status: [429],
    numbers: { zhipu: [1308, 1310] },
    says: ['organization has exceeded its usage limit', "exceed your account's rate limit"],
    sign: 'window_rejected',
    account: true,
  },
  {
    verdict: 'key_cooldown',
    reason: 'daily_quota',
    status: [429],
    numbers: { cloudflare: [3036] },
    says: ['daily free allocation', 'organization tpd rate limit'],
    account: true,
    resets: 'day',
  },
  {
    verdict: 'key_cooldown',
    reason: 'daily_quota',
    status: [429],
    codes: ['openrouter_free_tier_daily'],
    says: ['free-models-per-day'],
    resets: 'day',
  },
  {
    verdict: 'key_cooldown',
    reason: 'daily_quota',
    status: [429],
    says: ['tokens per day', 'requests per day'],
    sign: 'quota_per_day',
  },
  {
    verdict: 'key_cooldown',
    reason: 'monthly_quota',
    status: [429],
    says: ['calls / month', 'tokens per month'],
    account: true,
    resets: 'month',
  },
  {
    // Moonshot and Cohere limit the organization, whatever the model.
    verdict: 'key_cooldown',
    reason: 'rate_limited',
    status: [429],
    codes: ['accountratelimitexceeded'],
    says: ['request reached organization', 'trial key, which is limited to'],
    account: true,
  },
  { verdict: 'key_cooldown', reason: 'rate_limited', status: [429] },
  // Bedrock: AWS services also throttle with 400.
  {
    verdict: 'key_cooldown',
    reason: 'rate_limited',
    host: ['bedrock'],
    codes: ['throttling', 'servicequotaexceeded'],
  },
  { verdict: 'upstream_fault', reason: 'target_unavailable', status: [408, 424, 425, 498, 499] },
  { verdict: 'client_fault', reason: 'not_found', status: [404] },
  { verdict: 'client_fault', reason: 'bad_request' },
];
