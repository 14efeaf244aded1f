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
import { Bitmap, bitmapBytes } from './bitmap.ts';
import { KeyRows, type RowBuffers } from './key-rows.ts';
import { BLOCK_ROWS, Lane, laneBytes } from './lane.ts';
import { ACCOUNT, LaneDirectory, MAX_LANES } from './lane-directory.ts';
import { type Change, READY, stateOf, TICK_MS, ticksPassed, VACANT } from './status-word.ts';

/** Keys that a table can hold, unless told otherwise. Unused rows cost address space only. */
export const MAX_KEYS = 2 ** 21;
/**
 * The table's clock starts so long before the process, for what a state file tells of earlier days.
 */
const HISTORY_MS = 400 * 24 * 3_600_000;
/** A model's lane that nobody asks for is given up after this, whatever rests in it. */
export const LANE_IDLE_MS = 600_000;
/** Late results for a lane that was given up have arrived by then, or find its life over. */
const LANE_GRACE_MS = 60_000;

/** Goes into `workerData` as it is: nothing in it is copied. */
export interface TableBuffers extends RowBuffers {
  /** Unix time at which the table's ticks begin. */
  readonly epochMs: number;
  readonly lanes: readonly SharedArrayBuffer[];
  readonly directory: SharedArrayBuffer;
  readonly changed: SharedArrayBuffer;
}

/** Why a status changes, for people. */
export interface Cause {
  readonly nowTick: number;
  readonly reason: Reason;
}

export class KeyTable {
  readonly buffers: TableBuffers;
  readonly rows: KeyRows;
  readonly directory: LaneDirectory;
  /** The whole account. */
  readonly account: Lane;
  /** Rows with something to save in the state file. */
  readonly changed: Bitmap;
  readonly limits: KeyLimits;
  readonly #lanes: (Lane | undefined)[] = [];

  private constructor(buffers: TableBuffers, limits: KeyLimits) {
    this.buffers = buffers;
    this.limits = limits;
    this.rows = new KeyRows(buffers);
    this.directory = new LaneDirectory(buffers.directory);
    this.changed = new Bitmap(buffers.changed, 0, this.rows.capacity);
    this.account = this.lane(ACCOUNT);
  }

  /** Reserves the memory; the coordinator does this once. `capacity` is rounded up to a block. */
  static create({ epochMs, capacity }: { epochMs: number; capacity?: number }): TableBuffers {
    const rows = Math.ceil(Math.max(1, capacity ?? MAX_KEYS) / BLOCK_ROWS) * BLOCK_ROWS;
    const lanes = Array.from({ length: MAX_LANES }, () => {
      return new SharedArrayBuffer(0, { maxByteLength: laneBytes(rows) });
    });
    lanes[ACCOUNT]?.grow(laneBytes(rows));
    return {
      ...KeyRows.create(rows),
      epochMs: epochMs - HISTORY_MS,
      lanes,
      directory: LaneDirectory.create(),
      changed: new SharedArrayBuffer(bitmapBytes(rows)),
    };
  }

  /** One thread's view of the table. */
  static attach(buffers: TableBuffers, limits: KeyLimits): KeyTable {
    return new KeyTable(buffers, limits);
  }

  /** Milliseconds on the table's own clock, on which statuses count. */
  sinceEpoch(nowMs: number): number {
    return Math.max(0, nowMs - this.buffers.epochMs);
  }

  /** Ticks of the table's own clock that have passed at this Unix time. */
  tick(nowMs: number): number {
    return ticksPassed(this.sinceEpoch(nowMs));
  }

  /** Unix time of a tick. */
  timeOf(tick: number): number {
    return this.buffers.epochMs + tick * TICK_MS;
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
    lane.available.addAll(this.account.available);
    this.directory.activate(taken);
    lane.available.addAll(this.account.available);
    return this.directory.laneOf(model, nowTick);
  }

  /** Changes a row's status in one lane. Null: the event changed nothing, as late news does not. */
  apply(lane: number, row: number, event: KeyEvent, cause: Cause): Change<KeyStatus> | null {
    const place = this.lane(lane);
    const change = place.words.changeKey(row, (status) => reduceKey(status, event, this.limits));
    if (change === null) return null;
    if (event.kind !== 'claim_probe' && event.kind !== 'bring_forward') {
      place.reasons[row] = REASONS.indexOf(cause.reason);
    }
    if (change.before.state !== change.after.state || change.after.state === 'cooling') {
      place.since[row] = cause.nowTick;
    }
    if (event.kind !== 'bring_forward') place.tried[row] = cause.nowTick;
    this.changed.add(row);
    this.publish(lane, row, cause.nowTick);
    return change;
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
  healAfterCrash(nowMs: number): void {
    const nowTick = this.tick(nowMs);
    const { rowCount } = this.rows;
    this.changed.repair();
    for (const lane of [ACCOUNT, ...this.directory.active()]) this.lane(lane).available.repair();
    for (let row = 0; row < rowCount; row++) {
      this.publish(ACCOUNT, row, nowTick);
      if (stateOf(this.account.words.low(row)) !== READY) this.changed.add(row);
    }
  }

  /** True when the bit was wrong. */
  #publishIn(lane: Lane, row: number, nowTick: number): boolean {
    for (let hasChanged = false; ; ) {
      const whole = this.account.words.low(row);
      const own = lane.words.low(row);
      const wanted = isRested(this.account, row, nowTick) && isRested(lane, row, nowTick);
      if (wanted !== lane.available.has(row)) {
        if (wanted) lane.available.add(row);
        else lane.available.delete(row);
        hasChanged = true;
      }
      const isStill = whole === this.account.words.low(row) && own === lane.words.low(row);
      if (isStill) return hasChanged;
    }
  }
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
