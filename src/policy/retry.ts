// Whether to retry after an attempt, and how soon. Pure: the caller waits, picks key and upstream,
// and relays.

import { cooldownMs } from './cooldown.ts';
import type { Verdict } from './verdict.ts';

/** First wait when there is no other upstream to ask, doubled for each further attempt. */
const RETRY_BASE_MS = 100;
/** The longest wait between attempts. */
export const RETRY_MAX_MS = 2_000;

/** What the decision depends on. */
export interface Attempt {
  readonly verdict: Verdict;
  /** Attempts so far that ended in a fault of the upstream, and in a key's own verdict. */
  readonly faults: number;
  readonly switches: number;
  /** Further attempts allowed after a fault; 0: none after any. */
  readonly maxRetries: number;
  /** Attempts that may end in a key's own verdict, and be followed by another. */
  readonly maxKeySwitches: number;
  /** The whole body is at hand and can be sent once more. */
  readonly replayable: boolean;
  /**
   * What the request names may be known to another key: a 404 says only that it is not this one's.
   */
  readonly isSearching: boolean;
  /**
   * Upstreams that this request may still use and that had not failed it before this attempt, this
   * attempt's own included.
   */
  readonly upstreams: number;
  readonly random: () => number;
}

/** What is decided. */
export type NextStep =
  /** Hand this answer to the client. */
  | { readonly action: 'relay' }
  /** Lease again after the delay. */
  | { readonly action: 'again'; readonly delayMs: number }
  /**
   * Stop: the caller relays the upstream's last answer, or its own 502 or 504 when there is none.
   */
  | { readonly action: 'give_up' };

const RELAY: NextStep = { action: 'relay' };
const GIVE_UP: NextStep = { action: 'give_up' };

/** What to do after an attempt. Total: every verdict has an answer. */
export function nextStep(attempt: Attempt): NextStep {
  const { verdict } = attempt;
  if (verdict.kind === 'excluded') return GIVE_UP;
  if (verdict.kind === 'success') return RELAY;
  const isElsewhere = attempt.isSearching && 'reason' in verdict && verdict.reason === 'not_found';
  if (verdict.kind === 'client_fault' && !isElsewhere) return RELAY;
  if (!attempt.replayable) return GIVE_UP;
  if (attempt.maxRetries === 0) return GIVE_UP;
  // A key that is refused says nothing about the next one: such attempts have a count of their own.
  const isFault = verdict.kind === 'upstream_fault';
  const isSpent = isFault
    ? attempt.faults > attempt.maxRetries
    : attempt.switches > attempt.maxKeySwitches;
  if (isSpent) return GIVE_UP;
  const delayMs = delayBefore(attempt, verdict);
  return delayMs === null ? GIVE_UP : { action: 'again', delayMs };
}

/** How long to wait before the next attempt; null: there is nobody left to ask. */
function delayBefore(attempt: Attempt, verdict: Verdict): number | null {
  // Another key, or another upstream, is not slowed down by this one's fault.
  if (verdict.kind !== 'upstream_fault') return 0;
  // What failed on the way fails for every key and upstream alike.
  if (attempt.upstreams > 1 && !verdict.route) return 0;
  if (verdict.ambiguous) return null;
  const backoffMs = cooldownMs(RETRY_BASE_MS, attempt.faults - 1, RETRY_MAX_MS, attempt.random);
  // A client is waiting: a named time is honoured as far as that is bearable.
  return Math.max(backoffMs, Math.min(verdict.retryAfterMs ?? 0, RETRY_MAX_MS));
}
