// What a client is told when no upstream's answer can be given: why there is no key, or what went
// wrong on the way. Decides status, code and words; the shape is own-answer.ts.

import { redact } from '../policy/redact.ts';
import type { Fault } from '../policy/verdict.ts';
import type { Unavailable } from '../pool/key-pool.ts';
import { faultMessage, isTimeout } from '../upstream/faults.ts';
import type { OwnError } from './own-answer.ts';

/** MAX_CONCURRENT_REQUESTS are under way. */
export const CONCURRENCY_LIMIT: OwnError = {
  status: 429,
  type: 'rate_limit_error',
  code: 'concurrency_limit',
  message: 'gpt-load is at MAX_CONCURRENT_REQUESTS',
  retryAfterSeconds: 1,
};

/** Names of models come from clients; a longer one is not repeated. */
const MAX_SHOWN_MODEL = 128;

/** Why no key can be leased: 429 while one returns by itself, 404 for a model none may use, 503. */
export function withoutKey(
  { retryAtMs, shortage }: Unavailable,
  model: string | undefined,
  nowMs: number,
): OwnError {
  const forModel = model === undefined ? '' : ` for the model ${JSON.stringify(shown(model))}`;
  if (retryAtMs !== null) {
    return {
      status: 429,
      type: 'rate_limit_error',
      code: 'all_keys_resting',
      message: `every API key is resting${forModel}; Retry-After says when the first one returns`,
      retryAfterSeconds: Math.max(1, Math.ceil((retryAtMs - nowMs) / 1000)),
    };
  }
  if (shortage === 'no_access') {
    return {
      status: 404,
      type: 'invalid_request_error',
      code: 'model_not_found',
      message: `the upstream knows no such model, or no API key has access to it${forModel}`,
    };
  }
  return {
    status: 503,
    type: 'server_error',
    code: 'no_usable_key',
    message: 'gpt-load has no usable API key for this request',
  };
}

/** An attempt ended without an answer. */
export function withoutAnswer(fault: Fault | undefined): OwnError {
  const code = fault?.code ?? 'connect';
  return {
    status: isTimeout(code) ? 504 : 502,
    type: 'server_error',
    code: isTimeout(code) ? 'upstream_timeout' : 'upstream_unreachable',
    message: `gpt-load got no answer: ${faultMessage(code)}`,
  };
}

function shown(model: string): string {
  return redact(model.slice(0, MAX_SHOWN_MODEL));
}
