// Requests that are over, until they are counted and leave their trails: many in a row, since what
// is done once among all else that a request needs is found in none of the processor's caches. Not
// too many, lest the requests themselves have left them.

import type { TrailBatches } from '../log/trail-batch.ts';
import type { Accounting } from '../proxy/accounting.ts';
import type { Deadlines } from '../upstream/deadlines.ts';
import type { EndedRequest } from './ended-request.ts';

/** So many do not wait: they are held in memory, with the short ones' answers. */
const MAX_WAITING = 16;
/** How long one waits at most; so much is lost when a worker dies, before TRAIL_DELAY_MS. */
const MAX_WAIT_MS = 50;

interface Parts {
  readonly accounting: Accounting;
  readonly trails: TrailBatches;
  readonly deadlines: Deadlines;
}

/** Those of one worker. */
export class EndedRequests {
  readonly #parts: Parts;
  #waiting: EndedRequest[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Takes a request whose answer needs nobody any more. */
  add(over: EndedRequest): void {
    const waiting = this.#waiting.push(over);
    if (waiting >= MAX_WAITING) this.#write();
    else this.#timer ??= setTimeout(this.#write, MAX_WAIT_MS).unref();
  }

  /** Nothing that was taken is held back any longer. */
  flush(): void {
    this.#write();
    this.#parts.trails.flush();
  }

  readonly #write = (): void => {
    const { accounting, trails, deadlines } = this.#parts;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    // What is to be added to a time of the monotonic clock for one of the wall's.
    const wallMs = Date.now() - deadlines.touch();
    for (const over of waiting) {
      accounting.count(over.exchange);
      over.atMs = Math.round(wallMs + over.exchange.startMs);
      trails.add(over);
    }
  };
}
