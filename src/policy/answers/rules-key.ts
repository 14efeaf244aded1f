// Rules about dead keys: invalid, leaked, expired, suspended, or without money. Sources: the error
// pages of OpenAI, Anthropic, Gemini, xAI, Groq, Fireworks, Moonshot, DashScope, Ark, Zhipu,
// Workers AI and AWS.

import type { Rule } from './rule.ts';

export const DEAD_KEY: readonly Rule[] = [
  {
    verdict: 'key_dead',
    reason: 'billing',
    codes: [
      'credit_balance_exhausted',
      'billing_not_active',
      'billing_error',
      'billing_disabled',
      'exceeded_current_quota_error',
      'arrearage',
      '*billoverdue',
      'commoditynotpurchased',
      'accountoverdueerror',
      'operationdenied.serviceoverdue',
      'insufficient_user_quota',
      'pre_consume_token_quota_failed',
    ],
    numbers: { zhipu: [1113] },
    says: [
      'credit balance is too low',
      'insufficient balance',
      'insufficient credits',
      "don't have any credits",
      "doesn't have any credits",
      'account balance is insufficient',
      'prepayment credits are depleted',
      'your account has an overdue balance',
      '余额不足',
    ],
  },
  {
    verdict: 'key_dead',
    reason: 'plan_expired',
    numbers: { zhipu: [1309] },
    says: ['套餐已到期'],
  },
  {
    verdict: 'key_dead',
    reason: 'account_disabled',
    codes: [
      'consumer_suspended',
      'account_deactivated',
      'organization_deactivated',
      'organization_restricted',
    ],
    numbers: { zhipu: [1110, 1111, 1112], cloudflare: [3023] },
    says: [
      'organization has been disabled',
      'organization has been restricted',
      'account has been suspended',
      'account has been deactivated',
      'consumer … has been suspended',
      'api key has been suspended',
      'project has been suspended',
      'resource has been temporarily blocked',
    ],
  },
  { verdict: 'key_dead', reason: 'key_leaked', says: ['reported as leaked'] },
  { verdict: 'key_dead', reason: 'key_expired', codes: ['expiredtoken', 'api_key_expired'] },
  {
    verdict: 'key_dead',
    reason: 'credential_refused',
    says: ['oauth authentication is currently not allowed'],
  },
  {
    verdict: 'key_dead',
    reason: 'invalid_key',
    codes: [
      'invalid_api_key',
      'invalidapikey',
      'wrong_api_key',
      'api_key_invalid',
      'invalid_authentication_error',
      'unrecognizedclient',
      'invalidclienttokenid',
    ],
    numbers: { zhipu: [1000, 1001, 1002, 1003, 1004], cloudflare: [10000, 10001] },
    says: [
      'incorrect api key provided',
      'invalid api key provided',
      'api key not valid',
      'api key not found',
      'api key expired',
      'verify you have the correct api key',
      'verify that you have the correct api key',
      'unable to authenticate request',
      // Baseten's 403.
      'check the api-key you provided',
    ],
  },
];
