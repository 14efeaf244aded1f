// How a key's status changes: a pure reducer, the only place that decides it. Knows nothing of
// shared memory, of models or of time's source; what an answer meant is classify.ts.
//
// The generation counts eras: every rest, death, claimed probe or reset begins a new one. A result
// of an older era is late news and changes nothing, so ten concurrent 429s on one key count once
// (the idea is sony/gobreaker's). A success does not begin an era: it confirms the one it belongs
// to.

import { cooldownMs } from './cooldown.ts';

/** Vacant: a row without a key. */
export type KeyState = 'ready' | 'cooling' | 'dead' | 'vacant';

/**
 * What is remembered about a key, for its whole account or for one model. Times count from the
 * table's epoch.
 */
export interface KeyStatus {
  readonly state: KeyState;
  /** Rests in a row: the exponent of the backoff. */
  readonly restCount: number;
  /** Rejections in a row, for BLACKLIST_THRESHOLD. */
  readonly deadCount: number;
  readonly generation: number;
  /** Cooling: until when it rests. Dead: when it may be probed next. 0 otherwise. */
  readonly untilMs: number;
}

/** What happens to a key. `generation` is the one that the lease saw. */
export type KeyEvent =
  | { readonly kind: 'success'; readonly generation: number }
  | {
      readonly kind: 'cooldown';
      readonly generation: number;
      readonly nowMs: number;
      readonly retryAfterMs: number | null;
      /** The moment named is the end of a quota's day or month. */
      readonly isPeriodEnd?: boolean | undefined;
      readonly random: () => number;
    }
  | {
      readonly kind: 'rejected';
      readonly generation: number;
      readonly nowMs: number;
      readonly random: () => number;
    }
  | { readonly kind: 'no_access'; readonly generation: number; readonly nowMs: number }
  /**
   * One request takes the probe of a dead key, or of one whose long rest is over; `force`: although
   * the dead one is not due (half-open).
   */
  | { readonly kind: 'claim_probe'; readonly nowMs: number; readonly force: boolean }
  /** The upstream is suspected, not the key: probe it at `untilMs` if that is sooner. */
  | { readonly kind: 'bring_forward'; readonly untilMs: number }
  | { readonly kind: 'reset' }
  | { readonly kind: 'vacate' }
  | { readonly kind: 'restore'; readonly status: Omit<KeyStatus, 'generation'> }
  /** Another instance tells; `generation` is the era that it knew of: -1, it knew none. */
  | {
      readonly kind: 'heard';
      readonly generation: number;
      readonly status: Omit<KeyStatus, 'generation'>;
    };

export interface KeyLimits {
  readonly blacklistThreshold: number;
  readonly keyCooldownMs: number;
  readonly keyCooldownMaxMs: number;
  /** The longest rest that an upstream may ask for by naming a time. */
  readonly retryAfterMaxMs: number;
  readonly deadKeyProbeMs: number;
  readonly modelAccessMs: number;
}

/** A probe that is not back by then is taken for lost, and the next request may probe again. */
export const PROBE_CLAIM_MS = 120_000;
/**
 * Probes spread over this part of their interval, lest a thousand dead keys be probed in one
 * second.
 */
const PROBE_JITTER = 0.1;

/** The status after `event`; the very same object when nothing changes. */
export function reduceKey(status: KeyStatus, event: KeyEvent, limits: KeyLimits): KeyStatus {
  if (status.state === 'vacant' && event.kind !== 'reset' && event.kind !== 'restore') {
    return status;
  }
  switch (event.kind) {
    case 'success':
      if (event.generation !== status.generation || isSpotless(status)) return status;
      return { ...SPOTLESS, generation: status.generation };
    case 'cooldown':
      return reduceCooldown(status, event, limits);
    case 'rejected':
      return reduceRejected(status, event, limits);
    case 'no_access': {
      if (event.generation !== status.generation) return status;
      const untilMs = event.nowMs + limits.modelAccessMs;
      return newEra(status, { state: 'dead', deadCount: status.deadCount + 1, untilMs });
    }
    case 'claim_probe': {
      if (!mayProbe(status, event)) return status;
      return newEra(status, { untilMs: event.nowMs + PROBE_CLAIM_MS });
    }
    case 'bring_forward':
      if (status.state !== 'dead' || status.untilMs <= event.untilMs) return status;
      return { ...status, untilMs: event.untilMs };
    case 'reset':
      return newEra(status, SPOTLESS);
    case 'vacate':
      return newEra(status, { ...SPOTLESS, state: 'vacant' });
    case 'restore':
      return newEra(status, event.status);
    case 'heard':
      return reduceHeard(status, event);
    default:
      return event satisfies never;
  }
}

const SPOTLESS = { state: 'ready', restCount: 0, deadCount: 0, untilMs: 0 } as const;

function isSpotless(status: KeyStatus): boolean {
  return status.state === 'ready' && status.restCount === 0 && status.deadCount === 0;
}

function newEra(status: KeyStatus, change: Partial<KeyStatus>): KeyStatus {
  return { ...status, ...change, generation: status.generation + 1 };
}

function mayProbe({ state, untilMs }: KeyStatus, event: ProbeEvent): boolean {
  if (state === 'dead') return event.force || untilMs <= event.nowMs;
  return state === 'cooling' && untilMs <= event.nowMs;
}

type ProbeEvent = Extract<KeyEvent, { kind: 'claim_probe' }>;

function reduceCooldown(
  status: KeyStatus,
  event: Extract<KeyEvent, { kind: 'cooldown' }>,
  limits: KeyLimits,
): KeyStatus {
  const { nowMs, random } = event;
  const mostMs = event.isPeriodEnd === true ? Number.POSITIVE_INFINITY : limits.retryAfterMaxMs;
  const namedMs = event.retryAfterMs === null ? null : Math.min(event.retryAfterMs, mostMs);
  if (event.generation !== status.generation) {
    // Late, so it does not count; but a moment that the upstream names is true whoever hears it.
    const untilMs = nowMs + (namedMs ?? 0);
    if (status.state !== 'cooling' || untilMs <= status.untilMs) return status;
    return newEra(status, { untilMs });
  }
  const restMs =
    namedMs ?? cooldownMs(limits.keyCooldownMs, status.restCount, limits.keyCooldownMaxMs, random);
  const restCount = status.restCount + 1;
  return newEra(status, { state: 'cooling', restCount, untilMs: nowMs + restMs });
}

function reduceRejected(
  status: KeyStatus,
  event: Extract<KeyEvent, { kind: 'rejected' }>,
  limits: KeyLimits,
): KeyStatus {
  if (event.generation !== status.generation) return status;
  const { nowMs, random } = event;
  const deadCount = status.deadCount + 1;
  if (status.state === 'dead' || deadCount >= limits.blacklistThreshold) {
    const probeMs = limits.deadKeyProbeMs * (1 + PROBE_JITTER * (2 * random() - 1));
    return newEra(status, { state: 'dead', deadCount, untilMs: nowMs + probeMs });
  }
  const { keyCooldownMs, keyCooldownMaxMs } = limits;
  const restMs = cooldownMs(keyCooldownMs, status.restCount, keyCooldownMaxMs, random);
  const restCount = status.restCount + 1;
  return newEra(status, { state: 'cooling', restCount, deadCount, untilMs: nowMs + restMs });
}

/**
 * News about a status that nothing has happened to since are the status. Where both sides learned
 * something at once, what is worse stays, and of two ends the later one.
 */
function reduceHeard(
  status: KeyStatus,
  { generation, status: heard }: Extract<KeyEvent, { kind: 'heard' }>,
): KeyStatus {
  const isSame = status.state === heard.state && status.untilMs === heard.untilMs;
  if (generation === status.generation) return isSame ? status : newEra(status, heard);
  if (heard.state === 'ready' || isSame) return status;
  if (status.state === 'ready') return newEra(status, heard);
  if (status.state !== heard.state) return heard.state === 'dead' ? newEra(status, heard) : status;
  return heard.untilMs > status.untilMs ? newEra(status, heard) : status;
}
