// One attempt's hold on a key and an upstream. Settling it tells both how the attempt ended, and
// says what that changed so that it can be logged. Nothing is locked: a lease that never settles
// blames nobody.

import type { KeyEvent } from '../policy/key-breaker.ts';
import type { Reason } from '../policy/reason.ts';
import type { Verdict } from '../policy/verdict.ts';
import type { TotalName, WorkerCounters } from './counts/counters.ts';
import type { GroupView } from './group-view.ts';
import type { KeyText } from './key-texts.ts';
import type { KeyQuotas } from './limits/key-quotas.ts';
import type { WaitingLine } from './limits/waiting-line.ts';
import { ACCOUNT, LANES_FOR_RATE_LIMITS } from './table/lane-directory.ts';
import { isSpotless } from './table/status-word.ts';
import type { Upstream } from './upstreams/upstream-list.ts';
import type { UpstreamChoice } from './upstreams/upstream-pool.ts';

/** What settling changed, for the log. `model` null: for all models. Times: Unix milliseconds. */
export type Consequence =
  | { readonly kind: 'blacklisted'; readonly reason: Reason; readonly failCount: number }
  | {
      readonly kind: 'resting';
      readonly reason: Reason;
      readonly model: string | null;
      readonly untilMs: number;
    }
  | { readonly kind: 'restored' }
  | { readonly kind: 'upstream_ejected'; readonly reason: Reason; readonly untilMs: number }
  | { readonly kind: 'upstream_restored' };

/** What leases share within a worker. */
export interface LeaseHome {
  readonly group: GroupView;
  readonly counters: WorkerCounters;
  readonly random: () => number;
  /** Milliseconds by the steady clock (clock-memory.ts), as every `nowMs` here. */
  readonly now: () => number;
  /** Counts from 0, and is used by one living thread at a time. */
  readonly workerId: number;
  /** Who waits for a key that is busy; undefined: nobody does. */
  readonly waitingLine?: WaitingLine | undefined;
}

/** What a lease counts for among what its key may be asked. */
export interface Admission {
  readonly quotas: KeyQuotas;
  /** An estimate. */
  readonly tokens: number;
  readonly atMs: number;
}

/** Where a lease came from, and the eras it belongs to. */
export interface LeaseOrigin {
  readonly row: number;
  readonly text: KeyText;
  readonly model: string | undefined;
  readonly choice: UpstreamChoice;
  readonly generation: number;
  readonly lane: number;
  /** Which life of the lane, and which era of the row in it. */
  readonly laneLife: number;
  readonly laneGeneration: number;
  /** undefined: no key of the group has a limit. */
  readonly admission: Admission | undefined;
}

const NOTHING: readonly Consequence[] = [];
const SUCCESS: Verdict = { kind: 'success' };
const BROKE_OFF: Verdict = {
  kind: 'upstream_fault',
  reason: 'connection_reset',
  retryAfterMs: null,
  ambiguous: true,
  route: false,
};

/** Spelled out: a name put together for each attempt would be looked up as slowly as it is made. */
const COUNTED_AS = {
  success: 'attempt.success',
  key_dead: 'attempt.key_dead',
  key_cooldown: 'attempt.key_cooldown',
  model_access: 'attempt.model_access',
  upstream_fault: 'attempt.upstream_fault',
  client_fault: 'attempt.client_fault',
  excluded: 'attempt.excluded',
} as const satisfies Record<Verdict['kind'], TotalName>;

export class Lease {
  readonly kind = 'lease';
  readonly #home: LeaseHome;
  readonly #origin: LeaseOrigin;
  #isSettled = false;
  #upstreamPending = false;
  #isOpen = true;

  constructor(home: LeaseHome, origin: LeaseOrigin) {
    this.#home = home;
    this.#origin = origin;
    home.counters.add('openLeases');
  }

  /** Whose key it is. */
  get group(): GroupView {
    return this.#home.group;
  }

  get row(): number {
    return this.#origin.row;
  }

  /** The whole key: for the credential header, and for nothing that anyone reads. */
  get key(): string {
    return this.#origin.text.key;
  }

  get keyPreview(): string {
    return this.#origin.text.preview;
  }

  get upstream(): Upstream {
    return this.#origin.choice.upstream;
  }

  /**
   * The upstream has begun a success: the key has proved itself, the upstream will have when the
   * answer is over ({@link answerEnded}), lest one that always breaks off pass for healthy.
   */
  answerBegan(nowMs: number): readonly Consequence[] {
    if (!this.#countOnce(SUCCESS)) return NOTHING;
    this.#upstreamPending = true;
    return consequences(this.#settleKey(SUCCESS, nowMs), null);
  }

  /**
   * Tells key and upstream how the attempt ended. The first verdict counts, further ones do
   * nothing.
   */
  settle(verdict: Verdict, nowMs: number): readonly Consequence[] {
    if (!this.#countOnce(verdict)) return NOTHING;
    const ofUpstream = this.#settleUpstream(verdict, nowMs);
    return consequences(this.#settleKey(verdict, nowMs), ofUpstream);
  }

  /**
   * The relayed answer is over. One that broke off is its upstream's fault, whatever the verdict
   * was; one that came whole completes a success.
   */
  answerEnded(broke: boolean, nowMs: number): readonly Consequence[] {
    if (!broke && !this.#upstreamPending) return NOTHING;
    this.#upstreamPending = false;
    return consequences(null, this.#settleUpstream(broke ? BROKE_OFF : SUCCESS, nowMs));
  }

  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#home.counters.add('openLeases', -1);
    const { admission, row } = this.#origin;
    if (admission?.quotas.leave(row, this.#home.workerId)) {
      this.#home.group.table.aside?.reconsider(row, this.#home.now());
      this.#home.waitingLine?.call();
    }
  }

  /** What the answer says that it used takes the place of the estimate. */
  settleTokens(used: number): void {
    const { admission, row } = this.#origin;
    if (admission === undefined) return;
    const { quotas, tokens, atMs } = admission;
    quotas.settleTokens(row, atMs, tokens, used);
    if (used >= tokens) return;
    this.#home.group.table.aside?.reconsider(row, this.#home.now());
    this.#home.waitingLine?.call();
  }

  #countOnce(verdict: Verdict): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.#home.counters.add(COUNTED_AS[verdict.kind]);
    return true;
  }

  #settleKey(verdict: Verdict, nowMs: number): Consequence | null {
    const { random } = this.#home;
    const { generation } = this.#origin;
    switch (verdict.kind) {
      case 'success':
        return this.#succeed(nowMs);
      case 'key_dead': {
        const event = { kind: 'rejected', generation, nowMs, random } as const;
        return this.#change(ACCOUNT, event, verdict.reason, nowMs);
      }
      case 'key_cooldown': {
        const { retryAfterMs, isPeriodEnd, reason } = verdict;
        const named = { retryAfterMs, isPeriodEnd, random };
        const event = { kind: 'cooldown', generation, nowMs, ...named } as const;
        if (verdict.scope === 'account') return this.#change(ACCOUNT, event, reason, nowMs);
        const place = this.#placeToRest(0, nowMs);
        if (place === null) return this.#restApart(event, reason, nowMs);
        const own = { ...event, generation: place.generation };
        return this.#change(place.lane, own, reason, nowMs);
      }
      case 'model_access': {
        const place = this.#placeToRest(LANES_FOR_RATE_LIMITS, nowMs);
        const event = { kind: 'no_access', generation: place?.generation ?? 0, nowMs } as const;
        if (place === null) return this.#restApart(event, verdict.reason, nowMs);
        return this.#change(place.lane, event, verdict.reason, nowMs);
      }
      case 'upstream_fault':
      case 'client_fault':
      case 'excluded':
        // The generation of a claimed probe is spent; the key stays dead until the next probe is
        // due.
        return null;
      default:
        return verdict satisfies never;
    }
  }

  /** A rest for a model that has no lane; without a model it is the whole account's. */
  #restApart(event: KeyEvent, reason: Reason, nowMs: number): Consequence | null {
    const { table } = this.#home.group;
    const { model, row, choice } = this.#origin;
    if (model === undefined) {
      return event.kind === 'no_access' ? null : this.#change(ACCOUNT, event, reason, nowMs);
    }
    const local = { ...event, nowMs: table.sinceEpoch(nowMs) } as KeyEvent;
    const status = table.applyApart(model, row, local, nowMs);
    if (status === null) return null;
    table.rows.blamed[row] = choice.upstream.index;
    return { kind: 'resting', reason, model, untilMs: table.wallTime(status.untilMs) };
  }

  #succeed(nowMs: number): Consequence | null {
    const { table } = this.#home.group;
    const { row, generation, lane, laneGeneration } = this.#origin;
    Atomics.add(table.rows.served, row, 1);
    let restored: Consequence | null = null;
    if (!isSpotless(table.account.words.low(row))) {
      restored = this.#change(ACCOUNT, { kind: 'success', generation }, 'none', nowMs);
    }
    if (lane !== ACCOUNT && this.#laneLives() && !isSpotless(table.lane(lane).words.low(row))) {
      this.#change(lane, { kind: 'success', generation: laneGeneration }, 'none', nowMs);
    }
    const { model } = this.#origin;
    if (model !== undefined && table.mayRestApart(model)) {
      table.applyApart(model, row, { kind: 'success', generation: 0 }, nowMs);
    }
    return restored;
  }

  /**
   * The lane in which this key rests for this model, and the row's era there as the lease saw it.
   */
  #placeToRest(reserve: number, nowMs: number): { lane: number; generation: number } | null {
    const { table } = this.#home.group;
    const { model, lane, laneGeneration } = this.#origin;
    if (lane !== ACCOUNT && this.#laneLives()) return { lane, generation: laneGeneration };
    if (model === undefined) return null;
    const made = table.laneToRest(model, reserve, table.tick(nowMs));
    // Leased before the lane was made: it knew the row's first era, 0, and no later one.
    return made === ACCOUNT ? null : { lane: made, generation: 0 };
  }

  #laneLives(): boolean {
    const { lane, laneLife } = this.#origin;
    const { directory } = this.#home.group.table;
    return directory.isActive(lane) && directory.generation(lane) === laneLife;
  }

  #change(lane: number, event: KeyEvent, reason: Reason, nowMs: number): Consequence | null {
    const { table, upstreams } = this.#home.group;
    const { row, choice } = this.#origin;
    const local = 'nowMs' in event ? { ...event, nowMs: table.sinceEpoch(nowMs) } : event;
    const change = table.apply(lane, row, local, { nowTick: table.tick(nowMs), reason });
    if (change === null) return null;
    const { state, untilMs, deadCount } = change.after;
    if (state === 'ready') return change.before.state === 'dead' ? { kind: 'restored' } : null;
    table.rows.blamed[row] = choice.upstream.index;
    if (lane === ACCOUNT && state === 'dead') {
      // A probe that failed is no news.
      if (change.before.state === 'dead') return null;
      Atomics.add(upstreams.list.rejections, choice.upstream.index, 1);
      return { kind: 'blacklisted', reason, failCount: deadCount };
    }
    const model = lane === ACCOUNT ? null : (this.#origin.model ?? null);
    return { kind: 'resting', reason, model, untilMs: table.wallTime(untilMs) };
  }

  #settleUpstream(verdict: Verdict, nowMs: number): Consequence | null {
    const { random, group } = this.#home;
    const { upstreams } = group;
    const { upstream, generation } = this.#origin.choice;
    if (verdict.kind === 'excluded') return null;
    if (verdict.kind !== 'upstream_fault') {
      // Whatever it said about key or request, it answered.
      if (verdict.kind === 'success') upstreams.trust(upstream.index);
      const change = upstreams.settle(upstream.index, { kind: 'alive', generation });
      const isBack = change !== null && change.before.state !== 'closed';
      return isBack ? { kind: 'upstream_restored' } : null;
    }
    if (verdict.route) return null;
    const { retryAfterMs, reason } = verdict;
    const event = { kind: 'fault', generation, nowMs, retryAfterMs, random } as const;
    const change = upstreams.settle(upstream.index, event);
    if (change === null || change.after.state !== 'open') return null;
    const { untilMs } = upstreams.status(upstream.index);
    return { kind: 'upstream_ejected', reason, untilMs };
  }
}

function consequences(ofKey: Consequence | null, ofUpstream: Consequence | null) {
  if (ofKey === null && ofUpstream === null) return NOTHING;
  return [ofKey, ofUpstream].filter((consequence) => consequence !== null);
}
