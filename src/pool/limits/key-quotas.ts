// The limits of each key: requests and tokens per minute, requests per UTC day, concurrent
// requests. In shared memory, exact over all workers, without a lock, and given back when a worker
// dies. Whether a key that has reached a limit is still offered is the table's affair
// (key-table.ts).

import type { ClockMemory } from '../clock-memory.ts';
import type { FleetMemory } from '../fleet-memory.ts';
import { InFlight } from './in-flight.ts';
import { MAX_IN_MINUTE, MinuteWindows } from './minute-windows.ts';

export const QUOTA_KINDS = ['concurrency', 'rpd', 'rpm', 'tpm'] as const;
export type QuotaKind = (typeof QUOTA_KINDS)[number];

/** Limits by kind: 0: the group's; {@link UNLIMITED}: none, whatever the group's. */
export type Quotas = Readonly<Record<QuotaKind, number>>;

export const UNLIMITED = -1;
export const NO_QUOTAS: Quotas = { concurrency: 0, rpd: 0, rpm: 0, tpm: 0 };

/** The highest limits that can be told apart here. */
export const MAX_QUOTAS: Quotas = {
  concurrency: 1e6,
  rpd: 2e6,
  rpm: MAX_IN_MINUTE,
  tpm: MAX_IN_MINUTE,
};

/** A limit that is in the way, and when it may have room again, by the steady clock. */
export interface Full {
  readonly kind: QuotaKind;
  /**
   * Of `concurrency` nobody knows: when it is to be looked at again, if nothing ended till then.
   */
  readonly untilMs: number;
}

/** A minute's buckets are this long: a million keys with limits are some 200 MB with it. */
const BUCKET_MS = 4_000;
const DAY_MS = 86_400_000;
/** A day's number, modulo 2^11, above its count. */
const DAY_BITS = 21;
const DAY_COUNT = 2 ** DAY_BITS - 1;
/** A key that is full of requests under way is looked at again after this, should one get lost. */
const LOOK_AGAIN_MS = 60_000;
/** A limit of which this instance may use nothing. */
const NO_PART = -1;
const HEADER_BYTES = 64;
const PLACES: Quotas = { concurrency: 0, rpd: 1, rpm: 2, tpm: 3 };

export class KeyQuotas {
  readonly #defaults: Quotas;
  readonly #fleet: FleetMemory;
  readonly #clock: ClockMemory;
  /** How often a key was set aside because of each kind. */
  readonly #skips: Int32Array;
  readonly #own: Int32Array;
  readonly #days: Int32Array;
  readonly #inFlight: InFlight;
  readonly #requests: MinuteWindows;
  readonly #tokens: MinuteWindows;

  /**
   * @param buffer from {@link create}, for as many rows; grown to its full length here
   * @param around which part of each limit is this instance's, and when a day ends
   */
  constructor(
    buffer: SharedArrayBuffer,
    { rows, workers }: { readonly rows: number; readonly workers: number },
    defaults: Quotas,
    { fleet, clock }: { readonly fleet: FleetMemory; readonly clock: ClockMemory },
  ) {
    // Views of fixed length are read faster, and must not be longer than the buffer.
    if (buffer.growable) buffer.grow(buffer.maxByteLength);
    const at = sections(rows, workers);
    this.#defaults = defaults;
    this.#fleet = fleet;
    this.#clock = clock;
    this.#skips = new Int32Array(buffer, 0, QUOTA_KINDS.length);
    this.#requests = new MinuteWindows(buffer, at.requests, rows, BUCKET_MS);
    this.#tokens = new MinuteWindows(buffer, at.tokens, rows, BUCKET_MS);
    this.#own = new Int32Array(buffer, at.own, rows * QUOTA_KINDS.length);
    this.#days = new Int32Array(buffer, at.days, rows);
    this.#inFlight = new InFlight(buffer, at.inFlight, rows, workers);
  }

  /** Address space for so many rows: memory becomes real where a key with a limit is used. */
  static create(rows: number, workers: number): SharedArrayBuffer {
    return new SharedArrayBuffer(0, { maxByteLength: sections(rows, workers).end });
  }

  /**
   * This instance's part of the limit of a row; 0: there is no limit, {@link NO_PART}: there is
   * one, and others have all of it.
   */
  #part(row: number, kind: QuotaKind): number {
    const limit = this.limit(row, kind);
    return limit === 0 ? 0 : this.#fleet.share(limit) || NO_PART;
  }

  /** The limit of a row, for the whole fleet; 0: none. */
  limit(row: number, kind: QuotaKind): number {
    const own = this.#own[row * QUOTA_KINDS.length + PLACES[kind]] ?? 0;
    return own === UNLIMITED ? 0 : own === 0 ? this.#defaults[kind] : own;
  }

  /** Sets a row's own limits; true: they are others than before. Coordinator only. */
  setOwn(row: number, own: Quotas): boolean {
    let isNew = false;
    for (const [i, kind] of QUOTA_KINDS.entries()) {
      const at = row * QUOTA_KINDS.length + i;
      if (this.#own[at] === own[kind]) continue;
      this.#own[at] = own[kind];
      isNew = true;
    }
    return isNew;
  }

  /** Forgets what a row counted: another key has it now. Coordinator only. */
  clear(row: number): void {
    this.#requests.clear(row);
    this.#tokens.clear(row);
    Atomics.store(this.#days, row, 0);
  }

  /**
   * Admits one request of so many tokens, which {@link leave} ends; or says what is in the way.
   * @param tokens an estimate, corrected by {@link settleTokens}
   */
  admit(row: number, tokens: number, workerId: number, nowMs: number): Full | undefined {
    // Counted without a limit too: one may be set while requests are under way.
    const concurrency = this.#part(row, 'concurrency') || Infinity;
    if (!this.#inFlight.enter(row, concurrency, workerId)) {
      return { kind: 'concurrency', untilMs: nowMs + LOOK_AGAIN_MS };
    }
    const full = this.#admitToDay(row, nowMs) ?? this.#admitToMinute(row, tokens, nowMs);
    if (full !== undefined) this.#inFlight.leave(row, workerId);
    return full;
  }

  #admitToDay(row: number, nowMs: number): Full | undefined {
    const rpd = this.#part(row, 'rpd');
    if (rpd === 0) return undefined;
    const day = this.#dayAt(nowMs);
    for (;;) {
      const word = Atomics.load(this.#days, row);
      const count = countOn(word, day);
      if (count >= rpd) return { kind: 'rpd', untilMs: this.#dayEndMs(rpd, nowMs) };
      const next = (day << DAY_BITS) | Math.min(DAY_COUNT, count + 1);
      if (Atomics.compareExchange(this.#days, row, word, next) === word) return undefined;
    }
  }

  #admitToMinute(row: number, tokens: number, nowMs: number): Full | undefined {
    const rpm = this.#part(row, 'rpm');
    const requestsMs = rpm === 0 ? 0 : admitTo(this.#requests, { row, limit: rpm, nowMs });
    if (requestsMs > 0) {
      this.#giveBackDay(row, nowMs);
      return { kind: 'rpm', untilMs: nowMs + requestsMs };
    }
    const tpm = this.#part(row, 'tpm');
    if (tpm === 0 || tokens === 0) return undefined;
    const amount = Math.min(tokens, MAX_IN_MINUTE);
    const tokensMs = admitTo(this.#tokens, { row, limit: tpm, nowMs }, amount);
    if (tokensMs === 0) return undefined;
    this.#giveBackDay(row, nowMs);
    if (rpm > 0) this.#requests.adjust(row, nowMs, -1);
    return { kind: 'tpm', untilMs: nowMs + tokensMs };
  }

  #giveBackDay(row: number, nowMs: number): void {
    if (this.limit(row, 'rpd') === 0) return;
    const day = this.#dayAt(nowMs);
    const word = Atomics.load(this.#days, row);
    // Lost to a racing worker, one request of the day is counted that was not made.
    if (countOn(word, day) > 0) Atomics.compareExchange(this.#days, row, word, word - 1);
  }

  /** What keeps a row from one more request, if anything does: the one that lasts longest. */
  fullOf(row: number, nowMs: number): Full | undefined {
    let full: Full | undefined;
    for (let i = 0; i < QUOTA_KINDS.length; i++) {
      const kind = QUOTA_KINDS[i] as QuotaKind;
      const limit = this.#part(row, kind);
      if (limit === 0) continue;
      const untilMs = this.#fullUntilMs(row, kind, limit, nowMs);
      if (untilMs > (full?.untilMs ?? nowMs)) full = { kind, untilMs };
    }
    return full;
  }

  #fullUntilMs(row: number, kind: QuotaKind, limit: number, nowMs: number): number {
    switch (kind) {
      case 'concurrency':
        return this.#inFlight.of(row) >= limit ? nowMs + LOOK_AGAIN_MS : 0;
      case 'rpd': {
        const day = this.#dayAt(nowMs);
        const isFull = countOn(Atomics.load(this.#days, row), day) >= limit;
        return isFull ? this.#dayEndMs(limit, nowMs) : 0;
      }
      case 'rpm':
        return windowEnd(this.#requests, row, limit, nowMs);
      case 'tpm':
        return windowEnd(this.#tokens, row, limit, nowMs);
      default:
        return kind satisfies never;
    }
  }

  /** A part that is nothing may become something before the day is over. */
  #dayEndMs(part: number, nowMs: number): number {
    if (part === NO_PART) return nowMs + LOOK_AGAIN_MS;
    return nowMs + DAY_MS - (this.#clock.wallOf(nowMs) % DAY_MS);
  }

  /** An admitted request is over. True: that may have made room where there was none. */
  leave(row: number, workerId: number): boolean {
    this.#inFlight.leave(row, workerId);
    return this.limit(row, 'concurrency') > 0;
  }

  /** Puts what a request really used in the place of the estimate that it was admitted with. */
  settleTokens(row: number, admittedMs: number, estimate: number, used: number): void {
    if (this.limit(row, 'tpm') === 0 || used === estimate) return;
    this.#tokens.adjust(row, admittedMs, Math.min(used, MAX_IN_MINUTE) - estimate);
  }

  /** Requests of the UTC day in which `nowMs` is, for the state file. */
  ofDay(row: number, nowMs: number): number {
    return countOn(Atomics.load(this.#days, row), this.#dayAt(nowMs));
  }

  /** Unix time at which the UTC day in which `nowMs` is began. */
  dayStartMs(nowMs: number): number {
    return this.#dayAt(nowMs) * DAY_MS;
  }

  /** A day is the calendar's: it ends when the wall clock says so. */
  #dayAt(nowMs: number): number {
    return Math.floor(this.#clock.wallOf(nowMs) / DAY_MS);
  }

  /** Another number each time that a row's day counted. */
  dayWord(row: number): number {
    return Atomics.load(this.#days, row);
  }

  /** Puts a day's count back after a restart. */
  restoreDay(row: number, count: number, nowMs: number): void {
    const day = this.#dayAt(nowMs);
    Atomics.store(this.#days, row, (day << DAY_BITS) | Math.min(DAY_COUNT, count));
  }

  /** Requests under way, and of the last minute, and its tokens. */
  now(row: number, nowMs: number): { concurrency: number; rpm: number; tpm: number } {
    return {
      concurrency: this.#inFlight.of(row),
      rpm: this.#requests.inMinute(row, nowMs),
      tpm: this.#tokens.inMinute(row, nowMs),
    };
  }

  countSkip(kind: QuotaKind): void {
    Atomics.add(this.#skips, PLACES[kind], 1);
  }

  /** Modulo 2^32. */
  skips(kind: QuotaKind): number {
    return Atomics.load(this.#skips, PLACES[kind]) >>> 0;
  }

  /** After a worker died. */
  reclaim(workerId: number, rowCount: number): void {
    this.#inFlight.reclaim(workerId, rowCount);
    this.#requests.repair(rowCount);
    this.#tokens.repair(rowCount);
  }
}

function sections(rows: number, workers: number) {
  const requests = HEADER_BYTES;
  const window = MinuteWindows.bytes(rows, BUCKET_MS);
  const tokens = requests + window;
  const own = tokens + window;
  const days = own + rows * QUOTA_KINDS.length * 4;
  const inFlight = days + rows * 4;
  const end = inFlight + InFlight.bytes(rows, workers);
  return { requests, tokens, own, days, inFlight, end };
}

/** What {@link MinuteWindows.admit} says, where there is a limit that is more than nothing. */
function admitTo(
  windows: MinuteWindows,
  { row, limit, nowMs }: { row: number; limit: number; nowMs: number },
  amount = 1,
): number {
  return limit === NO_PART ? LOOK_AGAIN_MS : windows.admit(row, limit, nowMs, amount);
}

function windowEnd(windows: MinuteWindows, row: number, limit: number, nowMs: number): number {
  if (limit === NO_PART) return nowMs + LOOK_AGAIN_MS;
  // A window that has not been looked at for long holds what has left it.
  if (windows.waitMs(row, limit, nowMs) === 0) return 0;
  windows.expire(row, nowMs);
  const waitMs = windows.waitMs(row, limit, nowMs);
  return waitMs === 0 ? 0 : nowMs + waitMs;
}

function countOn(word: number, day: number): number {
  return word >>> DAY_BITS === (day & (2 ** (32 - DAY_BITS) - 1)) ? word & DAY_COUNT : 0;
}
