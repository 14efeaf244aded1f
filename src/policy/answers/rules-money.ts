// Rules about caps, quotas that come back, and the one code that means money at one provider and
// tokens per minute at another. Sources: the error pages of OpenAI, Anthropic, OpenRouter,
// Together, Fireworks, Hugging Face, xAI and DashScope.

import type { Rule } from './rule.ts';

export const MONEY_AND_CAPS: readonly Rule[] = [
  {
    verdict: 'model_access',
    reason: 'model_allowance',
    codes: ['allocationquota.freetieronly'],
    says: ['free allocated quota exceeded'],
  },
  {
    // Fireworks' 412 names the monthly limit as one possible cause: before the caps.
    verdict: 'key_dead',
    reason: 'account_disabled',
    except: [404],
    says: ['account … is suspended', 'account is suspended'],
  },
  {
    verdict: 'key_cooldown',
    reason: 'budget_in_flight',
    codes: ['openrouter_in_flight_budget', 'in_flight_budget_exhausted'],
    account: true,
  },
  {
    // OpenRouter: the monthly limit of the key itself is used up.
    verdict: 'key_cooldown',
    reason: 'spend_limit',
    status: [402, 403],
    says: ['can only afford 0. … monthly limit', 'key limit exceeded (monthly limit)'],
    account: true,
    resets: 'month',
  },
  {
    verdict: 'key_cooldown',
    reason: 'spend_limit',
    status: [402, 403],
    says: ['key limit exceeded ('],
    account: true,
  },
  {
    // The balance is positive: smaller requests still pass.
    verdict: 'key_cooldown',
    reason: 'credits_low',
    status: [402, 403, 429],
    says: ['fewer max_tokens', 'more credits are required to run this request'],
  },
  {
    verdict: 'key_cooldown',
    reason: 'spend_limit',
    codes: [
      'organization_spend_limit_exceeded',
      'project_spend_limit_exceeded',
      'organization_usage_limit_exceeded',
      'enforced_spend_limit_reached',
      'billing_hard_limit_reached',
    ],
    says: [
      'reached your specified api usage limits',
      'reached your specified workspace api usage limits',
      'reached your api usage limits',
      'monthly included credits',
      'monthly spending limit',
      'monthly spend limit',
    ],
    account: true,
    resets: 'month',
  },
  {
    // The same code is money at OpenAI and tokens per minute here.
    verdict: 'key_cooldown',
    reason: 'rate_limited',
    host: ['dashscope', 'azure', 'sensenova'],
    codes: ['insufficient_quota'],
  },
  {
    verdict: 'key_cooldown',
    reason: 'rate_limited',
    status: [403, 429, 'stream'],
    says: ['allocated quota exceeded', 'exceeded your allocated quota'],
  },
  { verdict: 'key_dead', reason: 'billing', codes: ['insufficient_quota'] },
];
