// When an upstream is ejected and when it may come back: a pure reducer over consecutive faults.
// Which upstream a request goes to is pool/upstream-pool.ts; what counts as a fault is classify.ts.

import { cooldownMs } from './cooldown.ts';

/** `half_open`: ejected, but one request is on its way to see whether it is back. */
export type UpstreamState = 'closed' | 'open' | 'half_open';

/** What is remembered about an upstream. Times count from the table's epoch. */
export interface UpstreamStatus {
  readonly state: UpstreamState;
  /** Ejections in a row: the exponent of the backoff. */
  readonly trips: number;
  /** Faults in a row while closed. */
  readonly failures: number;
  readonly generation: number;
  /** Open: until when it is ejected. Half-open: when the trial is taken for lost. 0: closed. */
  readonly untilMs: number;
}

/** What happens to an upstream. `generation` is the one that the request's choice saw. */
export type UpstreamEvent =
  /** It answered, whatever it said about the key or the request. */
  | { readonly kind: 'alive'; readonly generation: number }
  | {
      readonly kind: 'fault';
      readonly generation: number;
      readonly nowMs: number;
      readonly retryAfterMs: number | null;
      readonly random: () => number;
    }
  | { readonly kind: 'claim_trial'; readonly nowMs: number };

export interface UpstreamLimits {
  readonly upstreamFailureThreshold: number;
  readonly upstreamCooldownMs: number;
}

/** No upstream is left alone for longer: an outage costs one trial per minute. */
export const UPSTREAM_COOLDOWN_MAX_MS = 60_000;
/** A trial that is not back by then is taken for lost, and the next request may try. */
export const TRIAL_CLAIM_MS = 10_000;

/** The status after `event`; the very same object when nothing changes. */
export function reduceUpstream(
  status: UpstreamStatus,
  event: UpstreamEvent,
  limits: UpstreamLimits,
): UpstreamStatus {
  switch (event.kind) {
    case 'alive':
      // Late news of an older era does not close the breaker (sony/gobreaker).
      if (event.generation !== status.generation || isSpotless(status)) return status;
      return {
        state: 'closed',
        trips: 0,
        failures: 0,
        generation: status.generation,
        untilMs: 0,
      };
    case 'fault': {
      if (event.generation !== status.generation || status.state === 'open') return status;
      const failures = status.failures + 1;
      if (status.state === 'closed' && failures < limits.upstreamFailureThreshold) {
        return { ...status, failures };
      }
      const { upstreamCooldownMs } = limits;
      const { trips, generation } = status;
      const max = Math.max(UPSTREAM_COOLDOWN_MAX_MS, upstreamCooldownMs);
      const backoffMs = cooldownMs(upstreamCooldownMs, trips, max, event.random);
      const restMs = Math.min(max, Math.max(backoffMs, event.retryAfterMs ?? 0));
      return {
        state: 'open',
        trips: trips + 1,
        failures,
        generation: generation + 1,
        untilMs: event.nowMs + restMs,
      };
    }
    case 'claim_trial':
      if (status.state === 'closed' || status.untilMs > event.nowMs) return status;
      return {
        ...status,
        state: 'half_open',
        // A second trial belongs to the era of the first, whose answer may only be slow.
        generation: status.generation + (status.state === 'open' ? 1 : 0),
        untilMs: event.nowMs + TRIAL_CLAIM_MS,
      };
    default:
      return event satisfies never;
  }
}

function isSpotless(status: UpstreamStatus): boolean {
  return status.state === 'closed' && status.failures === 0 && status.trips === 0;
}
