// The conductor: one request from permit to last byte. A loop whose body is one attempt;
// policy/retry alone decides whether to go again. Nothing that is called from here calls back.

import type { Logger } from '../log/log.ts';
import { leavesBase } from '../policy/request-target.ts';
import { type NextStep, nextStep } from '../policy/retry.ts';
import type { Fault, Verdict } from '../policy/verdict.ts';
import type { WorkerCounters } from '../pool/counts/counters.ts';
import type { Group } from '../pool/group.ts';
import type { Unavailable } from '../pool/key-pool.ts';
import type { Lease } from '../pool/lease.ts';
import type { Semaphore } from '../pool/semaphore.ts';
import type { Deadlines } from '../upstream/deadlines.ts';
import { faultMessage } from '../upstream/faults.ts';
import type { Accounting } from './accounting.ts';
import type { Answers, Sent } from './answer/answer.ts';
import {
  CLIMBING_TARGET,
  CONCURRENCY_LIMIT,
  OUT_OF_DESCRIPTORS,
  withoutAnswer,
  withoutKey,
} from './answer/own-errors.ts';
import type { Attempts, Judged } from './attempt.ts';
import { AttemptHistory } from './attempt-history.ts';
import { attemptRecord } from './attempt-record.ts';
import { type ReplayBudget, type RequestBody, readBody, shortBodyArrived } from './body.ts';
import type { Exchange } from './exchange.ts';
import { Plan } from './plan.ts';
import { inLine, type Wait } from './queue.ts';
import { readAnswer, rememberFound, rememberHeld } from './resources.ts';
import type { Routing } from './routing.ts';
import {
  BUSY,
  drop,
  fallBack,
  firstToReturn,
  isCrowded,
  isReplayable,
  type Kept,
  noteBusy,
  type Tries,
} from './tries.ts';
import type { Tunnels } from './tunnel.ts';
import { logConsequences } from './verdict-log.ts';

/** Faults of one upstream are described at most this often; the access log counts them all. */
const FAULT_LOG_PAUSE_MS = 5_000;

/** What the conductor conducts. */
export interface ProxyParts {
  readonly permits: Semaphore;
  readonly counters: WorkerCounters;
  readonly attempts: Attempts;
  readonly answers: Answers;
  readonly tunnels: Tunnels;
  readonly budget: ReplayBudget;
  /** Where requests wait for a permit, and how long; 0: they do not. */
  readonly queue: Omit<Wait, 'exchange'>;
  readonly accounting: Accounting;
  readonly deadlines: Deadlines;
  /** Milliseconds by the steady clock, on which keys rest and limits count. */
  readonly now: () => number;
  readonly log: Logger;
}

const RELAY: NextStep = { action: 'relay' };

/** Proxies requests for one worker. */
export class RequestProxy {
  readonly #parts: ProxyParts;
  /** By base URL. */
  readonly #quietUntilMs = new Map<string, number>();

  constructor(parts: ProxyParts) {
    this.#parts = parts;
  }

  /**
   * Serves a request with the keys of its group, and of those that stand in for it. Settles when
   * the exchange is over; faults of upstreams and clients never reject.
   * @param forced the group that the path names
   */
  async handle(exchange: Exchange, routing: Routing, forced: Group | undefined): Promise<void> {
    const { permits, counters, budget, queue } = this.#parts;
    const waits = queue.limitMs > 0;
    const isCrowded = waits && queue.line.length > 0;
    let permit = isCrowded ? -1 : permits.acquire();
    if (permit < 0 && waits) permit = await this.#waitForPermit(exchange);
    if (permit < 0) {
      if (exchange.clientLeft) return;
      counters.add('rejected');
      return this.#parts.answers.refuse(exchange, CONCURRENCY_LIMIT);
    }
    counters.add('inFlight');
    try {
      const arrived = shortBodyArrived(exchange);
      if (arrived !== undefined) await arrived;
      const read = readBody(exchange, budget);
      const body = read instanceof Promise ? await read : read;
      if (body === undefined) return;
      try {
        await this.#serve(exchange, routing, new Plan(exchange, body), forced);
      } finally {
        budget.giveBack(body.bytes);
      }
    } finally {
      permits.release(permit);
      if (waits) queue.line.call();
      counters.add('inFlight', -1);
    }
  }

  async #waitForPermit(exchange: Exchange): Promise<number> {
    const { permits, queue } = this.#parts;
    const permit = await inLine({ ...queue, exchange }, () => {
      const found = permits.acquire();
      return found < 0 ? { retryAtMs: null } : { found };
    });
    return permit ?? -1;
  }

  #serve(
    exchange: Exchange,
    routing: Routing,
    plan: Plan,
    forced: Group | undefined,
  ): Promise<void> | undefined {
    exchange.streamed = plan.streamed;
    const group = routing.groupFor(plan, exchange.client, forced);
    if ('code' in group) {
      exchange.model = plan.model;
      this.#parts.answers.refuse(exchange, group);
      return undefined;
    }
    const tries: Tries = {
      group,
      fallback: routing.fallbackOf(group).values(),
      plan,
      history: new AttemptHistory(plan, group),
      startMs: 0,
      kept: undefined,
      relayed: undefined,
      latestKept: false,
      fault: undefined,
      none: undefined,
      busy: undefined,
    };
    return this.#loop(exchange, tries);
  }

  async #loop(exchange: Exchange, tries: Tries): Promise<void> {
    try {
      // nextStep ends a group's attempts after MAX_RETRIES and MAX_KEY_SWITCHES, and so many groups
      // there are.
      for (;;) {
        const { pool, name } = tries.group;
        exchange.groupName = name;
        let lease = isCrowded(tries) ? BUSY : pool.lease(tries.history, this.#parts.now());
        if (lease.kind === 'unavailable') {
          tries.none = firstToReturn(tries.none, lease);
          noteBusy(tries, lease);
          if (fallBack(tries)) continue;
          lease = await this.#waitForKey(exchange, tries, tries.none);
          if (lease.kind === 'unavailable') return await this.#noKey(exchange, tries, lease);
        }
        if (leavesBase(lease.upstream.basePath, exchange.target)) {
          lease[Symbol.dispose]();
          return this.#parts.answers.refuse(exchange, CLIMBING_TARGET);
        }
        const verdict = await this.#attempt(exchange, tries, lease);
        const step = this.#stepAfter(exchange, tries, lease, verdict);
        if (step.action === 'again') {
          if (!(await this.#pause(exchange, step.delayMs))) return;
          continue;
        }
        if (verdict.kind === 'excluded') return this.#excluded(exchange, tries);
        if (step.action === 'relay' || !isReplayable(tries) || !fallBack(tries)) {
          const relayed = this.#relayKept(exchange, tries);
          if (relayed !== undefined) await relayed;
          return;
        }
      }
    } finally {
      tries.relayed?.[Symbol.dispose]();
      drop(tries.kept);
      this.#parts.accounting.ended(exchange, tries.plan);
    }
  }

  #stepAfter(exchange: Exchange, tries: Tries, lease: Lease, verdict: Verdict): NextStep {
    this.#uncharge(tries.plan.body);
    if (verdict.kind !== 'success') return this.#nextStep(tries, verdict);
    if (tries.history.isSearching) rememberFound(lease, exchange.target.path);
    return RELAY;
  }

  /** The attempt's end was nobody's fault but the client's, or this machine's. */
  #excluded(exchange: Exchange, tries: Tries): void {
    if (tries.fault?.code !== 'descriptors') return;
    this.#parts.answers.refuse(exchange, OUT_OF_DESCRIPTORS);
  }

  /** A lease of the first group whose keys are only busy, if one becomes free in time. */
  async #waitForKey(
    exchange: Exchange,
    tries: Tries,
    none: Unavailable,
  ): Promise<Lease | Unavailable> {
    const { busy } = tries;
    const line = busy?.group.waitingLine;
    // With something to answer it does not wait for better, holding a key that others wait for.
    const hasAnswer = tries.kept !== undefined || tries.fault !== undefined;
    if (busy === undefined || line === undefined || hasAnswer) return none;
    const { group, history } = busy;
    let last = none;
    const limitMs = group.settings.queueTimeoutMs;
    const isFree = () => group.pool.hasAvailable;
    const { now } = this.#parts;
    // Whoever is first is to look when this one's key returns, and passes on what is not for it.
    if (none.retryAtMs !== null) line.expect(none.retryAtMs, now());
    const lease = await inLine({ line, limitMs, now, exchange, isFree }, () => {
      const found = group.pool.lease(history, now());
      if (found.kind === 'lease') return { found };
      last = found;
      return found;
    });
    if (lease === undefined) return last;
    tries.group = group;
    tries.history = history;
    tries.busy = undefined;
    exchange.groupName = group.name;
    return lease;
  }

  /** A body that is streamed through is gone once it was sent: its beginning is kept no longer. */
  #uncharge(body: RequestBody): void {
    if (body.source === undefined) return;
    this.#parts.budget.giveBack(body.bytes);
    body.bytes = 0;
  }

  async #attempt(exchange: Exchange, tries: Tries, lease: Lease): Promise<Verdict> {
    const { attempts, deadlines } = this.#parts;
    tries.startMs = deadlines.touch();
    let departure: Disposable | undefined;
    // Not by `using`: what it is compiled to costs 0.1 us.
    try {
      const call = attempts.begin(exchange, tries.plan, lease);
      // Also while an answer is held: its body breaks off then, which ends the hold.
      departure = exchange.whenClientLeaves(() => call.abort('client_left'));
      const judging = attempts.judge(exchange, await call.outcome, lease);
      const judged = judging instanceof Promise ? await judging : judging;
      return this.#judged(exchange, tries, lease, judged);
    } finally {
      departure?.[Symbol.dispose]();
      if (tries.kept?.lease !== lease) lease[Symbol.dispose]();
    }
  }

  /** The attempt is over: what it says of key and upstream is told to those that it concerns. */
  #judged(exchange: Exchange, tries: Tries, lease: Lease, judged: Judged): Verdict {
    const { counters, deadlines, now, log } = this.#parts;
    const { verdict, fault, held } = judged;
    const { startMs } = tries;
    const changes =
      verdict.kind === 'success' ? lease.answerBegan(now()) : lease.settle(verdict, now());
    logConsequences(log, lease, changes);
    lease.group.attempts.add(lease.upstream.index, verdict.kind);
    if (exchange.attempts.length > 0) counters.add('retries');
    tries.history.add(lease, verdict);
    tries.fault = fault;
    exchange.keyRow = lease.row;
    const endMs = deadlines.touch();
    exchange.attempts.push(attemptRecord(exchange, lease, judged, { startMs, endMs, changes }));
    if (fault !== undefined && isTold(verdict, fault)) this.#tellFault(lease, fault);
    tries.latestKept = held !== undefined;
    if (held !== undefined) {
      drop(tries.kept);
      tries.kept = { held, lease, startMs };
    }
    return verdict;
  }

  /** Details of a fault, for people; of a dead upstream not more often than they can read. */
  #tellFault(lease: Lease, fault: Fault): void {
    const { log, deadlines } = this.#parts;
    const { href } = lease.upstream;
    if (deadlines.nowMs < (this.#quietUntilMs.get(href) ?? 0)) return;
    this.#quietUntilMs.set(href, deadlines.nowMs + FAULT_LOG_PAUSE_MS);
    log.warn('upstream fault', { upstream: href, fault: fault.message });
  }

  #nextStep(tries: Tries, verdict: Verdict) {
    const { group, history } = tries;
    return nextStep({
      verdict,
      faults: history.faults,
      switches: history.switches,
      maxRetries: group.settings.maxRetries,
      maxKeySwitches: group.settings.maxKeySwitches,
      replayable: isReplayable(tries),
      isSearching: history.isSearching,
      upstreams: 1 + group.pool.freshUpstreams(history),
      random: Math.random,
    });
  }

  /** Waits before the next attempt; false when the client disconnected meanwhile. */
  async #pause(exchange: Exchange, delayMs: number): Promise<boolean> {
    if (delayMs > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, delayMs);
      using _ = exchange.whenClientLeaves(resolve);
      await promise;
      clearTimeout(timer);
    }
    return !exchange.clientLeft;
  }

  /** The best answer there is, or an error of our own; what is short is through at once. */
  #relayKept(exchange: Exchange, tries: Tries): Promise<void> | undefined {
    const { kept, plan } = tries;
    if (kept === undefined) {
      this.#parts.answers.refuse(exchange, withoutAnswer(tries.fault));
      return undefined;
    }
    // From here on the relay ends the answer; its lease ends with it, and not before.
    tries.kept = undefined;
    tries.relayed = kept.lease;
    const sent = this.#relay(exchange, kept, tries.latestKept);
    if (sent instanceof Promise) {
      return sent.then((fault) => this.#relayed(exchange, plan, kept, fault));
    }
    this.#relayed(exchange, plan, kept, sent);
    return undefined;
  }

  #relay(
    exchange: Exchange,
    { held, lease, startMs }: Kept,
    isLatest: boolean,
  ): Sent | Promise<Sent> {
    const { answers, counters, deadlines, tunnels, accounting } = this.#parts;
    readAnswer(exchange, held, accounting.isOn);
    rememberHeld(exchange, lease, held);
    const isTunnel = held.answer.status === 101;
    // An answer that waited for later attempts has its time from now on.
    const fromMs = isLatest ? startMs : deadlines.touch();
    const sent = isTunnel
      ? tunnels.run(exchange, held, lease)
      : answers.send(exchange, held, lease, fromMs);
    if (!(sent instanceof Promise) || !(held.isStream || isTunnel)) return sent;
    counters.add('openStreams');
    return sent.finally(() => counters.add('openStreams', -1));
  }

  #relayed(exchange: Exchange, plan: Plan, { lease }: Kept, fault: Sent): void {
    const { accounting, log, now } = this.#parts;
    const broke = fault !== undefined && fault !== 'client_left';
    if (fault !== undefined) exchange.ended = broke ? `truncated ${fault}` : 'client_left';
    accounting.answered(exchange, plan, lease);
    logConsequences(log, lease, lease.answerEnded(broke, now()));
    if (!broke) return;
    log.warn('answer cut short', {
      upstream: lease.upstream.href,
      fault: faultMessage(fault),
      id: exchange.id,
    });
  }

  /**
   * No key to try (any more): what an earlier attempt brought if there was one, else 429 or 503.
   */
  #noKey(exchange: Exchange, tries: Tries, none: Unavailable): Promise<void> | undefined {
    if (exchange.clientLeft) return undefined;
    if (tries.kept !== undefined || tries.fault !== undefined) {
      tries.latestKept = false;
      return this.#relayKept(exchange, tries);
    }
    this.#parts.answers.refuse(exchange, withoutKey(none, tries.plan.model, this.#parts.now()));
    return undefined;
  }
}

/** Faults of upstreams, and the one of this process that its operator can mend. */
function isTold(verdict: Verdict, fault: Fault): boolean {
  return verdict.kind === 'upstream_fault' || fault.code === 'descriptors';
}
