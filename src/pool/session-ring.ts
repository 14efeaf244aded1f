// Which keys a conversation prefers, without remembering any: the keys stand on a ring by their
// hashes, and several hashes of the session point into it (multi-probe consistent hashing, Appleton
// and O'Reilly 2015). The nearest key that can serve is taken. So every worker and every instance
// gives the same answer, a key that comes or goes moves its own sessions only, and a session that
// had to go elsewhere comes back.

import type { KeyTable } from './table/key-table.ts';
import { stateOf, VACANT } from './table/status-word.ts';

/**
 * Places that a session looks at: with 11 the busiest key has 1.2 times the mean share, and at a
 * million keys each look costs 0.2 us.
 */
const PROBES = 11;
/** Rows fit into so many bits below a point. */
const ROW_SPAN = 2 ** 21;
const RING = 2 ** 32;
/** 32 MB. */
const MAX_POINTS = 2 ** 22;
const PLACE_STEP = 0x9e3779b1;

/** The keys of one table, as they were when the ring was made. */
export class SessionRing {
  /** Of the table's rows; another edition, another ring. */
  readonly edition: number;
  /** Sorted: a point on the ring times ROW_SPAN, plus the row. */
  readonly #points: Float64Array;
  /** Where each of as many equal stretches of the ring begins among the points. */
  readonly #starts: Uint32Array;
  readonly #stretch: number;
  readonly #rows = new Int32Array(PROBES);
  readonly #distances = new Float64Array(PROBES);

  constructor(table: KeyTable) {
    const { rows, account } = table;
    this.edition = rows.edition;
    const { rowCount, heaviest } = rows;
    // A key of three times the weight stands in three places, as far as there is room for that.
    const isWeighted = heaviest > 1 && rowCount * heaviest <= MAX_POINTS;
    const points = new Float64Array(rowCount * (isWeighted ? heaviest : 1));
    let count = 0;
    for (let row = 0; row < rowCount; row++) {
      if (stateOf(account.words.low(row)) === VACANT) continue;
      const places = isWeighted ? rows.weight(row) : 1;
      for (let place = 0; place < places; place++) {
        const point = mixed(rows.hash(row) + Math.imul(place, PLACE_STEP));
        points[count++] = point * ROW_SPAN + row;
      }
    }
    this.#points = points.subarray(0, count).sort();
    const stretches = Math.max(1, count);
    this.#starts = startsOf(this.#points, stretches);
    this.#stretch = (RING * ROW_SPAN) / stretches;
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
    this.#sort();
    // Rarely more than one is resting: the others in the order of their distance.
    for (let tried = 1; tried < PROBES; tried++) {
      const row = this.#rows[tried] ?? -1;
      if (row !== this.#rows[tried - 1] && suits(row)) return row;
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

  /** Puts what the probes found into the order of distance: so few are quickly inserted. */
  #sort(): void {
    const rows = this.#rows;
    const distances = this.#distances;
    for (let i = 1; i < PROBES; i++) {
      const row = rows[i] ?? -1;
      const distance = distances[i] ?? RING;
      let at = i;
      for (; at > 0 && (distances[at - 1] ?? 0) > distance; at--) {
        distances[at] = distances[at - 1] ?? 0;
        rows[at] = rows[at - 1] ?? -1;
      }
      distances[at] = distance;
      rows[at] = row;
    }
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
    const points = this.#points;
    // The stretch of the ring in which it is says where to begin: points are spread evenly.
    let at = this.#starts[Math.floor(place / this.#stretch)] ?? 0;
    while (at < points.length && (points[at] ?? 0) < place) at++;
    return at === points.length ? 0 : at;
  }
}

/** For each of so many equal stretches of the ring, its first point. */
function startsOf(points: Float64Array, stretches: number): Uint32Array {
  const starts = new Uint32Array(stretches + 1);
  const length = (RING * ROW_SPAN) / stretches;
  let at = 0;
  for (let stretch = 0; stretch <= stretches; stretch++) {
    while (at < points.length && (points[at] ?? 0) < stretch * length) at++;
    starts[stretch] = at;
  }
  return starts;
}

/** MurmurHash3's finaliser: every bit of the input moves every bit of the result. */
function mixed(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
