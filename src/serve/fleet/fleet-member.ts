// This instance as one of a fleet: one connection, on which news go out and come in as they happen,
// and a heartbeat twice a second. No request knows that it exists. While the server is away nothing
// waits: the tables go on alone, and what they learn is told when it is back.

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerUrl } from '../../config/server-url.ts';
import type { Logger } from '../../log/log.ts';
import { nextStanding, type Standing } from '../../policy/fleet-shares.ts';
import type { FleetMemory } from '../../pool/fleet-memory.ts';
import type { GroupView } from '../../pool/group-view.ts';
import { KEEP_USAGE_DAYS, type UsageQuestion } from '../../store/usage-question.ts';
import {
  type Beat,
  type FiledRecord,
  FleetStore,
  GONE_MS,
  type InstanceFacts,
  PAGE_RECORDS,
} from '../../store/valkey/fleet-store.ts';
import { SharedUsage } from '../../store/valkey/shared-usage.ts';
import { LinkError, type LinkOptions, ValkeyLink } from '../../store/valkey/valkey-link.ts';
import { FleetNews, type Hearing } from './fleet-news.ts';
import { FleetNotices, SETTLED_MS } from './fleet-notices.ts';
import type { FleetReport } from './fleet-report.ts';
import { FleetSecret } from './fleet-secret.ts';
import { FleetUsage, type OwnBooks } from './fleet-usage.ts';
import { OthersBooks, type OthersUsage } from './others-usage.ts';
import { ServerClock } from './server-clock.ts';

export interface FleetOptions extends LinkOptions {
  /** FLEET_NAME */
  readonly name: string;
  /** FLEET_SECRET, or AUTH_KEY */
  readonly secret: string;
  /** How this instance is called: host and port. */
  readonly instance: string;
  readonly version: string;
  readonly startedAtMs: number;
}

export interface FleetParts {
  readonly log: Logger;
  readonly memory: FleetMemory;
  readonly groups: () => readonly GroupView[];
  readonly books: OwnBooks;
  /** Milliseconds by the steady clock, and how far the wall clock is ahead of it. */
  readonly now: () => number;
  readonly aheadMs: () => number;
}

/** Between two looks for news of our own; the server rings for those of others. */
const TICK_MS = 25;
const BEAT_MS = 500;
/** The whole is read so often, for what may have been missed. */
const WHOLE_MS = 60_000;
/** Between two attempts to connect, doubled up to the maximum. */
const RETRY_MS = 250;
const RETRY_MAX_MS = 5_000;
/** What a shutdown waits for, so that others learn at once that this instance is gone. */
const LEAVE_MS = 500;
/** And for what is under way before. */
const END_MS = 900;
const DAY_MS = 86_400_000;

/** What one connection knows. */
interface Session {
  readonly link: ValkeyLink;
  readonly store: FleetStore;
  readonly usage: SharedUsage;
  /** The last entry of the news that was read. */
  last: string;
  /** By the process's own clock, like all times here. */
  beatAtMs: number;
  wholeAtMs: number;
  /** Where the reading of the whole is; undefined: it is done. */
  cursor: string | undefined;
  readonly sinceMs: number;
}

export class FleetMember implements AsyncDisposable {
  readonly #options: FleetOptions;
  readonly #parts: FleetParts;
  readonly #id = randomBytes(8).toString('hex');
  readonly #secret: FleetSecret;
  readonly #news: FleetNews;
  readonly #notices: FleetNotices;
  readonly #usage: FleetUsage;
  readonly #othersBooks = new OthersBooks();
  /** While it is connected. */
  #session: Session | undefined;
  readonly #ending = new AbortController();
  readonly #done: Promise<void>;
  readonly #clock = new ServerClock();
  #others: readonly InstanceFacts[] = [];
  #standing: Standing | undefined;
  /** Ends the pause between two exchanges. */
  #wake: () => void = () => {};
  #hasRung = false;
  #born = '';
  #trouble: LinkError | undefined;
  #joined = 0;
  /** FLEET_URL, or the server of its cluster that keeps the fleet's keys. */
  #server: ServerUrl;

  /** Begins at once, and never fails: what is wrong is logged and tried again. */
  constructor(options: FleetOptions, parts: FleetParts) {
    this.#options = options;
    this.#server = options.server;
    this.#parts = parts;
    this.#secret = new FleetSecret(options.name, options.secret);
    this.#news = new FleetNews(this.#secret, this.#id, parts.groups);
    const { instance } = options;
    const wallMs = () => parts.now() + parts.aheadMs();
    this.#usage = new FleetUsage({ ...parts, now: wallMs, secret: this.#secret, instance });
    const place = options.server.places.join(',');
    this.#notices = new FleetNotices(parts.log, options.name, place);
    parts.memory.state = 'away';
    this.#done = this.#live();
  }

  /** How this instance is called. */
  get instance(): string {
    return this.#options.instance;
  }

  report(): FleetReport {
    const { name, server, instance, version, startedAtMs } = this.#options;
    const { memory, now, aheadMs } = this.#parts;
    const { counts: shared } = this.#news;
    const facts = memory.facts(now());
    const lagMs = facts?.lag_ms ?? null;
    const self = { id: this.#id, name: instance, version, lagMs: lagMs ?? 0, keys: shared.keys };
    const serverMs = now() + this.#offsetMs;
    const own = { ...self, startedAtMs: startedAtMs + this.#offsetMs };
    return {
      name,
      server: server.places.join(','),
      connected: facts?.connected ?? false,
      trouble: this.#trouble?.message ?? '',
      lag_ms: lagMs,
      clock_offset_ms: Math.round(this.#offsetMs - aheadMs()),
      instances: [own, ...this.#others].map((one) => ({
        name: one.name,
        id: one.id,
        version: one.version,
        uptime: Math.max(0, Math.floor((serverMs - one.startedAtMs) / 1000)),
        lag_ms: Math.round(one.lagMs),
        keys: one.keys,
        self: one.id === this.#id,
      })),
      shared,
    };
  }

  /**
   * What the other instances have used, or one of them, or this one before it kept its present
   * books. Undefined: the fleet is away. Never rejects.
   */
  async usage(
    question: UsageQuestion,
    instance: string | undefined,
  ): Promise<OthersUsage | 'too_many' | undefined> {
    const session = this.#session;
    if (session === undefined) return undefined;
    const { now, aheadMs } = this.#parts;
    const today = Math.floor((now() + aheadMs()) / DAY_MS);
    const days = { from: today - KEEP_USAGE_DAYS, to: today + 1 };
    const reader = { store: session.usage, secret: this.#secret, ownBook: this.#usage.book, days };
    try {
      const read = await this.#othersBooks.ask(question, instance, reader);
      if (read === 'too_many') return read;
      const living = [this.#options.instance, ...this.#others.map(({ name }) => name)];
      return { ...read, instances: [...new Set([...living, ...read.instances])].sort() };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#parts.log.debug('cannot read the usage of the fleet', { reason });
      return undefined;
    }
  }

  /** Leaves the fleet: the others learn it at once, if the server answers. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    this.#wake();
    const done = new AbortController();
    const late = sleep(END_MS, undefined, done).catch(() => {});
    await Promise.race([this.#done, late]);
    done.abort();
    this.#session?.link[Symbol.dispose]();
  }

  async #live(): Promise<void> {
    for (let failures = 0; !this.#ending.signal.aborted; ) {
      await this.#connection().catch((error: unknown) => {
        const livedMs = this.#session && performance.now() - this.#session.sinceMs;
        failures = livedMs !== undefined && livedMs >= SETTLED_MS ? 0 : failures + 1;
        this.#isAway(error, livedMs);
      });
      const pauseMs = Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** Math.min(failures, 10));
      await this.#pause(pauseMs * (0.5 + Math.random() / 2));
    }
  }

  /** One connection, from its beginning until it fails or this instance leaves. */
  async #connection(): Promise<void> {
    using link = await ValkeyLink.open({ ...this.#options, server: this.#server });
    const teller = { id: this.#id, mark: this.#secret.mark };
    const store = new FleetStore(link, this.#options.name, teller);
    const usage = new SharedUsage(link, this.#options.name);
    const long = Number.NEGATIVE_INFINITY;
    const times = { beatAtMs: long, wholeAtMs: long, sinceMs: performance.now() };
    const session: Session = { link, store, usage, last: '0-0', cursor: '0', ...times };
    await this.#beat(session);
    await store.listen(() => {
      this.#hasRung = true;
      this.#wake();
    });
    session.last = await store.lastNews();
    this.#isBack();
    this.#session = session;
    const over = new AbortController();
    using _ = { [Symbol.dispose]: () => over.abort() };
    void this.#usage.live(usage, over.signal);
    while (!this.#ending.signal.aborted) {
      this.#hasRung = false;
      const isMore = await this.#exchange(session);
      this.#notices.goesOn(performance.now() - session.sinceMs, this.#others.length + 1);
      if (!isMore) await this.#untilNews(session);
    }
    const last = Promise.all([this.#usage.share(usage), store.leave().catch(() => {})]);
    await Promise.race([last, sleep(LEAVE_MS, undefined, { ref: false })]);
  }

  /** Tells what there is to tell and reads what there is to read. True: there may be more. */
  async #exchange(session: Session): Promise<boolean> {
    const atMs = this.#parts.now();
    const isDue = performance.now() - session.beatAtMs >= BEAT_MS;
    const beating = isDue ? this.#beat(session) : undefined;
    const telling = this.#tell(session);
    const reading = session.store.newsAfter(session.last);
    // Whichever fails first tells why; the others must not fail unheard.
    const [, told, { last, news }] = await Promise.all([beating, telling, reading]);
    session.last = last;
    this.#hear(news);
    this.#parts.memory.readUpTo(atMs);
    await this.#learnKeys(session);
    const isReading = await this.#readWhole(session);
    return told || isReading || news.length >= PAGE_RECORDS;
  }

  /** News go out once the whole was read: who does not know what others know contradicts them. */
  async #tell(session: Session): Promise<boolean> {
    if (session.cursor !== undefined) return false;
    const tellings = this.#news.take(PAGE_RECORDS, this.#hearing);
    if (tellings.length === 0) return false;
    try {
      this.#news.told(tellings, await session.store.tell(tellings));
    } catch (error) {
      this.#news.giveBack(tellings);
      throw error;
    }
    return tellings.length >= PAGE_RECORDS;
  }

  #hear(records: readonly FiledRecord[], isNow = false): void {
    const hearing = this.#hearing;
    for (const record of records) this.#news.hear(record, hearing, isNow);
  }

  /** What is known of keys that have just come is in the whole. */
  async #learnKeys(session: Session): Promise<void> {
    if (!this.#news.areKeysNew) return;
    const learned = this.#news.learnKeys().then(() => true);
    // A million keys take longer than the others believe that a silent one lives.
    const isDue = () => sleep(BEAT_MS, false, { ref: false });
    while (!(await Promise.race([learned, isDue()]))) await this.#beat(session);
    session.cursor = '0';
  }

  /** A page of the whole, when it is due. True: it is not done yet. */
  async #readWhole(session: Session): Promise<boolean> {
    const nowMs = performance.now();
    if (session.cursor === undefined && nowMs - session.wholeAtMs >= WHOLE_MS) session.cursor = '0';
    if (session.cursor === undefined) return false;
    if (session.cursor === '0') this.#news.beginReading();
    const { next, records } = await session.store.page(session.cursor);
    this.#hear(records, true);
    await this.#forgetStale(session.store, records);
    session.cursor = next === '0' ? undefined : next;
    if (session.cursor !== undefined) return true;
    this.#news.endReading();
    session.wholeAtMs = nowMs;
    return false;
  }

  /** One instance is enough for that. */
  async #forgetStale(store: FleetStore, records: readonly FiledRecord[]): Promise<void> {
    if (this.#standing?.target.rank !== 0) return;
    const hearing = this.#hearing;
    const stale = records.filter((record) => this.#news.isStale(record, hearing));
    if (stale.length > 0) await store.forget(stale);
  }

  async #beat(session: Session): Promise<void> {
    const sentMs = performance.now();
    session.beatAtMs = sentMs;
    const beat = await session.store.beat(this.#facts(), randomBytes(8).toString('hex'));
    const tripMs = performance.now() - sentMs;
    this.#clock.hear(beat.serverMs, sentMs, tripMs);
    this.#see(beat, session);
  }

  #facts(): Omit<InstanceFacts, 'id'> {
    const { instance: name, version, startedAtMs } = this.#options;
    return {
      roll: this.#standing?.roll ?? '',
      name,
      version,
      startedAtMs: startedAtMs + this.#offsetMs,
      lagMs: this.#parts.memory.facts(this.#parts.now())?.lag_ms ?? 0,
      keys: this.#news.counts.keys,
      book: this.#usage.book,
    };
  }

  #see({ born, roll, others }: Beat, session: Session): void {
    const { now, memory, groups } = this.#parts;
    if (born !== this.#born) {
      this.#news.tellAll();
      this.#usage.checkAgain();
    }
    this.#born = born;
    this.#others = others;
    this.#usage.meet(others, this.#id);
    // Others may be away as this one was, and use their share: till they are back, none is taken.
    const isRejoin = this.#joined > 1 || (this.#joined === 1 && memory.state === 'away');
    const isWhole = !isRejoin || performance.now() - session.sinceMs >= GONE_MS;
    this.#standing = nextStanding(this.#standing, { self: this.#id, roll, others, isWhole });
    if (!memory.set(this.#standing)) return;
    for (const { table } of groups()) table.aside?.reconsiderAll(now());
  }

  /** The server's clock minus ours, which may have been minutes wrong when it was anchored. */
  get #offsetMs(): number {
    const { aheadMs } = this.#clock;
    return aheadMs === undefined ? 0 : performance.now() + aheadMs - this.#parts.now();
  }

  get #hearing(): Hearing {
    const { now } = this.#parts;
    const rank = this.#standing?.target.rank ?? 0;
    return { offsetMs: this.#offsetMs, rank, nowMs: now() };
  }

  #isBack(): void {
    this.#parts.memory.state = 'connected';
    this.#joined += 1;
    this.#trouble = undefined;
    this.#notices.isBack(this.#others.length + 1);
  }

  #isAway(error: unknown, livedMs: number | undefined): void {
    this.#parts.memory.state = 'away';
    this.#others = [];
    this.#session = undefined;
    this.#othersBooks.forget();
    if (this.#ending.signal.aborted) return;
    this.#notices.isAway(error, livedMs);
    if (!(error instanceof LinkError)) return;
    // A cluster keeps the fleet's keys on one server; when it fails, another one has them.
    const { server } = this.#options;
    this.#server = error.movedTo === undefined ? server : { ...server, places: [error.movedTo] };
    this.#trouble = error;
  }

  /** Until there is something to tell or to read, or the next heartbeat is due. */
  async #untilNews(session: Session): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const mayTell = session.cursor === undefined;
    this.#wake = resolve;
    if (this.#hasRung || this.#ending.signal.aborted) resolve();
    const looking = setInterval(() => {
      const isDue = performance.now() - session.beatAtMs >= BEAT_MS;
      if (isDue || (mayTell && this.#news.hasAny)) resolve();
    }, TICK_MS);
    await promise;
    clearInterval(looking);
  }

  #pause(ms: number): Promise<void> {
    return sleep(ms, undefined, { signal: this.#ending.signal }).catch(() => {});
  }
}
