// Whether to go again after an attempt, and how soon. Pure: the caller waits, picks key and upstream, and relays.

import { cooldownMs } from './cooldown.ts';
import type { Verdict } from './verdict.ts';

/** First wait when there is no other upstream to ask, doubled for each further attempt. */
export const RETRY_BASE_MS = 100;
export const RETRY_MAX_MS = 2_000;

export interface Attempt {
  readonly verdict: Verdict;
  /** 1 for the first attempt of a request. */
  readonly attempt: number;
  /** Further attempts allowed after the first. */
  readonly maxRetries: number;
  /** The whole body is at hand and can be sent once more. */
  readonly replayable: boolean;
  /** A byte of this answer has gone to the client: nothing can be taken back. */
  readonly committed: boolean;
  /** Upstreams that may be asked next, this one included, those that must be avoided left out. */
  readonly upstreams: number;
  readonly random: () => number;
  /** What is left of the request's time, in milliseconds; left out: no limit. */
  readonly timeLeftMs?: number;
}

export type NextStep =
  /** Hand this answer to the client. */
  | { readonly action: 'relay' }
  /** Lease again after the delay. */
  | { readonly action: 'again'; readonly delayMs: number }
  /** Stop: the caller relays the upstream's last answer, or its own 502 or 504 when there is none. */
  | { readonly action: 'give_up' };

const RELAY: NextStep = { action: 'relay' };
const GIVE_UP: NextStep = { action: 'give_up' };
const AT_ONCE: NextStep = { action: 'again', delayMs: 0 };

/** What to do after an attempt. Total: every verdict has an answer. */
export function nextStep(attempt: Attempt): NextStep {
  const { verdict } = attempt;
  if (verdict.kind === 'excluded') return GIVE_UP;
  if (verdict.kind === 'success' || verdict.kind === 'client_fault') return RELAY;
  if (attempt.committed || !attempt.replayable) return GIVE_UP;
  if (attempt.attempt > attempt.maxRetries) return GIVE_UP;
  // Another key, or another upstream, is not slowed down by what befell this one.
  if (verdict.kind !== 'upstream_fault') return AT_ONCE;
  if (attempt.upstreams > 1) return AT_ONCE;
  if (verdict.ambiguous) return GIVE_UP;
  const delayMs = cooldownMs(RETRY_BASE_MS, attempt.attempt - 1, RETRY_MAX_MS, attempt.random);
  if (attempt.timeLeftMs !== undefined && delayMs >= attempt.timeLeftMs) return GIVE_UP;
  return { action: 'again', delayMs };
}
