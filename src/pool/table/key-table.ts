// The shared memory in which all workers keep their keys: rows, lanes, and what changes them. Every
// change of a key's status goes through `apply`; what it becomes is policy/key-breaker.ts. Which
// key a request gets is key-pool.ts.
//
// A row is available when its bit is set. The bit follows the status words: whoever changes a word
// then publishes the row, and publishing goes on until bit and words agree, so that racing threads
// heal one another; and it always leaves the row either available or in the calendar of returns.

import {
  type KeyEvent,
  type KeyLimits,
  type KeyStatus,
  reduceKey,
} from '../../policy/key-breaker.ts';
import { REASONS, type Reason } from '../../policy/reason.ts';
import { ClockMemory } from '../clock-memory.ts';
import { FleetMemory } from '../fleet-memory.ts';
import { AsideKeys } from '../limits/aside-keys.ts';
import { KeyQuotas, NO_QUOTAS, type Quotas } from '../limits/key-quotas.ts';
import { Bitmap } from './bitmap.ts';
import { KeyRows } from './key-rows.ts';
import { Lane } from './lane.ts';
import { ACCOUNT, LaneDirectory } from './lane-directory.ts';
import { ModelRests, modelHash } from './model-rests.ts';
import { type Change, READY, stateOf, TICK_MS, ticksPassed, VACANT } from './status-word.ts';
import { reserveTable, type TableBuffers, type TableSize } from './table-memory.ts';

/** A model's lane that nobody asks for is given up after this, whatever rests in it. */
export const LANE_IDLE_MS = 600_000;
/** Late results for a lane that was given up have arrived by then, or find its life over. */
const LANE_GRACE_MS = 60_000;

/** What the settings of a group say of its keys: thresholds, and the limits of each. */
export interface TableSettings extends KeyLimits {
  readonly keyConcurrency?: number;
  readonly keyRpd?: number;
  readonly keyRpm?: number;
  readonly keyTpm?: number;
}

/** Why a status changes, for people. */
export interface Cause {
  readonly nowTick: number;
  readonly reason: Reason;
  /** Another instance knows already: it told. */
  readonly isHeard?: boolean;
}

export class KeyTable {
  readonly buffers: TableBuffers;
  readonly rows: KeyRows;
  readonly directory: LaneDirectory;
  /** The whole account. */
  readonly account: Lane;
  /** Rows with something to save in the state file. */
  readonly changed: Bitmap;
  /** Rows with something to tell other instances. */
  readonly news: Bitmap;
  readonly fleet: FleetMemory;
  readonly clock: ClockMemory;
  /** Rests for models that have no lane. */
  readonly modelRests: ModelRests;
  readonly limits: KeyLimits;
  readonly #defaults: Quotas;
  readonly #lanes: (Lane | undefined)[] = [];
  #aside: AsideKeys | undefined;

  private constructor(buffers: TableBuffers, settings: TableSettings) {
    this.buffers = buffers;
    this.limits = settings;
    this.#defaults = defaultQuotas(settings);
    this.rows = new KeyRows(buffers);
    this.directory = new LaneDirectory(buffers.directory);
    this.changed = new Bitmap(buffers.changed, 0, this.rows.capacity);
    this.news = new Bitmap(buffers.news, 0, this.rows.capacity);
    this.fleet = new FleetMemory(buffers.fleet);
    this.clock = new ClockMemory(buffers.clock);
    this.account = this.lane(ACCOUNT);
    this.modelRests = new ModelRests(buffers.modelRests);
  }

  /** Reserves the memory; the coordinator does this once. */
  static create(size: TableSize): TableBuffers {
    return reserveTable(size);
  }

  /** One thread's view of the table. */
  static attach(buffers: TableBuffers, settings: TableSettings): KeyTable {
    return new KeyTable(buffers, settings);
  }

  /** Keys that have reached a limit of their own; undefined as long as no key has one. */
  get aside(): AsideKeys | undefined {
    if (this.#aside !== undefined) return this.#aside;
    if (this.#defaults === NO_QUOTAS && !this.rows.hasQuotas) return undefined;
    const { quotas, workers, full } = this.buffers;
    const { capacity } = this.rows;
    full.grow(full.maxByteLength);
    const around = { fleet: this.fleet, clock: this.clock };
    const own = new KeyQuotas(quotas, { rows: capacity, workers }, this.#defaults, around);
    this.#aside = new AsideKeys(own, new Lane(full, capacity), this);
    return this.#aside;
  }

  /** What keys may be asked; undefined as long as no key has a limit. */
  get quotas(): KeyQuotas | undefined {
    return this.aside?.quotas;
  }

  /** Milliseconds on the table's own clock, on which statuses count. */
  sinceEpoch(nowMs: number): number {
    return Math.max(0, nowMs - this.buffers.epochMs);
  }

  /** Ticks of the table's own clock that have passed at this time. */
  tick(nowMs: number): number {
    return ticksPassed(this.sinceEpoch(nowMs));
  }

  /** The time of a tick, by the steady clock. */
  timeOf(tick: number): number {
    return this.buffers.epochMs + tick * TICK_MS;
  }

  /** Unix time, for people, of so many milliseconds on the table's own clock. */
  wallTime(sinceEpochMs: number): number {
    return this.clock.wallOf(this.buffers.epochMs + sinceEpochMs);
  }

  /** Unix time of a tick, for people. */
  wallTimeOf(tick: number): number {
    return this.wallTime(tick * TICK_MS);
  }

  /** The lane of this index, which {@link laneFor} or {@link laneToRest} gave. */
  lane(index: number): Lane {
    const known = this.#lanes[index];
    if (known !== undefined) return known;
    const buffer = this.buffers.lanes[index];
    if (buffer === undefined) throw new RangeError(`no lane ${index}`);
    // A view must not be longer than the buffer; growing to the length that it has changes nothing.
    buffer.grow(buffer.maxByteLength);
    const lane = new Lane(buffer, this.rows.capacity);
    this.#lanes[index] = lane;
    return lane;
  }

  /** The lane in which requests for a model look for keys. */
  laneFor(model: string | undefined, nowTick: number): number {
    return this.directory.laneOf(model, nowTick);
  }

  /**
   * The lane in which a key rests for a model, made when it has none; ACCOUNT when there is none
   * left.
   */
  laneToRest(model: string, reserve: number, nowTick: number): number {
    const existing = this.directory.laneOf(model, nowTick);
    if (existing !== ACCOUNT) return existing;
    const taken = this.directory.take(model, reserve, nowTick);
    if (taken === ACCOUNT) return ACCOUNT;
    const lane = this.lane(taken);
    lane.cursor = this.account.cursor;
    // Copied before anyone looks here, and once more when it is published to: a row that came back
    // between the two is not missed. One that left is left over, and the lease that finds it so
    // puts it right.
    this.#copyAvailable(lane);
    this.directory.activate(taken);
    this.#copyAvailable(lane);
    return this.directory.laneOf(model, nowTick);
  }

  #copyAvailable({ tiers }: Lane): void {
    for (const [tier, rows] of this.account.tiers.entries()) tiers[tier]?.addAll(rows);
  }

  /** Whether a row still has the key of this hash (key-rows.ts). */
  holdsHash(row: number, keyHash: number): boolean {
    if (row >= this.rows.rowCount || stateOf(this.account.words.low(row)) === VACANT) return false;
    return this.rows.hash(row) === keyHash;
  }

  /** Whether a row's bit is set: it may be picked in this lane. */
  has(lane: Lane, row: number): boolean {
    return this.#availableOf(lane, row).has(row);
  }

  #availableOf(lane: Lane, row: number): Bitmap {
    return lane.tiers[this.rows.tier(row) - 1] ?? lane.available;
  }

  /** No lane offers the row any more, in whatever tier it is. Coordinator only, before a move. */
  withdraw(row: number): void {
    for (const index of [ACCOUNT, ...this.directory.active()]) {
      for (const tier of this.lane(index).tiers) tier.delete(row);
    }
  }

  /** Changes a row's status in one lane. Null: the event changed nothing, as late news does not. */
  apply(lane: number, row: number, event: KeyEvent, cause: Cause): Change<KeyStatus> | null {
    const place = this.lane(lane);
    const change = place.words.changeKey(row, (status) => reduceKey(status, event, this.limits));
    if (change === null) return null;
    if (event.kind !== 'claim_probe' && event.kind !== 'bring_forward') {
      place.reasons[row] = REASONS.indexOf(cause.reason);
    }
    // A probe ends no rest: what comes of it does.
    const isRest = change.after.state === 'cooling' && event.kind !== 'claim_probe';
    if (change.before.state !== change.after.state || isRest) {
      place.since[row] = cause.nowTick;
    }
    if (event.kind !== 'bring_forward') place.tried[row] = cause.nowTick;
    this.changed.add(row);
    // A suspected upstream is suspected here: networks differ.
    if (cause.isHeard !== true && event.kind !== 'bring_forward') this.news.add(row);
    this.publish(lane, row, cause.nowTick);
    return change;
  }

  /**
   * Whether a row's rest was so long that one request is to find out first what has become of the
   * key (half-open), when it is over: RETRY_AFTER_MAX or more, as at the end of a month. A rest for
   * a model that has no lane ends for all at once.
   */
  hasRestedLong({ words, since }: Lane, row: number): boolean {
    return (words.tick(row) - (since[row] ?? 0)) * TICK_MS >= this.limits.retryAfterMaxMs;
  }

  /** Whether some key may rest for a model that has no lane. */
  mayRestApart(model: string): boolean {
    return this.modelRests.hasAny && this.modelRests.concern(modelHash(model));
  }

  /** When a row returns for a model, as far as there is no lane for it; 0: it does not rest. */
  restsApartUntil(model: string, row: number): number {
    return this.modelRests.restTick(modelHash(model), row, this.rows.life[row] ?? 0);
  }

  /**
   * Changes what is known of a row for a model that has no lane. One that rests already is not
   * made to rest longer by the answers that come late.
   */
  applyApart(model: string, row: number, event: KeyEvent, nowMs: number): KeyStatus | null {
    const hash = modelHash(model);
    const { modelRests, rows } = this;
    const life = rows.life[row] ?? 0;
    const isRest = event.kind !== 'success';
    const slot = isRest ? modelRests.place(hash, row, life) : modelRests.find(hash, row, life);
    if (slot < 0) return null;
    if (isRest) modelRests.name(hash, model);
    const since = this.sinceEpoch(nowMs);
    const change = modelRests.words.changeKey(slot, (status) => {
      if (isRest && status.state !== 'ready' && status.untilMs > since) return status;
      const { generation } = status;
      return reduceKey(
        status,
        'generation' in event ? { ...event, generation } : event,
        this.limits,
      );
    });
    return change?.after ?? null;
  }

  /** Makes a row's bits follow its words: in its lane, or in all when the change was in lane 0. */
  publish(lane: number, row: number, nowTick: number): boolean {
    let hasChanged = this.#publishIn(this.lane(lane), row, nowTick);
    if (lane !== ACCOUNT) return hasChanged;
    for (const model of this.directory.active()) {
      if (this.#publishIn(this.lane(model), row, nowTick)) hasChanged = true;
    }
    return hasChanged;
  }

  /** Brings back what has rested long enough in this lane. Costs two loads when nothing is due. */
  returnDue(lane: number, nowTick: number): void {
    if (this.account.isDue(nowTick)) {
      this.account.sweep(nowTick, (row) => this.publish(ACCOUNT, row, nowTick));
    }
    const full = this.#aside?.lane;
    if (full?.isDue(nowTick)) full.sweep(nowTick, (row) => this.publish(ACCOUNT, row, nowTick));
    if (lane === ACCOUNT) return;
    const place = this.lane(lane);
    if (place.isDue(nowTick)) place.sweep(nowTick, (row) => this.publish(lane, row, nowTick));
  }

  /**
   * Gives up lanes of models for which nothing rests, or that nobody asks for. Coordinator only,
   * now and then.
   */
  reclaimIdleLanes(nowMs: number): void {
    const nowTick = this.tick(nowMs);
    const { directory } = this;
    const graceTicks = LANE_GRACE_MS / TICK_MS;
    for (const lane of directory.retiredBefore(nowTick - graceTicks)) {
      this.lane(lane).wipe();
      directory.free(lane);
    }
    for (const lane of directory.active()) {
      const idleTicks = nowTick - directory.lastUse(lane);
      if (idleTicks < graceTicks) continue;
      const isIdle = idleTicks > LANE_IDLE_MS / TICK_MS;
      if (isIdle || !this.lane(lane).hasRests(nowTick)) directory.retire(lane, nowTick);
    }
  }

  /** After a worker died: finishes whatever it left half done, in time proportional to the rows. */
  healAfterCrash(nowMs: number, workerId = 0): void {
    const nowTick = this.tick(nowMs);
    const { rowCount } = this.rows;
    this.changed.repair();
    this.news.repair();
    for (const lane of [ACCOUNT, ...this.directory.active()]) {
      for (const tier of this.lane(lane).tiers) tier.repair();
    }
    this.quotas?.reclaim(workerId, rowCount);
    this.aside?.reconsiderAll(nowMs);
    for (let row = 0; row < rowCount; row++) {
      this.publish(ACCOUNT, row, nowTick);
      if (stateOf(this.account.words.low(row)) === READY) continue;
      this.changed.add(row);
      this.news.add(row);
    }
  }

  /** True when the bit was wrong. */
  #publishIn(lane: Lane, row: number, nowTick: number): boolean {
    const full = this.aside?.lane;
    const available = this.#availableOf(lane, row);
    for (let hasChanged = false; ; ) {
      const whole = this.account.words.low(row);
      const own = lane.words.low(row);
      const aside = full?.words.low(row);
      const wanted =
        isRested(this.account, row, nowTick) &&
        isRested(lane, row, nowTick) &&
        (full === undefined || isRested(full, row, nowTick));
      if (wanted !== available.has(row)) {
        if (wanted) available.add(row);
        else available.delete(row);
        hasChanged = true;
      }
      const isStill = whole === this.account.words.low(row) && own === lane.words.low(row);
      if (isStill && aside === full?.words.low(row)) return hasChanged;
    }
  }
}

function defaultQuotas(settings: TableSettings): Quotas {
  const { keyConcurrency = 0, keyRpd = 0, keyRpm = 0, keyTpm = 0 } = settings;
  const isNone = keyConcurrency === 0 && keyRpd === 0 && keyRpm === 0 && keyTpm === 0;
  if (isNone) return NO_QUOTAS;
  return { concurrency: keyConcurrency, rpd: keyRpd, rpm: keyRpm, tpm: keyTpm };
}

/**
 * Whether a row may be used as far as this lane is concerned; if it rests, its return is entered.
 */
function isRested(lane: Lane, row: number, nowTick: number): boolean {
  const state = stateOf(lane.words.low(row));
  if (state === READY) return true;
  if (state === VACANT) return false;
  const tick = lane.words.tick(row);
  if (tick <= nowTick) return true;
  lane.scheduleReturn(row, tick);
  return false;
}
