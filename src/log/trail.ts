// What is remembered of a request that is over: who asked for what, and every attempt with its
// verdict and the rule behind it. Never a body, never a key whole. Where and how it is written down
// is pool/trails.

import { redact } from '../policy/redact.ts';
import type { AccessAttempt, AccessFields } from './access-log.ts';

/** Longer texts are cut, after whatever looks like a key was masked in them. */
const MAX_TEXT_CHARS = 1024;
/** No shape of a key fits into this: request ids of our own do. */
const SHORT_WORD = /^[a-z0-9]{0,15}$/;

/** What an attempt changed for its key or its upstream. Times: Unix milliseconds. */
export interface TrailChange {
  /** `blacklisted`, `resting`, `restored`, `upstream_ejected`, `upstream_restored`. */
  readonly kind: string;
  /** Of a rest: the model that it is for, or null for all. */
  readonly model?: string | null;
  readonly untilMs?: number;
}

/** One attempt, with what the access log does not tell. */
export interface TrailAttempt extends AccessAttempt {
  /** Of the key: by it a writer finds where its preview stands already. Not written down. */
  readonly keyRow?: number;
  /** The upstream's; 0: no answer came. */
  readonly status: number;
  /** Of policy/answers; undefined: a success. */
  readonly rule: string | undefined;
  /** The error's own code, in lower case. */
  readonly code: string | undefined;
  /** From the request's arrival to this attempt's end. */
  readonly endMs: number;
  /** What the request had waited until then, for a place or a key. */
  readonly waitedMs: number;
  readonly changes: readonly TrailChange[];
}

/** Tokens, as the answer named them. */
export interface TrailTokens {
  readonly input: number;
  readonly cached: number;
  readonly cacheWrite: number;
  readonly output: number;
  readonly reasoning: number;
}

/** A request that is over: what its access line tells, and more. */
export interface Trail extends AccessFields {
  readonly attempts: readonly TrailAttempt[];
  /** When it arrived. */
  readonly atMs: number;
  /** Also where there is but one group; '' when it came to none. */
  readonly groupName: string;
  readonly model: string | undefined;
  readonly streamed: boolean;
  /** The code of gpt-load's own error, where that was the answer. */
  readonly refusal: string | undefined;
  /** undefined: nobody named them. */
  readonly tokens?: TrailTokens | undefined;
}

/**
 * A text as a trail has it: redacted, then cut; cut first, a halved key would no longer look like
 * one.
 */
export function shownText(text: string): string {
  if (SHORT_WORD.test(text)) return text;
  const safe = redact(text);
  return safe.length > MAX_TEXT_CHARS ? `${safe.slice(0, MAX_TEXT_CHARS)}...` : safe;
}
