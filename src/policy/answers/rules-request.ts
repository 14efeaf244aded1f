// Rules about the request and the way to the upstream: size, content, edges, egress, failing and
// crowded servers. Sources: the error pages of OpenAI, Azure OpenAI, Gemini, OpenRouter, Groq, Ark,
// Zhipu and Cloudflare, and recorded answers.

import type { Rule } from './rule.ts';

export const REQUEST_AND_EDGE: readonly Rule[] = [
  {
    // llama.cpp and vLLM call it a server error; trying elsewhere fails the same way.
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
  { verdict: 'client_fault', reason: 'too_large', status: [413, 414, 431] },
  {
    // OpenAI's 429 for one request above the whole limit: no wait makes it fit.
    verdict: 'client_fault',
    reason: 'too_large',
    status: [400, 429, 'stream'],
    says: ['request too large for'],
  },
  { verdict: 'upstream_fault', reason: 'proxy_refused', status: [407], route: true },
  // Cloudflare gave up waiting; the origin may finish, and bill.
  { verdict: 'upstream_fault', reason: 'edge_page', status: [524], ambiguous: true },
  // Perplexity's 401 is an HTML page.
  { verdict: 'upstream_fault', reason: 'edge_page', except: [401], sign: 'html' },
  { verdict: 'upstream_fault', reason: 'edge_page', except: [401], sign: 'edge_text' },
  {
    verdict: 'upstream_fault',
    reason: 'region_blocked',
    codes: ['unsupported_country_region_territory'],
    says: ['location is not supported', 'not available in your country'],
    route: true,
  },
  {
    verdict: 'upstream_fault',
    reason: 'address_blocked',
    codes: ['ip_not_authorized', 'api_key_ip_address_blocked'],
    route: true,
  },
  {
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
    verdict: 'upstream_fault',
    reason: 'nested_provider',
    except: [400, 422],
    says: ['provider returned error'],
  },
  {
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
  { verdict: 'upstream_fault', reason: 'overloaded', status: [529] },
  { verdict: 'upstream_fault', reason: 'server_error', status: ['5xx'] },
];

export const REQUEST_CONTENT: readonly Rule[] = [
  {
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
    verdict: 'client_fault',
    reason: 'bad_request',
    codes: ['request_too_large', 'invalid_prompt'],
    numbers: { zhipu: [1210, 1211, 1212, 1213, 1214, 1215, 1261], cloudflare: [5007] },
  },
  {
    verdict: 'client_fault',
    reason: 'unsupported_feature',
    status: [400, 403],
    numbers: { cloudflare: [5023, 5025] },
    says: ["model doesn't…json schema"],
  },
];

export const CAPACITY: readonly Rule[] = [
  {
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
    verdict: 'upstream_fault',
    reason: 'target_unavailable',
    codes: ['modelnotready', 'modelerror', 'modeltimeout', 'modelstreamerror', '*.closedendpoint'],
    numbers: { cloudflare: [3007, 3008] },
  },
];
