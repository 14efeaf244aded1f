// Usage over all instances: tells what this one's books have, every two seconds and beside the
// news, which never wait for it; and adds up what the others' have when somebody asks. What is
// told are whole sums, so that to tell again after a failure or kill -9 changes nothing.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../../log/log.ts';
import {
  KEEP_USAGE_DAYS,
  type UsageAnswer,
  type UsageDimension,
  type UsageQuestion,
} from '../../store/usage-question.ts';
import type { InstanceFacts } from '../../store/valkey/fleet-store.ts';
import { BATCH_ROWS, type Grain, type SharedUsage } from '../../store/valkey/shared-usage.ts';
import { LinkError } from '../../store/valkey/valkey-link.ts';
import { addRow, rowName } from '../usage-sums.ts';
import type { FleetSecret } from './fleet-secret.ts';
import { sumsOf } from './usage-words.ts';

/** What is wanted of the coordinator's books. */
export interface OwnBooks {
  readonly book: string;
  readonly takeHours: () => ReadonlySet<number>;
  readonly rows: (question: UsageQuestion, limit: number) => readonly UsageAnswer[];
}

export interface FleetUsageParts {
  readonly books: OwnBooks;
  readonly secret: FleetSecret;
  /** How this instance is called. */
  readonly instance: string;
  readonly log: Logger;
  /** Unix milliseconds. */
  readonly now: () => number;
}

const SHARE_MS = 2_000;
/** After an error that is not the connection's. */
const RETRY_MS = 60_000;
/** All days are compared so often, should the server have lost some. */
const CHECK_MS = 3_600_000;
/** So long two instances have the same books before it is told. */
const COPY_MS = 10_000;
const HOURS = 24;
const HOUR_MS = 3_600_000;
/** Rows of one book and day; where there are more, less is told apart. */
export const MAX_SHARED_ROWS = 5_000;
/** From the finest on. The last one is one row for each hour, or for the day. */
const DETAILS: readonly (readonly UsageDimension[])[] = [
  ['client', 'group', 'model', 'key'],
  ['client', 'group', 'model'],
  ['client', 'group'],
  [],
];
/** Days of which is remembered what was told. */
const MAX_TOLD_DAYS = 2;

type ByGrain<T> = Readonly<Record<Grain, T>>;

/** Rows of a day as the server has them. */
interface Told {
  readonly details: ByGrain<number>;
  readonly rows: ByGrain<Map<string, string>>;
}

/** What is to be told, and what has been told then. */
interface Telling {
  readonly after: Told;
  readonly news: ByGrain<readonly (readonly [string, string])[]>;
  readonly digest: string;
}

export class FleetUsage {
  readonly #parts: FleetUsageParts;
  readonly #told = new Map<number, Told>();
  /** Days with something to tell, and the hour from which on. */
  readonly #due = new Map<number, number>();
  #book = '';
  #checkedMs = Number.NEGATIVE_INFINITY;
  #complaint = '';
  #sharing: Promise<void> = Promise.resolve();
  /** Since when another instance has these very books: a STATE_FILE was copied. */
  #takenMs = Number.POSITIVE_INFINITY;
  #hasToldOfCopy = false;

  constructor(parts: FleetUsageParts) {
    this.#parts = parts;
  }

  /** These books among those of the fleet; '' while they cannot be read. */
  get book(): string {
    try {
      return this.#parts.books.book;
    } catch {
      return '';
    }
  }

  /** Of two instances with the same books, the one with the higher id does not tell. */
  meet(others: readonly Pick<InstanceFacts, 'id' | 'name' | 'book'>[], id: string): void {
    const own = this.book;
    const holder = others.find((other) => other.book === own && own !== '' && other.id < id);
    const nowMs = performance.now();
    this.#takenMs =
      holder === undefined ? Number.POSITIVE_INFINITY : Math.min(this.#takenMs, nowMs);
    // Not one that was killed a moment ago, and was this one.
    if (holder === undefined || nowMs - this.#takenMs < COPY_MS || this.#hasToldOfCopy) return;
    this.#hasToldOfCopy = true;
    this.#parts.log.warn(
      'usage is not shared: STATE_FILE was copied from another instance; give each its own',
      { instance: holder.name },
    );
  }

  /** The server has lost something: all days are compared at the next turn. */
  checkAgain(): void {
    this.#checkedMs = Number.NEGATIVE_INFINITY;
  }

  /** Tells until the connection or the signal ends it. Never rejects. */
  async live(store: SharedUsage, signal: AbortSignal): Promise<void> {
    this.checkAgain();
    while (!signal.aborted) {
      const isTold = await this.share(store);
      if (isTold === undefined) return;
      const pauseMs = isTold ? SHARE_MS : RETRY_MS;
      await sleep(pauseMs, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /**
   * Tells what is due; one call after the other. Undefined: the connection has failed. False:
   * something else has, and was logged.
   */
  share(store: SharedUsage): Promise<boolean | undefined> {
    const shared = this.#sharing
      .then(() => this.#share(store))
      .then(
        () => {
          this.#complaint = '';
          return true;
        },
        (error: unknown) => this.#failed(error),
      );
    this.#sharing = shared.then(() => {});
    return shared;
  }

  #failed(error: unknown): false | undefined {
    const isLink = error instanceof LinkError;
    // The heartbeat meets these too, and tells.
    if (isLink && ['unreachable', 'silent', 'moved'].includes(error.trouble)) return undefined;
    const reason = error instanceof Error ? error.message : String(error);
    const kind = isLink ? error.trouble : reason;
    if (kind !== this.#complaint) {
      this.#parts.log.warn('cannot share usage with the fleet; will retry', { reason });
    }
    this.#complaint = kind;
    return false;
  }

  async #share(store: SharedUsage): Promise<void> {
    const { books, now } = this.#parts;
    for (const hour of books.takeHours()) this.#isDue(Math.floor(hour / HOURS), hour);
    if (this.#takenMs < Number.POSITIVE_INFINITY) return;
    const { book } = books;
    if (book !== this.#book) {
      this.#told.clear();
      this.#checkedMs = Number.NEGATIVE_INFINITY;
      this.#book = book;
    }
    const nowMs = now();
    const today = Math.floor(nowMs / HOUR_MS / HOURS);
    const sinceCheckMs = performance.now() - this.#checkedMs;
    if (sinceCheckMs >= CHECK_MS) await this.#check(store, today);
    const days = [...this.#due.keys()].sort((a, b) => b - a);
    for (const day of days) {
      if (day > today - KEEP_USAGE_DAYS) await this.#tellDay(store, day);
      this.#due.delete(day);
    }
  }

  #isDue(day: number, fromHour: number): void {
    this.#due.set(day, Math.min(fromHour, this.#due.get(day) ?? fromHour));
  }

  /** Days of which the server has something else than the books are due. */
  async #check(store: SharedUsage, today: number): Promise<void> {
    for (let day = today; day > today - KEEP_USAGE_DAYS; day--) {
      const digest = this.#digestOf(day);
      if (digest === '') continue;
      const entry = await store.entry(day, this.#book);
      if (entry?.digest === digest && entry.mark === this.#parts.secret.mark) continue;
      this.#told.delete(day);
      this.#isDue(day, day * HOURS);
    }
    this.#checkedMs = performance.now();
  }

  async #tellDay(store: SharedUsage, day: number): Promise<void> {
    const known = this.#told.get(day);
    // What fails half way is told as a whole next time.
    this.#told.delete(day);
    const more = known && this.#more(day, this.#due.get(day) ?? day * HOURS, known);
    if (more !== undefined && (await this.#send(store, day, more, false))) {
      this.#remember(day, more.after);
      return;
    }
    const whole = this.#whole(day);
    if (await this.#send(store, day, whole, true)) this.#remember(day, whole.after);
  }

  #remember(day: number, told: Told): void {
    this.#told.set(day, told);
    if (this.#told.size > MAX_TOLD_DAYS) this.#told.delete(Math.min(...this.#told.keys()));
  }

  /** What has changed since; undefined: there are too many rows now for this detail. */
  #more(day: number, fromHour: number, known: Told): Telling | undefined {
    const of = (grain: Grain, from: number) => {
      const before = known.rows[grain];
      const rows = this.#rows({ day, from, grain, detail: known.details[grain] });
      const news = rows?.filter(([field, value]) => before.get(field) !== value);
      for (const [field, value] of news ?? []) before.set(field, value);
      return before.size > MAX_SHARED_ROWS ? undefined : news;
    };
    const [hour, ofDay] = [of('hour', fromHour), of('day', day * HOURS)];
    if (hour === undefined || ofDay === undefined) return undefined;
    return { after: known, news: { hour, day: ofDay }, digest: this.#digestOf(day) };
  }

  /** All of a day, as finely as there is room for. */
  #whole(day: number): Telling {
    const of = (grain: Grain) => {
      for (let detail = 0; ; detail++) {
        const rows = this.#rows({ day, from: day * HOURS, grain, detail });
        if (rows !== undefined) return { detail, rows };
      }
    };
    const [hour, ofDay] = [of('hour'), of('day')];
    const after = {
      details: { hour: hour.detail, day: ofDay.detail },
      rows: { hour: new Map(hour.rows), day: new Map(ofDay.rows) },
    };
    return { after, news: { hour: hour.rows, day: ofDay.rows }, digest: this.#digestOf(day) };
  }

  /** Undefined: too many are told apart in this detail. */
  #rows(of: { day: number; from: number; grain: Grain; detail: number }) {
    const groupBy = DETAILS[of.detail] ?? [];
    const toHour = (of.day + 1) * HOURS;
    const question = { fromHour: of.from, toHour, by: of.grain, groupBy } as const;
    const rows = this.#parts.books.rows(question, MAX_SHARED_ROWS + 1);
    if (rows.length > MAX_SHARED_ROWS) return undefined;
    return [...valuesOf(rows, this.#parts.secret)];
  }

  #digestOf(day: number): string {
    const [fromHour, toHour] = [day * HOURS, (day + 1) * HOURS];
    const [sums] = this.#parts.books.rows({ fromHour, toHour, by: 'day', groupBy: [] }, 1);
    return sums === undefined ? '' : sumsOf(sums);
  }

  /** False: the server does not have what this adds to. */
  async #send(
    store: SharedUsage,
    day: number,
    { after, news, digest }: Telling,
    isWhole: boolean,
  ): Promise<boolean> {
    const { secret, instance: name } = this.#parts;
    const about = { day, book: this.#book, mark: secret.mark, name };
    const detail = `${after.details.hour}${after.details.day}`;
    const all = [...news.hour, ...news.day];
    for (let at = 0; at < all.length; at += BATCH_ROWS) {
      const end = Math.min(at + BATCH_ROWS, all.length);
      const ofHours = Math.max(0, news.hour.length - at);
      const part = {
        ...about,
        detail,
        // Whoever reads it in between is told that it is not whole.
        digest: end === all.length ? digest : '',
        isFirst: isWhole && at === 0,
        hourRows: all.slice(at, Math.min(end, at + ofHours)).flat(),
        dayRows: all.slice(Math.min(end, at + ofHours), end).flat(),
      };
      if (!(await store.add(part))) return false;
    }
    return true;
  }
}

/** Rows as they are kept; keys whose previews are alike are one. */
function valuesOf(rows: readonly UsageAnswer[], secret: FleetSecret): Map<string, string> {
  const sums = new Map<string, UsageAnswer>();
  const sealed = new Map<string, string>();
  for (const row of rows) {
    const key = sealed.get(row.key) ?? secret.seal(row.key);
    sealed.set(row.key, key);
    addRow(sums, rowName({ ...row, key }), row);
  }
  return new Map([...sums].map(([field, row]) => [field, sumsOf(row)]));
}
