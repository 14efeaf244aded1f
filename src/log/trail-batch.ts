// The trails of one worker on their way to the coordinator: written on one sheet, sent as one
// message, never more than one at a time. What does not fit while the coordinator is slow is
// dropped and counted.

import type { Trail } from './trail.ts';
import { type TrailRecords, TrailSheet } from './trail-sheet.ts';

/**
 * A sheet as full as this is sent without waiting for the timer. A message costs both threads some
 * 0.5 ms, so of 13,000 requests per second it is sent eight times; what is left takes 80 ms more.
 */
const ENOUGH = 0.6;
/** How long a trail may wait to be sent: so much is lost when a worker dies. */
export const TRAIL_DELAY_MS = 250;

/** Trails, as they go from thread to thread. */
export interface TrailBatch extends TrailRecords {
  /** Trails that were lost since the last batch. */
  readonly dropped: number;
}

/** Gathers trails and sends them in batches. */
export class TrailBatches {
  readonly #send: (batch: TrailBatch) => void;
  readonly #sheet: TrailSheet;
  #dropped = 0;
  #isOnTheWay = false;
  /** The next batch goes as soon as that one has arrived. */
  #isDue = false;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param idPrefix begins the ids that their worker makes
   * @param send takes a batch that is its own; {@link taken} tells that it has arrived
   */
  constructor(idPrefix: string, send: (batch: TrailBatch) => void) {
    this.#sheet = new TrailSheet(idPrefix);
    this.#send = send;
  }

  /** Takes a trail; never throws, never waits. */
  add(trail: Trail): void {
    const sheet = this.#sheet;
    if (!sheet.write(trail)) this.#dropped += 1;
    else if (sheet.count === 1) this.#timer = setTimeout(this.flush, TRAIL_DELAY_MS).unref();
    else if (sheet.fullness > ENOUGH) this.flush();
  }

  /** Sends what there is; while a batch is on its way, as soon as that one has arrived. */
  readonly flush = (): void => {
    if (this.#sheet.count === 0) return;
    this.#isDue = this.#isOnTheWay;
    if (this.#isOnTheWay) return;
    clearTimeout(this.#timer);
    const batch = { ...this.#sheet.take(), dropped: this.#dropped };
    this.#dropped = 0;
    this.#isOnTheWay = true;
    this.#send(batch);
  };

  /** The last batch has arrived. */
  taken(): void {
    this.#isOnTheWay = false;
    if (this.#isDue) this.flush();
  }
}
