// How many requests of each client succeeded and failed, in shared memory, for /metrics. A client
// has a place as long as the process runs, also while it is away from the configuration; those for
// whom there is none left share one.

const SUCCEEDED = 0;
const FAILED = 1;
const CELLS = 2;

/** Clients that are counted, and whose limits are their own. */
export const MAX_COUNTED_CLIENTS = 4096;
/** The place of all others. */
export const OTHER_CLIENTS = MAX_COUNTED_CLIENTS;

export interface ClientCount {
  readonly succeeded: number;
  readonly failed: number;
}

export class ClientCounts {
  readonly #counts: Int32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.#counts = new Int32Array(buffer);
  }

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer((MAX_COUNTED_CLIENTS + 1) * CELLS * 4);
  }

  add(place: number, isFailed: boolean): void {
    Atomics.add(this.#counts, place * CELLS + (isFailed ? FAILED : SUCCEEDED), 1);
  }

  /** Modulo 2^32: to Prometheus, a wrapped counter is one that began anew. */
  of(place: number): ClientCount {
    const cell = (which: number) => Atomics.load(this.#counts, place * CELLS + which) >>> 0;
    return { succeeded: cell(SUCCEEDED), failed: cell(FAILED) };
  }
}

/** Gives clients their places, the same name always the same. Coordinator only. */
export class ClientPlaces {
  readonly #places = new Map<string, number>();

  of(name: string): number {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    if (this.#places.size >= MAX_COUNTED_CLIENTS) return OTHER_CLIENTS;
    this.#places.set(name, this.#places.size);
    return this.#places.size - 1;
  }
}
