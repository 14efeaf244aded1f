// The errors that this proxy itself answers with, all of them: status, code and words. Their shape
// is own-answer.ts; what Node's parser refuses is front/malformed.ts.

import { redact } from '../../policy/redact.ts';
import type { Fault } from '../../policy/verdict.ts';
import type { Unavailable } from '../../pool/key-pool.ts';
import type { Excess } from '../../pool/limits/client-limits.ts';
import { faultMessage, isTimeout } from '../../upstream/faults.ts';
import type { OwnError } from './own-answer.ts';

/** MAX_CONCURRENT_REQUESTS are under way. */
export const CONCURRENCY_LIMIT: OwnError = {
  status: 429,
  type: 'rate_limit_error',
  code: 'concurrency_limit',
  message: 'gpt-load has reached MAX_CONCURRENT_REQUESTS',
  retryAfterSeconds: 1,
};

/** AUTH_KEY is set, and the request does not carry it. */
export const UNAUTHORIZED: OwnError = {
  status: 401,
  type: 'invalid_request_error',
  code: 'invalid_api_key',
  message: 'missing or wrong AUTH_KEY; send it as your API key',
};

/** TRACE and its like. */
export const REFUSED_METHOD: OwnError = {
  status: 405,
  type: 'invalid_request_error',
  code: 'method_not_allowed',
  message: 'this method is not proxied',
};

/** A bug of ours. */
export const INTERNAL_ERROR: OwnError = {
  status: 500,
  type: 'server_error',
  code: 'internal_error',
  message: 'internal error in gpt-load; see its log',
};

/** Dot segments would lead to what is not this proxy's to give. */
export const CLIMBING_TARGET: OwnError = {
  status: 400,
  type: 'invalid_request_error',
  code: 'malformed_request',
  message: "the request target escapes the upstream's base path",
};

/**
 * An error of the upstream whose body cannot be searched for the key that it may quote.
 * @param status the upstream's
 */
export function unreadableError(status: number): OwnError {
  return {
    status: status >= 400 ? status : 502,
    type: 'server_error',
    code: 'upstream_error_unreadable',
    message:
      'the upstream returned an error that gpt-load cannot decode; it is withheld because it may contain an API key',
  };
}

/** A page of another origin asks for what is the operator's. */
export const CROSS_SITE: OwnError = {
  status: 403,
  type: 'invalid_request_error',
  code: 'cross_site',
  message: 'this endpoint does not answer pages from other origins',
};

/** Bound to loopback, and asked for under a name that is not loopback's (DNS rebinding). */
export const FOREIGN_HOST: OwnError = {
  status: 403,
  type: 'invalid_request_error',
  code: 'cross_site',
  message: 'this endpoint only answers to loopback host names; ALLOWED_HOSTS can add others',
};

/** RFC 9112 3.2. */
export const BAD_TARGET: OwnError = {
  status: 400,
  type: 'invalid_request_error',
  code: 'malformed_request',
  message: 'the request target must begin with /',
};

/** RFC 9112 3.2. */
export const BAD_HOST: OwnError = {
  status: 400,
  type: 'invalid_request_error',
  code: 'malformed_request',
  message: 'an HTTP/1.1 request must have exactly one Host field',
};

/** Node's parser takes 0.9 and 2.0 too, which are other messages (RFC 9110 15.6.6). */
export const BAD_VERSION: OwnError = {
  status: 505,
  type: 'invalid_request_error',
  code: 'unsupported_http_version',
  message: 'the supported versions of HTTP on such a connection are 1.0 and 1.1',
};

/** RFC 9112 6.1: a coding that is not understood cannot be taken off, nor passed on. */
export const UNKNOWN_CODING: OwnError = {
  status: 501,
  type: 'invalid_request_error',
  code: 'unsupported_transfer_coding',
  message: 'the only supported transfer coding is chunked',
};

/** An endpoint of ours was asked with a method that it does not take. */
export function methodNotAllowed(path: string, allowed: string): OwnError {
  const message = `${path} only accepts ${allowed}`;
  return { status: 405, type: 'invalid_request_error', code: 'method_not_allowed', message };
}

/** An endpoint of ours was asked for what it does not have. */
export function badQuery(message: string): OwnError {
  return { status: 400, type: 'invalid_request_error', code: 'bad_query', message };
}

/** /usage answers whole or not at all. */
export const TOO_MANY_ROWS: OwnError = {
  status: 400,
  type: 'invalid_request_error',
  code: 'too_many_rows',
  message: 'too many rows; use by=day, a shorter period, or fewer group_by fields',
};

/** The page's buttons work from this machine only, as long as nobody is asked for a key. */
export const LOOPBACK_ONLY: OwnError = {
  status: 403,
  type: 'invalid_request_error',
  code: 'loopback_only',
  message: 'without AUTH_KEY, the buttons of the page only work from this machine',
};

/** What the page sent is too long. */
export const TOO_LARGE: OwnError = {
  status: 413,
  type: 'invalid_request_error',
  code: 'too_large',
  message: 'the request from the page is too large',
};

/** So many pages are open that this one has to poll. */
export const TOO_MANY_VIEWERS: OwnError = {
  status: 503,
  type: 'server_error',
  code: 'too_many_viewers',
  message: 'too many pages are open; this one polls instead',
  retryAfterSeconds: 5,
};

/** The coordinator's books cannot be read, or too many ask. */
export const USAGE_UNAVAILABLE: OwnError = {
  status: 503,
  type: 'server_error',
  code: 'usage_unavailable',
  message: 'usage is unavailable; see the log',
};

/** What another instance used is known to the fleet's server alone. */
export const FLEET_AWAY: OwnError = {
  status: 503,
  type: 'server_error',
  code: 'fleet_away',
  message: 'the fleet server is unavailable; only the usage of this instance is known',
};

/** /requests/ID names none of the last requests. */
export function requestNotFound(id: string): OwnError {
  return {
    status: 404,
    type: 'invalid_request_error',
    code: 'request_not_found',
    message: `no recent request has the ID ${JSON.stringify(shown(id))}`,
  };
}

/** /requests/ID while ENABLE_TRAILS is false. */
export const REQUESTS_NOT_KEPT: OwnError = {
  status: 404,
  type: 'invalid_request_error',
  code: 'requests_not_kept',
  message: 'requests are not remembered: ENABLE_TRAILS is false',
};

/** As many questions of this kind as are allowed wait for the coordinator's answer. */
export const TOO_MANY_QUESTIONS: OwnError = {
  status: 503,
  type: 'server_error',
  code: 'too_many_questions',
  message: 'too many queries for recent requests; try again',
  retryAfterSeconds: 1,
};

/** /reset-keys found a key file that cannot be used. */
export function badKeyFile(message: string): OwnError {
  return { status: 500, type: 'server_error', code: 'bad_key_file', message };
}

/** Names of models come from clients; a longer one is not repeated. */
const MAX_SHOWN_MODEL = 128;

/** Why no key can be leased: 429 while one returns by itself, 404 for a model none may use, 503. */
export function withoutKey(
  { retryAtMs, shortage }: Unavailable,
  model: string | undefined,
  nowMs: number,
): OwnError {
  const forModel = model === undefined ? '' : ` for the model ${JSON.stringify(shown(model))}`;
  if (retryAtMs !== null && shortage === 'busy') {
    return {
      status: 429,
      type: 'rate_limit_error',
      code: 'all_keys_busy',
      message: `every API key is at its limit${forModel}; Retry-After says when the first one has room again`,
      retryAfterSeconds: Math.max(1, Math.ceil((retryAtMs - nowMs) / 1000)),
    };
  }
  if (retryAtMs !== null) {
    return {
      status: 429,
      type: 'rate_limit_error',
      code: 'all_keys_resting',
      message: `every API key is resting${forModel}; Retry-After says when the first one is back`,
      retryAfterSeconds: Math.max(1, Math.ceil((retryAtMs - nowMs) / 1000)),
    };
  }
  if (shortage === 'no_access') {
    return {
      status: 404,
      type: 'invalid_request_error',
      code: 'model_not_found',
      message: `the model does not exist, or no API key has access to it${forModel}`,
    };
  }
  return {
    status: 503,
    type: 'server_error',
    code: 'no_usable_key',
    message: 'gpt-load has no usable API key for this request',
  };
}

/** /proxy/NAME names no group. */
export function groupNotFound(name: string, near: string | undefined): OwnError {
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  return {
    status: 404,
    type: 'invalid_request_error',
    code: 'group_not_found',
    message: `there is no group ${JSON.stringify(shown(name))}${hint}`,
  };
}

/** No group is for this model, and there is no `default`. */
export function noGroupForModel(model: string | undefined): OwnError {
  const what =
    model === undefined
      ? 'the request names no model'
      : `no group serves the model ${JSON.stringify(shown(model))}`;
  return {
    status: 404,
    type: 'invalid_request_error',
    code: 'model_not_found',
    message: `${what}, and there is no group named default`,
  };
}

/** The client's key is known, and not for this. */
export function notAllowed(what: string, client: string): OwnError {
  return {
    status: 403,
    type: 'invalid_request_error',
    code: 'not_allowed',
    message: `client ${client} may not use ${shown(what)}`,
  };
}

/** The limit of open files is reached: no connection to an upstream can be opened. */
export const OUT_OF_DESCRIPTORS: OwnError = {
  status: 503,
  type: 'server_error',
  code: 'out_of_descriptors',
  message:
    'gpt-load has run out of file descriptors; raise the limit, or lower MAX_CONCURRENT_REQUESTS',
  retryAfterSeconds: 1,
};

/** The client has used up one of its own limits. */
export function clientLimit(client: string, { limit, value, waitMs }: Excess): OwnError {
  const what = {
    rpm: 'requests per minute',
    concurrency: 'concurrent requests',
    tokens_per_day: 'tokens per day',
  }[limit];
  return {
    status: 429,
    type: 'rate_limit_error',
    code: 'client_limit',
    message: `client ${client} has reached its limit of ${value} ${what} (${limit})`,
    retryAfterSeconds: waitMs === null ? 1 : Math.max(1, Math.ceil(waitMs / 1000)),
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
