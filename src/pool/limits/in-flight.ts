// How many requests are under way, for each of a number of places, in shared memory. Exact over all
// workers; a ledger of who holds what lets a dead worker's share be given back.

export class InFlight {
  readonly places: number;
  /** Totals, then each worker's own. */
  readonly #cells: Int32Array;

  /** @param workers the number that the memory was made for */
  constructor(buffer: SharedArrayBuffer, byteOffset: number, places: number, workers: number) {
    this.places = places;
    this.#cells = new Int32Array(buffer, byteOffset, places * (workers + 1));
  }

  static create(places: number, workers: number): SharedArrayBuffer {
    return new SharedArrayBuffer(InFlight.bytes(places, workers));
  }

  static bytes(places: number, workers: number): number {
    return places * (workers + 1) * 4;
  }

  /** One more, if fewer than `limit` are under way. */
  enter(place: number, limit: number, workerId: number): boolean {
    // A ticket each: of racing workers, only those below the limit go on.
    if (Atomics.add(this.#cells, place, 1) >= limit) {
      Atomics.sub(this.#cells, place, 1);
      return false;
    }
    Atomics.add(this.#cells, this.#own(place, workerId), 1);
    return true;
  }

  leave(place: number, workerId: number): void {
    Atomics.sub(this.#cells, this.#own(place, workerId), 1);
    Atomics.sub(this.#cells, place, 1);
  }

  of(place: number): number {
    return Atomics.load(this.#cells, place);
  }

  /** Gives back what a dead worker held. Call it once the thread is gone. */
  reclaim(workerId: number, places = this.places): void {
    for (let place = 0; place < places; place++) {
      const held = Atomics.exchange(this.#cells, this.#own(place, workerId), 0);
      if (held > 0) Atomics.sub(this.#cells, place, held);
    }
  }

  #own(place: number, workerId: number): number {
    return (workerId + 1) * this.places + place;
  }
}
