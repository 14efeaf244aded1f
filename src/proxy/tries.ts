// One request's way through its attempts, as the conductor keeps it: whose keys are being tried,
// what the best answer so far is, and which fallback is next when a group has no key to give.

import type { Fault } from '../policy/verdict.ts';
import type { Group } from '../pool/group.ts';
import type { Unavailable } from '../pool/key-pool.ts';
import type { Lease } from '../pool/lease.ts';
import type { HeldAnswer } from './answer/held-answer.ts';
import type { AttemptHistory } from './attempt-history.ts';
import type { Plan } from './plan.ts';

/**
 * An answer that may be relayed, with the lease that it came under: later attempts have leases of
 * their own, and are not to blame for how this answer ends.
 */
export interface Kept {
  readonly held: HeldAnswer;
  readonly lease: Lease;
  /** When its attempt began, in the coarse clock. */
  readonly startMs: number;
}

/** One request on its way through the loop. */
export interface Tries {
  /** Whose keys are being tried, and who is asked after it. */
  group: Group;
  readonly fallback: Iterator<Group>;
  readonly plan: Plan;
  history: AttemptHistory;
  /** When the latest attempt began, in the coarse clock. */
  startMs: number;
  kept: Kept | undefined;
  /** What the answer came under that is being relayed; it ends when all is over. */
  relayed: Lease | undefined;
  /** What is kept is the latest attempt's answer. */
  latestKept: boolean;
  /** Of the latest attempt, when it ended without an answer. */
  fault: Fault | undefined;
  /** Of the groups that had no key: the one that has one first. */
  none: Unavailable | undefined;
  /** The first group of these whose keys are only busy, and for which the request may wait. */
  busy: { readonly group: Group; readonly history: AttemptHistory } | undefined;
}

/** Goes on with the next group that stands in; false: there is none left. */
export function fallBack(tries: Tries): boolean {
  const next = tries.fallback.next();
  if (next.done) return false;
  tries.group = next.value;
  tries.history = tries.history.inGroup(next.value);
  return true;
}

/** Nobody has looked: others wait for the group's keys already. */
export const BUSY: Unavailable = { kind: 'unavailable', retryAtMs: 0, shortage: 'busy' };

/** A request does not look for a key before those that wait for one. */
export function isCrowded({ group, history }: Tries): boolean {
  const { waitingLine } = group;
  if (waitingLine === undefined || waitingLine.length === 0) return false;
  // What is free and nobody was called for, those that wait have no use for.
  const isTheirs = waitingLine.isCalling || !group.pool.hasAvailable;
  return isTheirs && history.triedRows.length === 0;
}

export function noteBusy(tries: Tries, { shortage }: Unavailable): void {
  if (shortage !== 'busy' || tries.group.waitingLine === undefined) return;
  tries.busy ??= { group: tries.group, history: tries.history };
}

export function firstToReturn(known: Unavailable | undefined, next: Unavailable): Unavailable {
  if (known === undefined || known.retryAtMs === null) return next;
  return next.retryAtMs === null || next.retryAtMs > known.retryAtMs ? known : next;
}

/** The whole body is at hand and can be sent once more. */
export function isReplayable({ plan }: Tries): boolean {
  return plan.body.source === undefined;
}

/** Gives up a kept answer, if there is one, and the hold on its key. */
export function drop(kept: Kept | undefined): void {
  kept?.held.discard();
  kept?.lease[Symbol.dispose]();
}
