// Keys that have reached a limit of their own: out of rotation until there is room again, and then
// offered as if nothing had happened, since a limit is nobody's fault. What the limits are, and
// whether they have room, is key-quotas.ts.

import type { Lane } from '../table/lane.ts';
import { READY, stateOf } from '../table/status-word.ts';
import { type Full, type KeyQuotas, QUOTA_KINDS } from './key-quotas.ts';

/** What is needed of the table around it. */
export interface TableAround {
  readonly rows: { readonly rowCount: number };
  sinceEpoch(nowMs: number): number;
  tick(nowMs: number): number;
  /** Makes a row's bits follow its words in lane 0, and so in all. */
  publish(lane: number, row: number, nowTick: number): boolean;
}

const ALL_LANES = 0;

export class AsideKeys {
  readonly quotas: KeyQuotas;
  /** A row that rests here is aside; its reason is the index of a limit's kind. */
  readonly lane: Lane;
  readonly #table: TableAround;

  constructor(quotas: KeyQuotas, lane: Lane, table: TableAround) {
    this.quotas = quotas;
    this.lane = lane;
    this.#table = table;
  }

  /** Takes a row out of the turn until a limit of its own has room again. */
  setAside(row: number, { kind, untilMs }: Full, nowMs: number): void {
    const until = this.#table.sinceEpoch(untilMs);
    const change = this.lane.words.changeKey(row, (status) => {
      return { ...status, state: 'cooling', untilMs: until, generation: status.generation + 1 };
    });
    this.lane.reasons[row] = QUOTA_KINDS.indexOf(kind);
    const wasAside = change !== null && change.before.untilMs > this.#table.sinceEpoch(nowMs);
    if (!wasAside) this.quotas.countSkip(kind);
    this.#publish(row, nowMs);
    // Where the last of its requests ended meanwhile, nobody else would notice.
    if (kind !== 'concurrency' || this.quotas.fullOf(row, nowMs) !== undefined) return;
    this.#takeBack(row, nowMs);
  }

  /** A row that was set aside is offered again if its limits have room. */
  reconsider(row: number, nowMs: number): void {
    if (stateOf(this.lane.words.low(row)) !== READY) this.review(row, nowMs);
  }

  /** Sets a row aside, or back, as its limits say now. */
  review(row: number, nowMs: number): void {
    const full = this.quotas.fullOf(row, nowMs);
    if (full === undefined) this.#takeBack(row, nowMs);
    else this.setAside(row, full, nowMs);
  }

  /** After limits changed: every row that was set aside is looked at anew. Coordinator only. */
  reconsiderAll(nowMs: number): void {
    this.lane.visitResting(this.#table.rows.rowCount, (row) => this.review(row, nowMs));
  }

  #takeBack(row: number, nowMs: number): void {
    this.lane.words.changeKey(row, (status) => {
      if (status.state === 'ready') return status;
      return { ...status, state: 'ready', untilMs: 0, generation: status.generation + 1 };
    });
    this.#publish(row, nowMs);
  }

  #publish(row: number, nowMs: number): void {
    this.#table.publish(ALL_LANES, row, this.#table.tick(nowMs));
  }
}
