// Adds up what one worker's requests used, by hour, client, group, model and key, until the
// coordinator takes it: a few messages a second, however many requests there are. What an answer
// used is policy/token-usage.ts; what becomes of the sums is serve/usage-keeper.ts.

import { ownCopy } from '../log/remembered.ts';
import type { TokenUsage } from '../policy/token-usage.ts';

const HOUR_MS = 3_600_000;
/** What is counted reaches the coordinator so soon. */
const FLUSH_MS = 250;
/** Rows that are known at a time; before there is one more, all are handed over and forgotten. */
const MAX_ROWS = 4_096;
/** Names of models come from clients. */
const MAX_MODEL_CHARS = 128;

/** Sums over requests of one hour that have all else in common. */
export interface UsageRow {
  /** Hours since 1970, UTC. */
  readonly hour: number;
  readonly client: string;
  readonly group: string;
  /** '' where no request named one. */
  readonly model: string;
  /** The row of the key that was used last; -1: none was. */
  readonly row: number;
  requests: number;
  failed: number;
  /** Successful ones whose answers named no usage. */
  unknown: number;
  input: number;
  cached: number;
  cacheWrite: number;
  output: number;
  reasoning: number;
}

/** Tokens since the start, for /metrics. */
export interface TokenSeries {
  readonly client: string;
  readonly group: string;
  readonly model: string;
  input: number;
  cached: number;
  cacheWrite: number;
  output: number;
  reasoning: number;
}

/** What one request is counted under. */
export interface UsageOf {
  readonly client: string;
  readonly group: string;
  readonly model: string | undefined;
  readonly row: number;
}

const NOTHING = {
  requests: 0,
  failed: 0,
  unknown: 0,
  input: 0,
  cached: 0,
  cacheWrite: 0,
  output: 0,
  reasoning: 0,
};

export class UsageTally {
  readonly #send: (rows: readonly UsageRow[]) => void;
  /**
   * Those of one hour. They stay when they count nothing: new ones each time would live until the
   * next full garbage collection.
   */
  readonly #rows = new Map<string, UsageRow>();
  /** Rows that have counted something since the last flush. */
  readonly #counting: UsageRow[] = [];
  #hour = 0;
  #timer: NodeJS.Timeout | undefined;
  #last: UsageRow | undefined;
  /** By the row of the key, those that have all else in common with the last one. */
  #alike: (UsageRow | undefined)[] = [];

  /** @param send copies what has been added up: the rows are used again */
  constructor(send: (rows: readonly UsageRow[]) => void) {
    this.#send = send;
  }

  /**
   * Counts one request that has ended. That an hour is over is noticed after the next flush: asking
   * for the time would cost as much as counting.
   */
  add(of: UsageOf, failed: boolean, usage: TokenUsage | undefined): void {
    if (this.#counting.length === 0) this.#begin();
    const sums = this.#rowOf(of);
    if (sums.requests === 0) this.#counting.push(sums);
    sums.requests += 1;
    if (failed) sums.failed += 1;
    if (usage === undefined) {
      if (!failed) sums.unknown += 1;
      return;
    }
    sums.input += usage.input;
    sums.cached += usage.cached;
    sums.cacheWrite += usage.cacheWrite;
    sums.output += usage.output;
    sums.reasoning += usage.reasoning;
  }

  /** Hands over what there is, now. */
  flush(): void {
    clearTimeout(this.#timer);
    if (this.#counting.length === 0) return;
    this.#send(this.#counting);
    for (const row of this.#counting) Object.assign(row, NOTHING);
    this.#counting.length = 0;
  }

  #begin(): void {
    this.#timer = setTimeout(() => this.flush(), FLUSH_MS).unref();
    const hour = Math.floor(Date.now() / HOUR_MS);
    if (hour !== this.#hour) this.#forget();
    this.#hour = hour;
  }

  #forget(): void {
    this.#rows.clear();
    this.#last = undefined;
    this.#alike = [];
  }

  #rowOf(of: UsageOf): UsageRow {
    // Most requests differ from the one before in their key alone.
    const last = this.#last;
    const isAlike =
      last?.client === of.client && last.group === of.group && last.model === (of.model ?? '');
    if (isAlike) {
      const known = this.#alike[of.row + 1];
      if (known !== undefined) return known;
    } else this.#alike = [];
    const sums = this.#search(of);
    // -1 stands for no key.
    this.#alike[of.row + 1] = sums;
    this.#last = sums;
    return sums;
  }

  #search({ client, group, model, row }: UsageOf): UsageRow {
    const shownModel = ownCopy((model ?? '').slice(0, MAX_MODEL_CHARS));
    const name = `${row} ${shownModel}\n${group}\n${client}`;
    const known = this.#rows.get(name);
    if (known !== undefined) return known;
    if (this.#rows.size >= MAX_ROWS) {
      this.flush();
      this.#forget();
      this.#begin();
    }
    const sums = { hour: this.#hour, client, group, model: shownModel, row, ...NOTHING };
    this.#rows.set(name, sums);
    return sums;
  }
}
