// How OpenAI says no, in its own bodies and headers (platform.openai.com/docs/guides/error-codes;
// shapes as recorded in test/fixtures/provider-errors.json). Which key gets them is up to
// behaviour.ts.

import type { Refusal } from './behaviour.ts';
import { eventStream, jsonReply, type Reply } from './reply.ts';
import type { ScriptedRequest } from './scripted-request.ts';

interface ErrorFields {
  readonly status: number;
  readonly message: string;
  readonly type: string;
  readonly code: string | null;
}

/** The answer to a key that is refused. */
export function openaiRefusal(
  refusal: Refusal,
  request: ScriptedRequest,
  retryAfterS: number,
): Reply {
  const { status, message, type, code } = fieldsOf(refusal, request, retryAfterS);
  const reply = jsonReply(status, { error: { message, type, param: null, code } }, 4);
  if (refusal !== 'rate_limited') return reply;
  return {
    ...reply,
    headers: {
      ...reply.headers,
      'retry-after': String(retryAfterS),
      'retry-after-ms': String(retryAfterS * 1000),
      'x-ratelimit-limit-requests': '500',
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': `${retryAfterS}s`,
    },
  };
}

function fieldsOf(refusal: Refusal, request: ScriptedRequest, retryAfterS: number): ErrorFields {
  const model = request.model ?? 'scripted';
  switch (refusal) {
    case 'dead':
    case 'unauthenticated':
      return {
        status: 401,
        // OpenAI repeats the key's ends and stars between them.
        message: `Incorrect API key provided: ${maskedKey(request.key)}. You can find your API key at https://platform.openai.com/account/api-keys.`,
        type: 'invalid_request_error',
        code: 'invalid_api_key',
      };
    case 'leaking':
      return {
        status: 401,
        message: `Incorrect API key provided: ${request.key}.`,
        type: 'invalid_request_error',
        code: 'invalid_api_key',
      };
    case 'rate_limited':
      return {
        status: 429,
        message: `Rate limit reached for ${model} in organization org-scripted on requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in ${retryAfterS}s.`,
        type: 'requests',
        code: 'rate_limit_exceeded',
      };
    case 'quota':
      return {
        status: 429,
        message: 'You exceeded your current quota, please check your plan and billing details.',
        type: 'insufficient_quota',
        code: 'insufficient_quota',
      };
    case 'broken':
      return {
        status: 500,
        message: 'The server had an error while processing your request',
        type: 'server_error',
        code: null,
      };
    case 'overloaded':
      return {
        status: 503,
        message: 'Our servers are currently overloaded. Please try again later.',
        type: 'service_unavailable_error',
        code: 'server_is_overloaded',
      };
    case 'model_access':
      return {
        status: 403,
        message: `Project \`proj_scripted\` does not have access to model \`${model}\``,
        type: 'invalid_request_error',
        code: 'model_not_found',
      };
    case 'bad_request':
      return {
        status: 400,
        message: "Invalid 'temperature': decimal above maximum value. Expected a value <= 2.",
        type: 'invalid_request_error',
        code: 'decimal_above_max_value',
      };
  }
}

function maskedKey(key: string): string {
  if (key.length <= 12) return '*'.repeat(key.length);
  return `${key.slice(0, 4)}${'*'.repeat(key.length - 8)}${key.slice(-4)}`;
}

/** A 200 event stream whose first event is an error. */
export function openaiStreamError(): Reply {
  const error = {
    message: 'Our servers are currently overloaded. Please try again later.',
    type: 'service_unavailable_error',
    param: null,
    code: 'server_is_overloaded',
  };
  return eventStream([`data: ${JSON.stringify({ error })}\n\n`]);
}

/** The 404 for a path that the API does not have. */
export function openaiNotFound(request: ScriptedRequest): Reply {
  const message = `Invalid URL (${request.method} ${request.path})`;
  const error = { message, type: 'invalid_request_error', param: null, code: null };
  return jsonReply(404, { error }, 2);
}
