// Adds up what one worker's requests used, by hour, client, group, model and key, until the
// coordinator takes it: two messages a second, however many requests there are. What an answer
// used is policy/token-usage.ts; what becomes of the sums is serve/usage-keeper.ts.

import { ownCopy } from '../log/remembered.ts';
import type { TokenUsage } from '../policy/token-usage.ts';
import type { UsageSums } from '../store/usage-question.ts';

const HOUR_MS = 3_600_000;
/** What is counted reaches the coordinator so soon, which looks at each row that has counted. */
const FLUSH_MS = 600;
/** The same while the process shuts down: who ends it at once loses no more. */
const LAST_FLUSH_MS = 20;
/** Rows that are known at a time; before there is one more, all are handed over and forgotten. */
const MAX_ROWS = 4_096;
/** Names of models come from clients. */
const MAX_MODEL_CHARS = 128;

/** What requests that are counted together have in common. */
interface Common {
  /** Hours since 1970, UTC. */
  readonly hour: number;
  readonly client: string;
  readonly group: string;
  /** '' where no request named one. */
  readonly model: string;
  /** The row of the key that was used last; -1: none was. */
  readonly row: number;
}

/** Sums over requests of one hour that have all else in common. */
export interface UsageRow extends Common, UsageSums {}

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

/** Where the sums of a row stand, from its place on. */
const REQUESTS = 0;
const FAILED = 1;
const UNKNOWN = 2;
const INPUT = 3;
const CACHED = 4;
const CACHE_WRITE = 5;
const OUTPUT = 6;
const REASONING = 7;
const SUMS = 8;

export class UsageTally {
  readonly #send: (rows: readonly UsageRow[]) => void;
  /** Of one hour. They stay when they count nothing, and have their places by their names. */
  readonly #places = new Map<string, number>();
  readonly #rows: Common[] = [];
  readonly #sums = new Float64Array(SUMS * MAX_ROWS);
  /** The places of rows that have counted something since the last flush. */
  readonly #counting: number[] = [];
  #hour = 0;
  #flushMs = FLUSH_MS;
  #timer: NodeJS.Timeout | undefined;
  #last: Common | undefined;
  /** By the row of the key, the places of those that have all else in common with the last one. */
  #alike: (number | undefined)[] = [];

  /** @param send gets what has been added up */
  constructor(send: (rows: readonly UsageRow[]) => void) {
    this.#send = send;
  }

  /**
   * Counts one request that has ended. That an hour is over is noticed after the next flush: asking
   * for the time would cost as much as counting.
   */
  add(of: UsageOf, failed: boolean, usage: TokenUsage | undefined): void {
    if (this.#counting.length === 0) this.#begin();
    const at = this.#placeOf(of);
    const sums = this.#sums;
    if (sums[at + REQUESTS] === 0) this.#counting.push(at);
    add(sums, at + REQUESTS, 1);
    if (failed) add(sums, at + FAILED, 1);
    if (usage === undefined) {
      if (!failed) add(sums, at + UNKNOWN, 1);
      return;
    }
    add(sums, at + INPUT, usage.input);
    add(sums, at + CACHED, usage.cached);
    add(sums, at + CACHE_WRITE, usage.cacheWrite);
    add(sums, at + OUTPUT, usage.output);
    add(sums, at + REASONING, usage.reasoning);
  }

  /** From now on what is counted is handed over almost at once. */
  hasten(): void {
    this.#flushMs = LAST_FLUSH_MS;
    this.flush();
  }

  /** Hands over what there is, now. */
  flush(): void {
    clearTimeout(this.#timer);
    if (this.#counting.length === 0) return;
    this.#send(this.#counting.map((at) => this.#rowAt(at)));
    for (const at of this.#counting) this.#sums.fill(0, at, at + SUMS);
    this.#counting.length = 0;
  }

  #rowAt(at: number): UsageRow {
    const sums = this.#sums;
    return {
      ...(this.#rows[at / SUMS] as Common),
      requests: sums[at + REQUESTS] as number,
      failed: sums[at + FAILED] as number,
      unknown: sums[at + UNKNOWN] as number,
      input: sums[at + INPUT] as number,
      cached: sums[at + CACHED] as number,
      cacheWrite: sums[at + CACHE_WRITE] as number,
      output: sums[at + OUTPUT] as number,
      reasoning: sums[at + REASONING] as number,
    };
  }

  #begin(): void {
    this.#timer = setTimeout(() => this.flush(), this.#flushMs).unref();
    const hour = Math.floor(Date.now() / HOUR_MS);
    if (hour !== this.#hour) this.#forget();
    this.#hour = hour;
  }

  #forget(): void {
    this.#places.clear();
    this.#rows.length = 0;
    this.#last = undefined;
    this.#alike = [];
  }

  #placeOf(of: UsageOf): number {
    // Most requests differ from the one before in their key alone.
    const last = this.#last;
    const isAlike =
      last?.client === of.client && last.group === of.group && last.model === (of.model ?? '');
    if (isAlike) {
      const known = this.#alike[of.row + 1];
      if (known !== undefined) return known;
    } else this.#alike = [];
    const place = this.#search(of);
    // -1 stands for no key.
    this.#alike[of.row + 1] = place;
    this.#last = this.#rows[place / SUMS];
    return place;
  }

  #search({ client, group, model, row }: UsageOf): number {
    const shownModel = ownCopy((model ?? '').slice(0, MAX_MODEL_CHARS));
    const name = `${row} ${shownModel}\n${group}\n${client}`;
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    if (this.#rows.length >= MAX_ROWS) {
      this.flush();
      this.#forget();
      this.#begin();
    }
    const place = SUMS * this.#rows.length;
    this.#rows.push({ hour: this.#hour, client, group, model: shownModel, row });
    this.#places.set(name, place);
    return place;
  }
}

function add(sums: Float64Array, at: number, count: number): void {
  sums[at] = (sums[at] as number) + count;
}
