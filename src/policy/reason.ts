// Why a verdict was given: stable ids for shared memory, state file, logs and /blacklist, and a
// sentence for people. A reason belongs to one verdict kind or another; rules.ts and classify.ts
// say which. Ids are stored by name and, in shared memory, by index: append new ones at the end,
// never reorder.

const SENTENCES = {
  none: 'The reason is unknown.',

  // key_dead
  unauthorized: 'The upstream rejected the key (401) without saying why.',
  invalid_key: 'The upstream says that the key is invalid.',
  key_leaked: 'The key was reported as leaked and has been blocked.',
  key_expired: 'The credential has expired.',
  account_disabled: 'The account or organization of the key is disabled or suspended.',
  credential_refused: 'The account does not allow this type of credential.',
  billing: 'The account has no credit left, or an unpaid bill.',
  plan_expired: "The account's plan has expired.",
  payment_required: 'The upstream requires payment (402).',

  // key_cooldown
  rate_limited: 'The key has reached its rate limit.',
  daily_quota: 'The key has used up its daily quota.',
  monthly_quota: 'The key has used up its monthly quota.',
  usage_window: 'The subscription has used up its current usage window.',
  spend_limit: 'The account has reached a spending limit.',
  budget_in_flight: 'Requests in flight have reserved the whole budget.',
  credits_low: 'The remaining credit does not cover a request of this size.',

  // model_access
  forbidden: 'The upstream refused the key (403) without saying why.',
  permission_denied: 'The key is valid but lacks the required permission.',
  model_unavailable: 'The key has no access to this model.',
  model_allowance: 'The account has no quota for this model, or has used it up for good.',

  // upstream_fault
  server_error: 'The upstream returned a server error (5xx).',
  overloaded: 'The upstream is overloaded or out of capacity.',
  edge_page: 'An edge or gateway page came back instead of an API answer.',
  nested_provider: 'The provider behind the upstream failed.',
  target_unavailable: 'The target is closed, not ready, or gave up.',
  stream_error: 'The stream began with an error.',
  region_blocked: 'The upstream does not serve the region of this IP address.',
  address_blocked: 'The upstream does not accept requests from this IP address.',
  network_restricted: 'The upstream does not accept requests from this network.',
  proxy_refused: 'The outgoing proxy requires authentication (407).',
  dns_failed: 'The host name of the upstream could not be resolved.',
  connect_failed: 'The connection to the upstream failed.',
  connect_timeout: 'Connecting to the upstream took too long.',
  tls_failed: 'The TLS handshake with the upstream failed.',
  route_failed: 'The outgoing proxy could not connect to the upstream.',
  connection_reset: 'The upstream closed the connection before answering.',
  stream_refused: 'The upstream refused the HTTP/2 stream.',
  headers_timeout: 'The upstream took too long to answer.',
  total_timeout: 'The answer took too long to complete.',
  idle_timeout: 'The stream was silent for too long.',
  first_event_timeout: 'The stream took too long to start.',
  protocol_error: 'The upstream did not send valid HTTP.',

  // client_fault
  bad_request: 'The upstream says that the request is invalid.',
  not_found: 'The requested resource does not exist.',
  too_large: 'The request is larger than the upstream allows.',
  context_length: 'The prompt does not fit in the context window of the model.',
  content_policy: 'The content was rejected by a content policy.',
  unsupported_feature: 'The model does not support a requested feature.',

  // excluded
  client_left: 'The client disconnected before the answer was complete.',
  shutdown: 'The proxy is shutting down.',
  out_of_descriptors: 'The proxy has run out of file descriptors.',

  // by an operator
  manual: 'An operator blacklisted the key.',
} as const satisfies Record<string, string>;

/** The stable id of a reason. */
export type Reason = keyof typeof SENTENCES;

/** Every reason; 'none' has index 0. At most 256: an index is stored in one byte. */
export const REASONS: readonly Reason[] = Object.keys(SENTENCES) as Reason[];

/** One short English sentence for people. */
export function reasonText(reason: Reason): string {
  return SENTENCES[reason];
}
