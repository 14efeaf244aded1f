// Gives each attempt a key and an upstream: the next available key in turn, or, when there is none,
// the moment at which to come back. One per worker, over memory that all workers share; nothing
// here waits.

import { KeyTexts } from './key-texts.ts';
import { Lease, type LeaseHome } from './lease.ts';
import { NO_WAY, pickRow, type Rank, type Search, type Weights } from './pick.ts';
import { SessionRing } from './session-ring.ts';
import { type Shortage, type Survey, survey } from './survey.ts';
import { NO_PROXY, UNPINNED } from './table/key-rows.ts';
import type { KeyTable } from './table/key-table.ts';
import { ACCOUNT } from './table/lane-directory.ts';
import { DEAD, generationOf, NEVER_TICK, READY, stateOf, TICK_MS } from './table/status-word.ts';
import type { UpstreamChoice } from './upstreams/upstream-pool.ts';

/** What one attempt needs. */
export interface LeaseRequest {
  readonly model: string | undefined;
  /** The conversation that it belongs to, where these keep their keys. */
  readonly session?: number | undefined;
  /** An estimate of the tokens that it will use, read where a key has a limit of them. */
  readonly tokens?: number;
  /** The only row that will do, because its key alone knows what the request names; -1: any. */
  readonly boundRow?: number;
  /** Rows that this request used before. */
  readonly triedRows: readonly number[];
  /** Indexes of upstreams that failed this request. */
  readonly avoidUpstreams: readonly number[];
  /** They may be working on it still: none of them may be asked again. */
  readonly mustAvoid: boolean;
}

/** `retryAtMs`: when the first key returns, by the steady clock; null: none will by itself. */
export interface Unavailable {
  readonly kind: 'unavailable';
  readonly retryAtMs: number | null;
  readonly shortage: Shortage;
}

/** One request in this time tries a dead key when there is nothing else, over all workers. */
export const HALF_OPEN_MS = 1_000;
/** Keys that one lease may find taken or gone by the time it has picked them. */
const MAX_PICKS = 64;
/** Looks at keys that were free and then were not to be had: others were quicker. */
const MAX_LOOKS = 3;
/** A survey of all rows is good for so long: it costs milliseconds at a million. */
const SURVEY_TICKS = 1_000 / TICK_MS;
/** Ranks: worse ones are used when nothing better is left. */
const SUITS = 0;
const UPSTREAM_TROUBLE = 1;
const TRIED = 2;

export class KeyPool {
  readonly #home: LeaseHome;
  /** The last survey of a lane that found no key, so that a thousand refusals cost one. */
  readonly #surveys = new Map<number, { readonly atTick: number; readonly result: Survey }>();

  /** Made when a session is first asked for, and again when keys came or went. */
  #ring: SessionRing | undefined;

  readonly #texts = new KeyTexts();
  #weights: Weights = { heaviest: 1, weight: () => 1 };

  constructor(home: LeaseHome) {
    this.#home = home;
  }

  /** A key in its turn, with an upstream; or why there is none. */
  lease(request: LeaseRequest, nowMs: number): Lease | Unavailable {
    const { table } = this.#home.group;
    const { boundRow = -1 } = request;
    if (boundRow >= 0) return this.#bound(request, boundRow, nowMs);
    const nowTick = table.tick(nowMs);
    const lane = table.laneFor(request.model, nowTick);
    table.returnDue(lane, nowTick);
    return this.#next(request, lane, nowMs) ?? this.#withoutKeys(request, lane, nowMs);
  }

  /** Whether some key is offered, if perhaps not for every model. */
  get hasAvailable(): boolean {
    const { account, rows } = this.#home.group.table;
    const { tiers } = rows;
    return account.tiers.some((tier, n) => n < tiers && tier.next(0) >= 0);
  }

  /** The one key that knows what the request names; or when it will be there again. */
  #bound(request: LeaseRequest, row: number, nowMs: number): Lease | Unavailable {
    const { table } = this.#home.group;
    const nowTick = table.tick(nowMs);
    const lane = table.laneFor(request.model, nowTick);
    table.returnDue(lane, nowTick);
    const isTried = request.triedRows.includes(row) && request.avoidUpstreams.length === 0;
    const rank = this.#rank(request, nowMs);
    for (let look = 1; ; look++) {
      const lease =
        isTried || !table.has(table.lane(lane), row) || rank(row) === NO_WAY
          ? null
          : this.#take(request, { row, lane, force: false }, nowMs);
      if (lease !== null) return lease;
      const seen = survey(table, lane, nowTick, { ...request, onlyRow: row });
      if (look <= MAX_LOOKS && wasTaken(seen, request)) continue;
      return unavailable(table, seen);
    }
  }

  /** The next available key. */
  #next(request: LeaseRequest, lane: number, nowMs: number): Lease | null {
    const rank = this.#rank(request, nowMs);
    if (request.session !== undefined) {
      const lease = this.#ofSession(request.session, { request, lane, rank }, nowMs);
      if (lease !== null) return lease;
    }
    const search = this.#search(lane);
    for (let pick = 0; pick < MAX_PICKS; pick++) {
      const row = pickRow(search, rank);
      if (row < 0) break;
      const lease = this.#take(request, { row, lane, force: false }, nowMs);
      if (lease !== null) return lease;
    }
    return null;
  }

  #search(lane: number): Search {
    const { table } = this.#home.group;
    const { rows } = table;
    const { heaviest } = rows;
    if (heaviest !== this.#weights.heaviest) {
      this.#weights = { heaviest, weight: (row) => rows.weight(row) };
    }
    const weights = heaviest === 1 ? undefined : this.#weights;
    return { lane: table.lane(lane), tiers: rows.tiers, weights };
  }

  /** The key that a session prefers, or the next best for it; null: any other is as good. */
  #ofSession(session: number, { request, lane, rank }: Wish, nowMs: number): Lease | null {
    const { table } = this.#home.group;
    if (this.#ring?.edition !== table.rows.edition) this.#ring = new SessionRing(table);
    const place = table.lane(lane);
    const { rows } = table;
    const { tiers } = rows;
    for (let tier = 1, pick = 0; tier <= tiers && pick < MAX_PICKS; pick++) {
      const available = place.tiers[tier - 1];
      const suits = (row: number) => available?.has(row) === true && rank(row) === SUITS;
      const row = this.#ring.pick(session, suits);
      if (row < 0) {
        tier++;
        continue;
      }
      const lease = this.#take(request, { row, lane, force: false }, nowMs);
      if (lease !== null) return lease;
    }
    return null;
  }

  /**
   * How many upstreams have not failed this request, for the decision to go on at once. Those that
   * keys are bound to count as one: which of them have keys left, the next lease finds out.
   */
  freshUpstreams({ avoidUpstreams }: LeaseRequest): number {
    const { table, upstreams } = this.#home.group;
    const pinned = table.rows.pinned > 0 ? 1 : 0;
    return upstreams.allowed({ avoidUpstreams, mustAvoid: true }) + pinned;
  }

  /** The same for a model of which keys may rest without a lane: those that do not suit. */
  #rank(request: LeaseRequest, nowMs: number): Rank {
    const { table } = this.#home.group;
    const { model } = request;
    const rank = this.#rankAtUpstreams(request, nowMs);
    if (!table.modelRests.hasAny || model === undefined || !table.mayRestApart(model)) return rank;
    const nowTick = table.tick(nowMs);
    return (row) => (table.restsApartUntil(model, row) > nowTick ? NO_WAY : rank(row));
  }

  /** How well rows suit a request. The usual one, the first attempt of a request, takes all. */
  #rankAtUpstreams(request: LeaseRequest, nowMs: number): Rank {
    const { table, upstreams } = this.#home.group;
    const { triedRows, avoidUpstreams, mustAvoid } = request;
    const hasPins = table.rows.pinned > 0;
    if (triedRows.length === 0 && avoidUpstreams.length === 0 && !hasPins) return takeAll;
    // A key that was tried and is still available was not to blame: its upstream was, so it may go
    // again.
    const triedRank = avoidUpstreams.length > 0 ? TRIED : NO_WAY;
    let unpinnedRank = upstreams.hasFresh(request, nowMs) ? SUITS : UPSTREAM_TROUBLE;
    if (upstreams.allowed(request) === 0) unpinnedRank = NO_WAY;
    return (row) => {
      const pin = hasPins ? table.rows.pin(row) : UNPINNED;
      const isAvoided = pin !== UNPINNED && avoidUpstreams.includes(pin);
      if (isAvoided && mustAvoid) return NO_WAY;
      if (pin === UNPINNED && unpinnedRank === NO_WAY) return NO_WAY;
      if (triedRows.includes(row)) return triedRank;
      if (pin === UNPINNED) return hasPins ? unpinnedRank : SUITS;
      return isAvoided || !upstreams.isUsable(pin, nowMs) ? UPSTREAM_TROUBLE : SUITS;
    };
  }

  /** Makes the lease of a picked row; null when it is no longer to be had. */
  #take(request: LeaseRequest, place: Place, nowMs: number): Lease | null {
    const { table } = this.#home.group;
    const { row, lane } = place;
    const nowTick = table.tick(nowMs);
    // In its model's lane first: the probe of a dead key is claimed only if the model may use it.
    const own = lane === ACCOUNT ? 0 : this.#claim(place, lane, nowTick);
    const whole = own < 0 ? GONE : this.#claim(place, ACCOUNT, nowTick);
    if (whole < 0) {
      table.publish(lane, row, nowTick);
      return null;
    }
    const generation = whole & ~PROBE;
    const text = this.#texts.of(table, row, generation);
    if (text === undefined) return null;
    const choice = this.#upstreamFor(row, request, nowMs);
    if (choice === null) return null;
    const { quotas } = table;
    const tokens = quotas === undefined ? 0 : this.#admit(request, row, nowMs);
    if (tokens === NOT_ADMITTED) return null;
    const { model } = request;
    const laneLife = table.directory.generation(lane);
    const laneGeneration = lane === ACCOUNT ? generation : own & ~PROBE;
    const admission = quotas === undefined ? undefined : { quotas, tokens, atMs: nowMs };
    const origin = {
      row,
      text,
      model,
      choice,
      generation,
      lane,
      laneLife,
      laneGeneration,
      admission,
    };
    return new Lease(this.#home, origin);
  }

  /**
   * Counts a request among those that its key may be asked: its tokens, as estimated. A key that
   * has no room (left) is set aside.
   */
  #admit(request: LeaseRequest, row: number, nowMs: number): number {
    const { table } = this.#home.group;
    const { quotas } = table;
    if (quotas === undefined) return 0;
    const tokens = quotas.limit(row, 'tpm') > 0 ? (request.tokens ?? 0) : 0;
    const full = quotas.admit(row, tokens, this.#home.workerId, nowMs);
    // At once, and not when the next request comes: of a thousand that are full, each would cost it
    // a look.
    const isFull = full ?? quotas.fullOf(row, nowMs);
    if (isFull !== undefined) table.aside?.setAside(row, isFull, nowMs);
    return full === undefined ? tokens : NOT_ADMITTED;
  }

  /**
   * The row's era in a lane, with PROBE set when it is dead, or comes from a long rest, and this is
   * its probe; GONE: not to be had.
   */
  #claim({ row, force }: Place, lane: number, nowTick: number): number {
    const { table } = this.#home.group;
    const place = table.lane(lane);
    const { words } = place;
    const low = words.low(row);
    const state = stateOf(low);
    if (state === READY) return generationOf(low);
    if (state !== DEAD) {
      if (!words.isAvailable(row, nowTick)) return GONE;
      if (!table.hasRestedLong(place, row)) return generationOf(low);
    }
    // By the table's ticks, as the calendar of returns counts: due is due for both.
    const event = { kind: 'claim_probe', nowMs: nowTick * TICK_MS, force } as const;
    const change = table.apply(lane, row, event, { nowTick, reason: 'none' });
    return change === null ? GONE : change.after.generation | PROBE;
  }

  #upstreamFor(row: number, request: LeaseRequest, nowMs: number): UpstreamChoice | null {
    const { table, upstreams } = this.#home.group;
    const pin = table.rows.pin(row);
    const choice =
      pin === UNPINNED ? upstreams.choose(request, nowMs) : upstreams.pinned(pin, nowMs);
    const proxy = table.rows.proxy(row);
    if (proxy === NO_PROXY || choice === null) return choice;
    return { ...choice, upstream: upstreams.list.through(choice.upstream.index, proxy) };
  }

  /** No key is available: a trial of a dead one if nothing else is left, else when to come back. */
  #withoutKeys(request: LeaseRequest, lane: number, nowMs: number): Lease | Unavailable {
    const { table } = this.#home.group;
    const nowTick = table.tick(nowMs);
    let seen = this.#survey(request, lane, nowMs);
    // Bits and words of a row were apart for a moment, or its worker died between the two.
    for (let look = 0; look < MAX_LOOKS && (seen.hasHealed || wasTaken(seen, request)); look++) {
      const lease = this.#next(request, lane, nowMs);
      if (lease !== null) return lease;
      seen = survey(table, lane, nowTick, request);
    }
    if (seen.apart >= 0 && request.avoidUpstreams.length === 0) {
      const lease = this.#take(request, { row: seen.apart, lane, force: false }, nowMs);
      if (lease !== null) return lease;
    }
    const isLastResort = seen.shortage === 'dead' || seen.shortage === 'no_access';
    const scope = table.lane(seen.shortage === 'dead' ? ACCOUNT : lane);
    // Each instance of a fleet at its time, so that all of them together are as one.
    const periodTicks = (HALF_OPEN_MS * table.fleet.instances) / TICK_MS;
    if (isLastResort && scope.claimHalfOpen(nowTick, periodTicks)) {
      // Looked up now: what was seen a moment ago may have been tried since.
      seen = survey(table, lane, nowTick, request);
      const place = { row: seen.oldestDead, lane, force: true };
      const lease = place.row < 0 ? null : this.#take(request, place, nowMs);
      if (lease !== null) return lease;
    }
    return unavailable(table, seen);
  }

  /** What a look at all rows says; at most a second old, unless something has happened since. */
  #survey(request: LeaseRequest, lane: number, nowMs: number): Survey {
    const { triedRows, model } = request;
    const { table } = this.#home.group;
    const nowTick = table.tick(nowMs);
    // What holds for one model without a lane does not hold for the others that share this one.
    const isApart = model !== undefined && table.mayRestApart(model);
    const known = isApart ? undefined : this.#surveys.get(lane);
    if (known !== undefined && nowTick - known.atTick < SURVEY_TICKS) {
      const { shortage, firstReturnTick } = known.result;
      // There was a key, then, that another request had tried; now even this one finds none.
      const isOver = shortage === 'used_up' && triedRows.length === 0;
      if (firstReturnTick > nowTick && !isOver) return known.result;
    }
    const result = survey(table, lane, nowTick, request);
    if (!result.hasHealed && !isApart) this.#surveys.set(lane, { atTick: nowTick, result });
    return result;
  }
}

function unavailable(table: KeyTable, { shortage, firstReturnTick }: Survey): Unavailable {
  const retryAtMs = firstReturnTick === NEVER_TICK ? null : table.timeOf(firstReturnTick);
  return { kind: 'unavailable', retryAtMs, shortage };
}

/** There was a key that nothing spoke against, but another request had it first. */
function wasTaken({ shortage }: Survey, { triedRows, avoidUpstreams }: LeaseRequest): boolean {
  return shortage === 'used_up' && triedRows.length === 0 && avoidUpstreams.length === 0;
}

/** What one request looks for, and where. */
interface Wish {
  readonly request: LeaseRequest;
  readonly lane: number;
  readonly rank: Rank;
}

/** `force`: although its probe is not due. */
interface Place {
  readonly row: number;
  readonly lane: number;
  readonly force: boolean;
}

/** Above every generation. */
const PROBE = 0x10000;
const GONE = -1;
const NOT_ADMITTED = -1;

function takeAll(): number {
  return SUITS;
}
