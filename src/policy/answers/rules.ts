// What providers' answers mean, as data: first match wins, top to bottom; the order is the meaning.
// classify.ts applies it; nothing here runs. Machine-readable codes come first, then wording: whole
// phrases, never one word, because answers quote prompts, and because Gemini and DashScope write
// "quota" and "billing" about rates that recover within a minute. Sources: the error pages of each
// provider named, and recorded answers.

import type { Rule, StatusTest } from './rule.ts';

/**
 * Statuses at which an answer is about the credential or its limits and so does not quote the
 * request at length.
 */
const REFUSED: readonly StatusTest[] = [400, 401, 403, 404, 429, 'stream'];

const ACCESS_STATUSES: readonly StatusTest[] = [401, 403, 404, 429, 'stream'];

const RATE_CODES = [
  'rate_limit*',
  'ratelimit*',
  'throttling*',
  'too_many_requests',
  'resource_exhausted',
  'slow_down',
];

/** Every rule, in order. */
export const RULES: readonly Rule[] = [
  // The request, and edges on the way to the upstream.
  {
    // llama.cpp and vLLM call it a server error; trying elsewhere fails the same way.
    name: 'context_length_exceeded',
    verdict: 'client_fault',
    reason: 'context_length',
    except: [401, 402, 429],
    codes: ['context_length_exceeded', 'exceed_context_size_error'],
    says: [
      'context size has been exceeded',
      'exceeds the available context size',
      'must be less than the context length',
      'maximum context length is',
      "exceeds the model's maximum context length",
      "exceeds the model's max context length",
    ],
  },
  // A size is the client's choice, also when an edge's HTML page says so. Groq adds the code
  // rate_limit_exceeded.
  { name: 'size_status', verdict: 'client_fault', reason: 'too_large', status: [413, 414, 431] },
  {
    // OpenAI's 429 for one request above the whole limit: no wait makes it fit.
    name: 'request_over_limit',
    verdict: 'client_fault',
    reason: 'too_large',
    status: [400, 429, 'stream'],
    says: ['request too large for'],
  },
  {
    name: 'proxy_authentication',
    verdict: 'upstream_fault',
    reason: 'proxy_refused',
    status: [407],
    route: true,
  },
  // Cloudflare gave up waiting; the origin may finish, and bill.
  {
    name: 'edge_timeout',
    verdict: 'upstream_fault',
    reason: 'edge_page',
    status: [524],
    ambiguous: true,
  },
  // Perplexity's 401 is an HTML page.
  {
    name: 'edge_html',
    verdict: 'upstream_fault',
    reason: 'edge_page',
    except: [401],
    sign: 'html',
  },
  {
    name: 'edge_text',
    verdict: 'upstream_fault',
    reason: 'edge_page',
    except: [401],
    sign: 'edge_text',
  },
  {
    name: 'region_unsupported',
    verdict: 'upstream_fault',
    reason: 'region_blocked',
    codes: ['unsupported_country_region_territory'],
    says: ['location is not supported', 'not available in your country'],
    route: true,
  },
  {
    name: 'address_not_allowed',
    verdict: 'upstream_fault',
    reason: 'address_blocked',
    codes: ['ip_not_authorized', 'api_key_ip_address_blocked'],
    route: true,
  },
  {
    name: 'private_network',
    verdict: 'upstream_fault',
    reason: 'network_restricted',
    status: [401, 403],
    codes: ['throwexceptionduetotrafficdenied'],
    says: ['virtual network', 'public access is disabled', 'approved private endpoint'],
    route: true,
  },
  {
    // The account in `metadata.raw` is the gateway's. At 400 the provider behind it has judged the
    // request.
    name: 'nested_provider_error',
    verdict: 'upstream_fault',
    reason: 'nested_provider',
    except: [400, 422],
    says: ['provider returned error'],
  },
  {
    name: 'overloaded_5xx',
    verdict: 'upstream_fault',
    reason: 'overloaded',
    status: ['5xx'],
    codes: [
      'overloaded_error',
      'server_is_overloaded',
      'slow_down',
      'unavailable',
      'serviceunavailable',
    ],
  },
  { name: 'overloaded_529', verdict: 'upstream_fault', reason: 'overloaded', status: [529] },
  { name: 'status_5xx', verdict: 'upstream_fault', reason: 'server_error', status: ['5xx'] },

  // Caps, quotas that come back, and the one code that means money at one provider and tokens per
  // minute at another.
  {
    name: 'free_tier_only',
    verdict: 'model_access',
    reason: 'model_allowance',
    codes: ['allocationquota.freetieronly'],
    says: ['free allocated quota exceeded'],
  },
  {
    // Fireworks' 412 names the monthly limit as one possible cause: before the caps.
    name: 'account_suspended',
    verdict: 'key_dead',
    reason: 'account_disabled',
    except: [404],
    says: ['account … is suspended', 'account is suspended'],
  },
  {
    name: 'budget_in_flight',
    verdict: 'key_cooldown',
    reason: 'budget_in_flight',
    codes: ['openrouter_in_flight_budget', 'in_flight_budget_exhausted'],
    account: true,
  },
  {
    // OpenRouter: the monthly limit of the key itself is used up.
    name: 'key_limit_monthly',
    verdict: 'key_cooldown',
    reason: 'spend_limit',
    status: [402, 403],
    says: ['can only afford 0. … monthly limit', 'key limit exceeded (monthly limit)'],
    account: true,
    resets: 'month',
  },
  {
    name: 'key_limit',
    verdict: 'key_cooldown',
    reason: 'spend_limit',
    status: [402, 403],
    says: ['key limit exceeded ('],
    account: true,
  },
  {
    // The balance is positive: smaller requests still pass.
    name: 'credits_for_smaller',
    verdict: 'key_cooldown',
    reason: 'credits_low',
    status: [402, 403, 429],
    says: ['fewer max_tokens', 'more credits are required to run this request'],
  },
  {
    name: 'spend_limit_monthly',
    verdict: 'key_cooldown',
    reason: 'spend_limit',
    codes: [
      'organization_spend_limit_exceeded',
      'project_spend_limit_exceeded',
      'organization_usage_limit_exceeded',
      'enforced_spend_limit_reached',
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
    name: 'quota_means_rate',
    verdict: 'key_cooldown',
    reason: 'rate_limited',
    host: ['dashscope', 'azure', 'sensenova'],
    codes: ['insufficient_quota'],
  },
  {
    name: 'allocated_quota',
    verdict: 'key_cooldown',
    reason: 'rate_limited',
    status: [403, 429, 'stream'],
    says: ['allocated quota exceeded', 'exceeded your allocated quota'],
  },
  {
    // The hard limit is the owner's to raise at any time: dead keys are probed, resting ones wait.
    name: 'insufficient_quota',
    verdict: 'key_dead',
    reason: 'billing',
    codes: ['insufficient_quota', 'billing_hard_limit_reached'],
  },

  // A valid key that may not use this model or endpoint, by wording: it stays in rotation for all
  // else.
  {
    name: 'no_access_wording',
    verdict: 'model_access',
    reason: 'model_unavailable',
    status: REFUSED,
    says: [
      'does not have access to model',
      'does not have access to the model',
      "don't have access to the model",
      'or you do not have access',
      "or you don't have permission",
      'or your project does not have access',
      'that you have access to the model',
      'unable to access model',
      'selected model requires paid balance',
    ],
  },
  {
    name: 'permission_wording',
    verdict: 'model_access',
    reason: 'permission_denied',
    status: REFUSED,
    says: ['insufficient permissions for this operation', 'cachedcontent not found'],
  },
  {
    // Gemini: no allowance at all for this model. The delay in the same answer is void.
    name: 'quota_zero',
    verdict: 'model_access',
    reason: 'model_allowance',
    status: [429, 'stream'],
    says: ['quota exceeded for metric…limit: 0,', 'quota exceeded for metric…limit: 0\n'],
    sign: 'quota_zero',
  },

  // The request's size and content.
  {
    name: 'content_policy',
    verdict: 'client_fault',
    reason: 'content_policy',
    codes: [
      'content_filter',
      'content_policy_violation',
      'responsibleaipolicyviolation',
      'data_inspection_failed',
      'datainspectionfailed',
    ],
    numbers: { zhipu: [1301] },
    sign: 'flagged',
  },
  {
    name: 'invalid_request_code',
    verdict: 'client_fault',
    reason: 'bad_request',
    codes: ['request_too_large', 'invalid_prompt'],
    numbers: { zhipu: [1210, 1211, 1212, 1213, 1214, 1215, 1261], cloudflare: [5007] },
  },
  {
    name: 'unsupported_feature',
    verdict: 'client_fault',
    reason: 'unsupported_feature',
    status: [400, 403],
    numbers: { cloudflare: [5023, 5025] },
    says: ["model doesn't…json schema"],
  },

  // Dead keys: invalid, leaked, expired, suspended, or without money.
  {
    name: 'no_money',
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
      // xAI's 403.
      'you have run out of credits',
      'your account has an overdue balance',
      '余额不足',
    ],
  },
  {
    name: 'plan_expired',
    verdict: 'key_dead',
    reason: 'plan_expired',
    numbers: { zhipu: [1309] },
    says: ['套餐已到期'],
  },
  {
    name: 'account_disabled',
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
  { name: 'key_leaked', verdict: 'key_dead', reason: 'key_leaked', says: ['reported as leaked'] },
  {
    name: 'key_expired',
    verdict: 'key_dead',
    reason: 'key_expired',
    codes: ['expiredtoken', 'api_key_expired'],
  },
  {
    name: 'credential_refused',
    verdict: 'key_dead',
    reason: 'credential_refused',
    says: ['oauth authentication is currently not allowed'],
  },
  {
    name: 'invalid_key',
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

  // A valid key that may not use this model or endpoint, by code.
  {
    name: 'permission_code',
    verdict: 'model_access',
    reason: 'permission_denied',
    status: ACCESS_STATUSES,
    codes: [
      'permission_error',
      'accessdenied*',
      '*.accessdenied',
      'iam_permission_denied',
      // Azure's 401 for an Entra identity without the role.
      'permissiondenied',
      '*_service_blocked',
      '*_referrer_blocked',
      // The client's own OpenAI-Organization or OpenAI-Project header: a key of that organization
      // may follow.
      'mismatched_organization',
      'mismatched_project',
      'invalid_organization',
    ],
    numbers: { zhipu: [1220] },
  },
  {
    name: 'model_closed_code',
    verdict: 'model_access',
    reason: 'model_unavailable',
    status: ACCESS_STATUSES,
    codes: [
      'modelnotopen',
      'deploymentnotfound',
      'invalidendpointormodel.notfound',
      'operationdenied.servicenotopen',
    ],
    numbers: { zhipu: [1311], cloudflare: [5016, 5018, 3041], siliconflow: [30011] },
    says: ['套餐暂未开放'],
  },
  {
    // Ark: the cap that the account's owner set for this model.
    name: 'model_limit_set',
    verdict: 'model_access',
    reason: 'model_allowance',
    status: ACCESS_STATUSES,
    codes: ['setlimitexceeded'],
  },

  // Crowded or failing servers.
  {
    name: 'overloaded_code',
    verdict: 'upstream_fault',
    reason: 'overloaded',
    codes: [
      'server_is_overloaded',
      'overloaded_error',
      'engine_overloaded_error',
      'serveroverloaded',
      'openrouter_shared_capacity',
      'upstream_provider_shared_pool',
      'model_capacity_*',
      'capacity_exceeded',
    ],
    numbers: { zhipu: [1305, 1312], cloudflare: [3040] },
    says: [
      'engine is currently overloaded',
      // Vertex: the pool that all customers share, not this project's quota.
      'resource exhausted. please try again later',
      'no capacity available for model',
      // one-api and new-api put this in place of their own channel's 429.
      '上游负载已饱和',
    ],
  },
  {
    name: 'target_not_ready',
    verdict: 'upstream_fault',
    reason: 'target_unavailable',
    codes: [
      'modelnotready',
      'modelerror',
      'modeltimeout',
      'modelstreamerror',
      '*.closedendpoint',
      // new-api: its operator has not set the model up.
      'model_price_not_configured',
    ],
    numbers: { cloudflare: [3007, 3008] },
  },

  // Errors inside a stream that no code and no wording has decided.
  {
    name: 'stream_rate_limit',
    verdict: 'key_cooldown',
    reason: 'rate_limited',
    status: ['stream'],
    codes: RATE_CODES,
    numbers: { other: [429], gemini: [429], vertex: [429], openrouter: [429] },
    says: ['please wait before trying again', 'rate limit reached for'],
  },
  // Azure refuses streamed Responses with a Retry-After on the 200.
  {
    name: 'stream_retry_after',
    verdict: 'key_cooldown',
    reason: 'rate_limited',
    status: ['stream'],
    sign: 'retry_after',
  },
  {
    name: 'stream_authentication',
    verdict: 'key_dead',
    reason: 'unauthorized',
    status: ['stream'],
    codes: ['authentication_error'],
  },
  {
    // Before the next one: DeepSeek's code is invalid_request_error whatever happened.
    name: 'stream_server_error',
    verdict: 'upstream_fault',
    reason: 'stream_error',
    status: ['stream'],
    codes: ['server_error', 'api_error', 'service_unavailable_error', 'internal_server_error'],
  },
  {
    name: 'stream_bad_request',
    verdict: 'client_fault',
    reason: 'bad_request',
    status: ['stream'],
    codes: [
      'invalid_request_error',
      'invalid_argument',
      'validation',
      // Gemini's interactions; the third for an id that is not there.
      'invalid_request',
      'failed_precondition',
      'not_found',
      // What a response of OpenAI fails with, by its API description: the client's pictures.
      'invalid_image',
      'invalid_image_format',
      'invalid_image_mode',
      'invalid_image_url',
      'invalid_base64_image',
      'image_too_large',
      'image_too_small',
      'image_parse_error',
      'image_file_too_large',
      'image_file_not_found',
      'image_content_policy_violation',
      'unsupported_image_media_type',
      'empty_image_file',
      'failed_to_download_image',
    ],
    numbers: { other: [400, 422], gemini: [400], vertex: [400], openrouter: [400] },
  },
  { name: 'stream_error', verdict: 'upstream_fault', reason: 'stream_error', status: ['stream'] },

  // The bare status. The last rule has no condition.
  // OpenRouter: a 402 with Retry-After is a wait, one without is not.
  {
    name: 'retry_after_402',
    verdict: 'key_cooldown',
    reason: 'spend_limit',
    status: [402],
    sign: 'retry_after',
    account: true,
  },
  {
    // Recorded from OpenAI: a live key without the scope for this endpoint.
    name: 'authenticated_401',
    verdict: 'model_access',
    reason: 'permission_denied',
    status: [401],
    sign: 'authenticated',
  },
  { name: 'status_401', verdict: 'key_dead', reason: 'unauthorized', status: [401] },
  { name: 'status_402', verdict: 'key_dead', reason: 'payment_required', status: [402] },
  // An unexplained 403 (WAF, region, moderation, scope) never retires a key.
  { name: 'status_403', verdict: 'model_access', reason: 'forbidden', status: [403] },
  {
    name: 'usage_window',
    verdict: 'key_cooldown',
    reason: 'usage_window',
    status: [429],
    numbers: { zhipu: [1308, 1310] },
    says: ['organization has exceeded its usage limit', "exceed your account's rate limit"],
    sign: 'window_rejected',
    account: true,
  },
  {
    name: 'daily_quota_account',
    verdict: 'key_cooldown',
    reason: 'daily_quota',
    status: [429],
    numbers: { cloudflare: [3036] },
    says: ['daily free allocation', 'organization tpd rate limit'],
    account: true,
    resets: 'day',
  },
  {
    name: 'daily_quota_free_models',
    verdict: 'key_cooldown',
    reason: 'daily_quota',
    status: [429],
    codes: ['openrouter_free_tier_daily'],
    says: ['free-models-per-day'],
    resets: 'day',
  },
  {
    name: 'daily_quota',
    verdict: 'key_cooldown',
    reason: 'daily_quota',
    status: [429],
    says: ['tokens per day', 'requests per day'],
    sign: 'quota_per_day',
  },
  {
    name: 'monthly_quota',
    verdict: 'key_cooldown',
    reason: 'monthly_quota',
    status: [429],
    says: ['calls / month', 'tokens per month'],
    account: true,
    resets: 'month',
  },
  {
    // Moonshot and Cohere limit the organization, whatever the model.
    name: 'organization_rate_limit',
    verdict: 'key_cooldown',
    reason: 'rate_limited',
    status: [429],
    codes: ['accountratelimitexceeded'],
    says: ['request reached organization', 'trial key, which is limited to'],
    account: true,
  },
  { name: 'status_429', verdict: 'key_cooldown', reason: 'rate_limited', status: [429] },
  // Bedrock: AWS services also throttle with 400.
  {
    name: 'bedrock_throttling',
    verdict: 'key_cooldown',
    reason: 'rate_limited',
    host: ['bedrock'],
    codes: ['throttling', 'servicequotaexceeded'],
  },
  {
    name: 'status_try_later',
    verdict: 'upstream_fault',
    reason: 'target_unavailable',
    status: [408, 424, 425, 498, 499],
  },
  { name: 'status_404', verdict: 'client_fault', reason: 'not_found', status: [404] },
  { name: 'other_4xx', verdict: 'client_fault', reason: 'bad_request' },
];
