// Checks many keys at once: a bounded number of requests, some patience with faults, and an end to
// asking an upstream that does not answer. What is asked and what it means is key-check.ts.

import { setTimeout as sleep } from 'node:timers/promises';
import { classifyFault } from '../../policy/answers/classify.ts';
import type { Upstream } from '../../pool/upstreams/upstream-list.ts';
import { HeldAnswer } from '../../proxy/answer/held-answer.ts';
import type { Deadlines } from '../../upstream/deadlines.ts';
import type { Transport, UpstreamCall, UpstreamRequest } from '../../upstream/transport.ts';
import {
  type CheckRequest,
  type CheckResult,
  completionRequest,
  listRequest,
  resultOfAnswer,
  resultOfVerdict,
  unchecked,
} from './key-check.ts';

/** Waits before a key is asked for again after a fault; as long as its time (--timeout) lasts. */
const RETRY_DELAYS_MS: readonly number[] = [500, 1_500, 4_000];
/**
 * So many keys in a row that could not be checked, and no other was meanwhile: it is the upstream,
 * and the rest is not asked.
 */
const OUTAGE_KEYS = 20;
/** A long model list is read to its end for the sake of the connection, up to here. */
const MAX_DRAIN_BYTES = 4 * 1024 * 1024;

/** A key with where to ask. */
export interface CheckItem {
  readonly key: string;
  readonly upstream: Upstream;
}

export interface CheckSettings {
  /** Asked for one token after the list; undefined: the list alone. */
  readonly model: string | undefined;
  readonly concurrency: number;
  /** For one request, and for one key with its repetitions. */
  readonly timeoutMs: number;
  readonly random: () => number;
}

/** An upstream that was given up, and the number of keys that it was not asked about any more. */
export interface DownUpstream {
  readonly url: string;
  readonly notAsked: number;
}

/** How an upstream fares. */
interface Fate {
  /** Keys in a row that could not be checked. */
  failing: number;
  /** Keys that could. */
  answered: number;
  notAsked: number;
}

export class CheckRunner {
  readonly #transport: Transport;
  readonly #deadlines: Deadlines;
  readonly #settings: CheckSettings;
  readonly #calls = new Set<UpstreamCall>();
  readonly #ended = new AbortController();
  readonly #fates = new Map<Upstream, Fate>();

  constructor(transport: Transport, deadlines: Deadlines, settings: CheckSettings) {
    this.#transport = transport;
    this.#deadlines = deadlines;
    this.#settings = settings;
  }

  /** Upstreams that were given up. */
  get down(): readonly DownUpstream[] {
    return [...this.#fates]
      .filter(([, { failing }]) => failing >= OUTAGE_KEYS)
      .map(([{ href }, { notAsked }]) => ({ url: href, notAsked }));
  }

  /** Calls `onResult` once for every item, in the order in which checks end. */
  async run(
    items: readonly CheckItem[],
    onResult: (index: number, result: CheckResult) => void,
  ): Promise<void> {
    let next = 0;
    const work = async (): Promise<void> => {
      for (let index = next++; index < items.length; index = next++) {
        onResult(index, await this.#check(items[index] as CheckItem));
      }
    };
    const { concurrency } = this.#settings;
    await Promise.all(Array.from({ length: Math.min(concurrency, items.length) }, work));
  }

  /** Ends the checks under way; the keys that are left come to `interrupted`. */
  interrupt(): void {
    this.#ended.abort();
    for (const call of this.#calls) call.abort('shutdown');
  }

  async #check(item: CheckItem): Promise<CheckResult> {
    const { upstream } = item;
    if (this.#ended.signal.aborted) return unchecked('interrupted');
    const fate = this.#fateOf(upstream);
    if (fate.failing >= OUTAGE_KEYS) {
      fate.notAsked += 1;
      return unchecked('upstream_down');
    }
    const answeredBefore = fate.answered;
    const result = await this.#askAll(item);
    if (this.#ended.signal.aborted && result.kind === 'unchecked') return unchecked('interrupted');
    // Checks that were under way when the upstream was given up must not revive it.
    if (fate.failing >= OUTAGE_KEYS) return result;
    if (result.kind !== 'unchecked' || result.reason === 'no_question') {
      fate.answered += 1;
      fate.failing = 0;
    } else if (fate.answered === answeredBefore) {
      // A failing check takes longest: where others were answered meanwhile, it is no outage.
      fate.failing += 1;
    }
    return result;
  }

  #fateOf(upstream: Upstream): Fate {
    const known = this.#fates.get(upstream);
    if (known !== undefined) return known;
    const fate = { failing: 0, answered: 0, notAsked: 0 };
    this.#fates.set(upstream, fate);
    return fate;
  }

  /** The list first: it is cheap and finds the dead. Then, if a model is named, one token of it. */
  async #askAll({ key, upstream }: CheckItem): Promise<CheckResult> {
    const { model } = this.#settings;
    const list = listRequest(upstream, key);
    if (list === null && model === undefined) return unchecked('no_question');
    const listed = list === null ? undefined : await this.#askPatiently(upstream, list);
    if (model === undefined) return listed ?? unchecked('no_question');
    if (listed?.kind === 'dead' || listed?.kind === 'resting') return listed;
    return await this.#askPatiently(upstream, completionRequest(upstream, key, model));
  }

  async #askPatiently(upstream: Upstream, request: CheckRequest): Promise<CheckResult> {
    const { timeoutMs, random } = this.#settings;
    const startedMs = this.#deadlines.touch();
    for (let turn = 0; ; turn++) {
      const { result, again } = await this.#ask(upstream, request);
      const delayMs = (RETRY_DELAYS_MS[turn] ?? Number.POSITIVE_INFINITY) * (0.75 + random() / 2);
      const isLate = this.#deadlines.touch() + delayMs - startedMs > timeoutMs;
      if (!again || isLate || this.#ended.signal.aborted) return result;
      await sleep(delayMs, undefined, { signal: this.#ended.signal }).catch(() => {});
    }
  }

  async #ask(
    upstream: Upstream,
    request: CheckRequest,
  ): Promise<{ readonly result: CheckResult; readonly again: boolean }> {
    this.#deadlines.touch();
    const call = this.#transport.send(upstream, this.#framed(request));
    this.#calls.add(call);
    const outcome = await call.outcome;
    try {
      if (outcome.kind === 'fault') {
        const verdict = classifyFault(outcome);
        return { result: resultOfVerdict(verdict, Date.now()), again: verdict.kind !== 'excluded' };
      }
      const held = new HeldAnswer(outcome, this.#deadlines);
      await held.fill(() => false, this.#settings.timeoutMs);
      const { status, rawHeaders } = outcome;
      const text = held.decoded()?.toString('utf8') ?? '';
      const view = { status, rawHeaders, text, inStream: false };
      const result = resultOfAnswer(view, upstream.hostname, Date.now());
      if (held.timedOut) held.discard();
      else if (!held.ended && !held.broken) drain(outcome.body);
      return { result, again: result.kind === 'unchecked' && isTransient(status) };
    } finally {
      this.#calls.delete(call);
    }
  }

  #framed({ method, path, fields, body }: CheckRequest): UpstreamRequest {
    const { timeoutMs } = this.#settings;
    return {
      method,
      path,
      fields,
      chunks: body === undefined ? [] : [body],
      bytes: body?.length ?? 0,
      source: undefined,
      sourceLength: undefined,
      trailers: [],
      upgrade: false,
      bodyExpected: method === 'POST',
      isTurnOver: false,
      headersTimeoutMs: timeoutMs,
      sendIdleTimeoutMs: timeoutMs,
      onInformation: undefined,
    };
  }
}

/** Statuses that another try may change; other refusals of a check stay. */
function isTransient(status: number): boolean {
  return status >= 500 || status === 408 || status === 425 || status === 429;
}

/** Reads what is left of a body, so that its connection serves the next key. */
function drain(body: NodeJS.ReadableStream & { destroy(): void }): void {
  let bytes = 0;
  body.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > MAX_DRAIN_BYTES) body.destroy();
  });
  body.on('error', () => {});
  body.resume();
}
