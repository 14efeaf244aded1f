// Which keys a conversation prefers, without remembering any: the keys stand on a ring by their
// hashes, and several hashes of the session point into it (multi-probe consistent hashing, Appleton
// and O'Reilly 2015). The nearest key that can serve is taken. So every worker and every instance
// gives the same answer, a key that comes or goes moves its own sessions only, and a session that
// had to go elsewhere comes back.

import type { KeyTable } from './table/key-table.ts';
import { stateOf, VACANT } from './table/status-word.ts';

/** Places that a session looks at: with 21 the busiest key has 1.1 times the mean share. */
const PROBES = 21;
/** Rows fit into so many bits below a point. */
const ROW_SPAN = 2 ** 21;
const RING = 2 ** 32;

/** The keys of one table, as they were when the ring was made. */
export class SessionRing {
  /** Of the table's rows; another edition, another ring. */
  readonly edition: number;
  /** Sorted: a point on the ring times ROW_SPAN, plus the row. */
  readonly #points: Float64Array;
  readonly #rows = new Int32Array(PROBES);
  readonly #distances = new Float64Array(PROBES);

  constructor(table: KeyTable) {
    const { rows, account } = table;
    this.edition = rows.edition;
    const points = new Float64Array(rows.rowCount);
    let count = 0;
    for (let row = 0; row < rows.rowCount; row++) {
      if (stateOf(account.words.low(row)) === VACANT) continue;
      points[count++] = mixed(rows.hash(row)) * ROW_SPAN + row;
    }
    this.#points = points.subarray(0, count).sort();
  }

  /**
   * The row that a session prefers among those that suit; -1 when none of those it looks at does.
   * @param session 32 bits that stand for the session
   */
  pick(session: number, suits: (row: number) => boolean): number {
    if (this.#points.length === 0) return -1;
    const nearest = this.#look(session);
    const first = this.#rows[nearest] ?? -1;
    if (suits(first)) return first;
    // Rarely more than one is resting: the others in the order of their distance.
    for (let tried = 1; tried < PROBES; tried++) {
      this.#distances[this.#nearest()] = RING;
      const next = this.#nearest();
      if (this.#distances[next] === RING) return -1;
      const row = this.#rows[next] ?? -1;
      if (suits(row)) return row;
    }
    return -1;
  }

  /** Fills in what each probe finds; which of them found the nearest. */
  #look(session: number): number {
    for (let probe = 0; probe < PROBES; probe++) {
      const from = mixed(session + Math.imul(probe, 0x9e3779b9));
      const point = this.#points[this.#after(from * ROW_SPAN)] ?? 0;
      const at = Math.floor(point / ROW_SPAN);
      this.#rows[probe] = point - at * ROW_SPAN;
      this.#distances[probe] = at >= from ? at - from : at + RING - from;
    }
    return this.#nearest();
  }

  #nearest(): number {
    let best = 0;
    for (let probe = 1; probe < PROBES; probe++) {
      if ((this.#distances[probe] ?? RING) < (this.#distances[best] ?? RING)) best = probe;
    }
    return best;
  }

  /** The first point at or after a place on the ring, which has no end. */
  #after(place: number): number {
    let low = 0;
    let high = this.#points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#points[middle] ?? 0) < place) low = middle + 1;
      else high = middle;
    }
    return low === this.#points.length ? 0 : low;
  }
}

/** MurmurHash3's finaliser: every bit of the input moves every bit of the result. */
function mixed(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
