// How a key behaves at the scripted upstream: by its name, so that a key file reads like a cast
// list. The behaviour only; what a refusal looks like is up to the provider's shape.

import type { Reply } from './reply.ts';
import type { ScriptedRequest } from './scripted-request.ts';

/** Ways in which a provider says no. */
export type Refusal =
  /** The key is not valid, in the words of this provider (Gemini: 400 API_KEY_INVALID). */
  | 'dead'
  /** 401, at every provider. */
  | 'unauthenticated'
  | 'rate_limited'
  /** No money left. */
  | 'quota'
  /** 500. */
  | 'broken'
  /** 503, Anthropic 529. */
  | 'overloaded'
  /** 401 whose text repeats the whole key. */
  | 'leaking'
  /** The key is fine, but not for this model. */
  | 'model_access'
  /** The request is wrong, whoever sends it: 400. */
  | 'bad_request';

export type Behaviour =
  | { readonly kind: 'good'; readonly paceMs?: number }
  | { readonly kind: 'slow'; readonly delayMs: number }
  | { readonly kind: 'refuse'; readonly refusal: Refusal; readonly retryAfterS?: number }
  /** A 200 event stream whose first event is an error; a plain request is refused as overloaded. */
  | { readonly kind: 'stream_error' }
  /** Closes the connection after so many events. */
  | { readonly kind: 'cut'; readonly afterEvents: number }
  /** Takes the request and never answers. */
  | { readonly kind: 'never' }
  /** Says exactly this: for tests. */
  | { readonly kind: 'reply'; readonly reply: Reply };

const refusals: Readonly<Record<string, Refusal>> = {
  dead: 'dead',
  unauthenticated: 'unauthenticated',
  limited: 'rate_limited',
  quota: 'quota',
  broken: 'broken',
  flaky: 'broken',
  overloaded: 'overloaded',
  leaking: 'leaking',
  nomodel: 'model_access',
  badrequest: 'bad_request',
};

/**
 * Reads a key's behaviour from its name: `sk-demo-dead-…`, `sk-demo-limited3-…` (every third
 * request, from the first), `sk-demo-flaky-…` (every second). A word without a number acts on every
 * request; an unknown name is good; no key at all is refused.
 */
export function behaviourOfKey(request: ScriptedRequest): Behaviour {
  // The address of an upload stands for the key that asked for it.
  if (request.query.has('upload_id')) return { kind: 'good' };
  if (request.key === '') return { kind: 'refuse', refusal: 'unauthenticated' };
  for (const part of request.key.split(/[-_]/)) {
    const [, word = '', digits = ''] = /^([a-z]+)(\d*)$/.exec(part) ?? [];
    const every = digits === '' ? (word === 'flaky' ? 2 : 1) : Number(digits);
    const turn = every <= 1 || request.nthOfKey % every === 1;
    const refusal = refusals[word];
    if (refusal !== undefined) return turn ? { kind: 'refuse', refusal } : { kind: 'good' };
    switch (word) {
      case 'streamerror':
        return turn ? { kind: 'stream_error' } : { kind: 'good' };
      case 'slow':
        return { kind: 'slow', delayMs: digits === '' ? 1000 : Number(digits) };
      case 'cut':
        return { kind: 'cut', afterEvents: digits === '' ? 3 : Number(digits) };
      case 'never':
        return { kind: 'never' };
      case 'good':
        return { kind: 'good' };
    }
  }
  return { kind: 'good' };
}
