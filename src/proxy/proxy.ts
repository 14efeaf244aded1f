// The conductor: one request from permit to last byte. A loop whose body is one attempt;
// policy/retry alone decides whether to go again. Nothing that is called from here calls back.

import type { Config } from '../config/config.ts';
import type { Logger } from '../log/log.ts';
import { type NextStep, nextStep } from '../policy/retry.ts';
import type { Fault, Verdict } from '../policy/verdict.ts';
import type { AttemptCounts } from '../pool/counts/attempt-counts.ts';
import type { WorkerCounters } from '../pool/counts/counters.ts';
import type { KeyPool, Unavailable } from '../pool/key-pool.ts';
import type { Lease } from '../pool/lease.ts';
import type { Semaphore } from '../pool/semaphore.ts';
import type { Deadlines } from '../upstream/deadlines.ts';
import { faultMessage } from '../upstream/faults.ts';
import type { Answers } from './answer.ts';
import type { Attempts, Judged } from './attempt.ts';
import { type ReplayBudget, type RequestBody, readBody } from './body.ts';
import type { Exchange } from './exchange.ts';
import type { HeldAnswer } from './held-answer.ts';
import { Plan } from './plan.ts';
import { CONCURRENCY_LIMIT, withoutAnswer, withoutKey } from './refusals.ts';
import type { Tunnels } from './tunnel.ts';
import { logConsequences } from './verdict-log.ts';

/** Faults of one upstream are described at most this often; the access log counts them all. */
const FAULT_LOG_PAUSE_MS = 5_000;

/** What the conductor conducts. */
export interface ProxyParts {
  readonly config: Config;
  readonly pool: KeyPool;
  readonly permits: Semaphore;
  readonly counters: WorkerCounters;
  readonly attemptCounts: AttemptCounts;
  readonly attempts: Attempts;
  readonly answers: Answers;
  readonly tunnels: Tunnels;
  readonly budget: ReplayBudget;
  readonly deadlines: Deadlines;
  readonly log: Logger;
}

/**
 * An answer kept while another attempt may bring a better one, with the key that must not leave.
 */
interface Kept {
  readonly held: HeldAnswer;
  readonly key: string;
}

/** What the attempts of a request have come to so far. */
interface Tried {
  readonly plan: Plan;
  readonly kept: Kept | undefined;
  readonly fault: Fault | undefined;
}

/** The attempt whose answer is relayed. */
interface Source {
  readonly lease: Lease;
  readonly startMs: number;
  readonly succeeded: boolean;
}

const RELAY: NextStep = { action: 'relay' };

/** Proxies requests for one worker. */
export class RequestProxy {
  readonly #parts: ProxyParts;
  readonly #quietUntilMs = new Map<number, number>();

  constructor(parts: ProxyParts) {
    this.#parts = parts;
  }

  /** Settles when the exchange is over; faults of upstreams and clients never reject. */
  async handle(exchange: Exchange): Promise<void> {
    const { permits, counters, budget, config } = this.#parts;
    const permit = permits.acquire();
    if (permit < 0) {
      counters.add('rejected');
      return this.#parts.answers.refuse(exchange, CONCURRENCY_LIMIT);
    }
    counters.add('inFlight');
    try {
      const body = await readBody(exchange.request, exchange.response, budget);
      if (body === undefined) return;
      exchange.bytesIn = body.source === undefined ? body.bytes : announcedBytes(exchange, body);
      try {
        await this.#attempts(exchange, new Plan(exchange, body, config));
      } finally {
        budget.giveBack(body.bytes);
      }
    } finally {
      permits.release(permit);
      counters.add('inFlight', -1);
    }
  }

  async #attempts(exchange: Exchange, plan: Plan): Promise<void> {
    const { pool, config } = this.#parts;
    let kept: Kept | undefined;
    let fault: Fault | undefined;
    // nextStep ends the loop after MAX_RETRIES; the bound is its guarantee made visible.
    for (let attempt = 1; attempt <= config.maxRetries + 1; attempt += 1) {
      const lease = pool.lease(plan, Date.now());
      if (lease.kind === 'unavailable') {
        return this.#noKey(exchange, { plan, kept, fault }, lease);
      }
      using _ = lease;
      const startMs = this.#parts.deadlines.touch();
      const judged = await this.#attempt(exchange, plan, lease);
      fault = judged.fault;
      if (judged.held !== undefined) {
        kept?.held.discard();
        kept = { held: judged.held, key: lease.key };
      }
      const succeeded = judged.verdict.kind === 'success';
      const step = succeeded ? RELAY : this.#nextStep(plan, judged.verdict, attempt);
      if (step.action === 'again') {
        if (!(await this.#pause(exchange, step.delayMs))) break;
        continue;
      }
      if (judged.verdict.kind === 'excluded') break;
      if (kept === undefined) {
        return this.#parts.answers.refuse(exchange, withoutAnswer(fault));
      }
      // Awaited here: the lease ends with this block, and not before the answer does.
      return await this.#relay(exchange, kept, {
        lease,
        startMs,
        succeeded,
      });
    }
    kept?.held.discard();
  }

  async #attempt(exchange: Exchange, plan: Plan, lease: Lease): Promise<Judged> {
    const { attempts, attemptCounts, counters, deadlines, log } = this.#parts;
    const startMs = deadlines.nowMs;
    const judged = await attempts.make(exchange, plan, lease);
    const { verdict, fault } = judged;
    const answerPending = verdict.kind === 'success';
    logConsequences(log, lease, lease.settle(verdict, Date.now(), answerPending));
    attemptCounts.add(lease.upstream.index, verdict.kind);
    if (exchange.attempts.length > 0) counters.add('retries');
    plan.tried(lease, verdict);
    const reason = 'reason' in verdict ? ` ${verdict.reason}` : '';
    exchange.attempts.push({
      upstream: lease.upstream.href,
      key: lease.keyPreview,
      verdict: `${verdict.kind}${reason}`,
      ms: deadlines.touch() - startMs,
    });
    if (fault !== undefined && verdict.kind === 'upstream_fault') this.#tellFault(lease, fault);
    return judged;
  }

  /** Details of a fault, for people; of a dead upstream not more often than they can read. */
  #tellFault(lease: Lease, fault: Fault): void {
    const { log, deadlines } = this.#parts;
    const { index, href } = lease.upstream;
    if (deadlines.nowMs < (this.#quietUntilMs.get(index) ?? 0)) return;
    this.#quietUntilMs.set(index, deadlines.nowMs + FAULT_LOG_PAUSE_MS);
    log.warn('upstream fault', { upstream: href, fault: fault.message });
  }

  #nextStep(plan: Plan, verdict: Verdict, attempt: number) {
    const { config, pool } = this.#parts;
    return nextStep({
      verdict,
      attempt,
      maxRetries: config.maxRetries,
      replayable: plan.body.source === undefined,
      committed: false,
      upstreams: 1 + pool.freshUpstreams(plan),
      random: Math.random,
    });
  }

  /** Waits before the next attempt; false when the client left meanwhile. */
  #pause(exchange: Exchange, delayMs: number): Promise<boolean> {
    if (delayMs <= 0) return Promise.resolve(!exchange.clientLeft);
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(!exchange.clientLeft), delayMs);
      exchange.onClientLeft = () => {
        clearTimeout(timer);
        resolve(false);
      };
    });
  }

  async #relay(exchange: Exchange, kept: Kept, from: Source): Promise<void> {
    const { answers, counters, tunnels, log } = this.#parts;
    const { held, key } = kept;
    const isTunnel = held.answer.status === 101;
    const streams = Number(held.isStream || isTunnel);
    counters.add('openStreams', streams);
    const fault = isTunnel
      ? await tunnels.run(exchange, held, key)
      : await answers.send(exchange, held, key, from.startMs);
    counters.add('openStreams', -streams);
    const broke = fault !== undefined && fault !== 'client_left';
    if (broke || from.succeeded) {
      logConsequences(log, from.lease, from.lease.answerEnded(broke, Date.now()));
    }
    if (fault === undefined) return;
    exchange.ended = broke ? `truncated ${fault}` : 'client_left';
    if (!broke) return;
    log.warn('answer broke off', {
      upstream: from.lease.upstream.href,
      fault: faultMessage(fault),
      id: exchange.id,
    });
  }

  /**
   * No key to try (any more): what an earlier attempt brought if there was one, else 429 or 503.
   */
  async #noKey(exchange: Exchange, { plan, kept, fault }: Tried, none: Unavailable): Promise<void> {
    const { answers, deadlines } = this.#parts;
    if (kept !== undefined) {
      const broke = await answers.send(exchange, kept.held, kept.key, deadlines.touch());
      if (broke !== undefined) exchange.ended = broke;
    } else if (fault !== undefined) answers.refuse(exchange, withoutAnswer(fault));
    else answers.refuse(exchange, withoutKey(none, plan.model, Date.now()));
  }
}

/** A body that streams through is counted by its announcement; a chunked one by what was kept. */
function announcedBytes(exchange: Exchange, body: RequestBody): number {
  return Number(exchange.request.headers['content-length'] ?? body.bytes);
}
