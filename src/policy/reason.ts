// Why a verdict was given: stable ids for shared memory, state file, logs and /blacklist, and a
// sentence for people. A reason belongs to one verdict kind or another; rules.ts and classify.ts
// say which. Ids are stored by name and, in shared memory, by index: append new ones at the end,
// never reorder.

const SENTENCES = {
  none: 'No reason is known.',

  // key_dead
  unauthorized: 'The upstream does not accept the key (401) and does not say why.',
  invalid_key: 'The upstream says that the key is not valid.',
  key_leaked: 'The key was reported as leaked and is blocked.',
  key_expired: 'The credential has expired.',
  account_disabled: 'The account or organization behind the key is disabled or suspended.',
  credential_refused: 'The account does not allow this kind of credential.',
  billing: 'The account has no money left, or a bill is unpaid.',
  plan_expired: 'The plan of the account has expired.',
  payment_required: 'The upstream asks for payment (402).',

  // key_cooldown
  rate_limited: 'The rate limit of the key is used up.',
  daily_quota: 'The daily quota of the key is used up.',
  monthly_quota: 'The monthly quota of the key is used up.',
  usage_window: 'The usage window of the subscription is used up.',
  spend_limit: 'A spending limit of the account is reached.',
  budget_in_flight: 'The requests under way have reserved all of the budget.',
  credits_low: 'The remaining credits do not cover a request of this size.',

  // model_access
  forbidden: 'The upstream refuses the key here (403) and does not say why.',
  permission_denied: 'The key is valid but lacks the permission for this.',
  model_unavailable: 'The model is not open to this key.',
  model_allowance: 'The allowance of the account for this model is zero or spent for good.',

  // upstream_fault
  server_error: 'The upstream failed (5xx).',
  overloaded: 'The upstream is overloaded or out of capacity.',
  edge_page: 'A page of an edge or gateway came instead of an answer of the API.',
  nested_provider: 'The provider behind the upstream failed.',
  target_unavailable: 'The target is closed, not ready, or gave up.',
  stream_error: 'The stream opened with an error.',
  region_blocked: 'The upstream does not serve the region of this egress address.',
  address_blocked: 'The upstream does not accept this egress address.',
  network_restricted: 'The upstream is closed to the network that the request came from.',
  proxy_refused: 'The outgoing proxy asks for authentication (407).',
  dns_failed: 'The host name of the upstream did not resolve.',
  connect_failed: 'The connection to the upstream failed.',
  connect_timeout: 'The connection to the upstream took too long.',
  tls_failed: 'The TLS handshake with the upstream failed.',
  route_failed: 'The outgoing proxy did not open a way to the upstream.',
  connection_reset: 'The upstream closed the connection before it answered.',
  stream_refused: 'The upstream refused the HTTP/2 stream.',
  headers_timeout: 'The upstream took too long to answer.',
  total_timeout: 'The answer took too long to complete.',
  idle_timeout: 'The stream was silent for too long.',
  first_event_timeout: 'The stream took too long to start.',
  protocol_error: 'The upstream did not speak valid HTTP.',

  // client_fault
  bad_request: 'The upstream says that the request is wrong.',
  not_found: 'What the request asks for does not exist.',
  too_large: 'The request is larger than the upstream allows.',
  context_length: 'The prompt does not fit into the context of the model.',
  content_policy: 'The content was refused by a policy.',
  unsupported_feature: 'The model does not support what the request asks for.',

  // excluded
  client_left: 'The client left before the answer was complete.',
  shutdown: 'The proxy is shutting down.',
  out_of_descriptors: 'The proxy may open no more connections.',

  // by an operator
  manual: 'An operator has blacklisted the key.',
} as const satisfies Record<string, string>;

/** The stable id of a reason. */
export type Reason = keyof typeof SENTENCES;

/** Every reason; 'none' has index 0. At most 256: an index is stored in one byte. */
export const REASONS: readonly Reason[] = Object.keys(SENTENCES) as Reason[];

/** One short English sentence for people. */
export function reasonText(reason: Reason): string {
  return SENTENCES[reason];
}
