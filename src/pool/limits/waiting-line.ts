// A line of requests that wait for something to become free, over all workers, first come first
// served. Everyone has a place in shared memory and keeps it until they leave, however often they
// look in vain; whoever frees something calls the first one (ECMA-262, Atomics.waitAsync), so that
// waiting costs nothing. What is waited for, and whether it is free, the caller finds out.

import { MAX_WORKERS } from '../semaphore.ts';

/** Requests that may wait in one line; the next one is told to come back. */
export const MAX_WAITING = 1_000;
/** Longer waits are cut into such pieces: should a call get lost, it is made up for. */
const LOOK_AGAIN_MS = 5_000;

const RETRY_AT = 0;
const LENGTH = 0;
const TICKET = 1;
const HEADER = 8;
const PLACES = HEADER + 8;

/** Nobody is at the place. Else its word says whose request is (the worker), and what it does. */
const FREE = 0;
/** It has no ticket yet. */
const COMES = 1;
const LOOKS = 2;
const WAITS = 3;
/** Something has become free for it; it has not looked yet. */
const CALLED = 4;
const STATES = 8;

export class WaitingLine {
  /** When something becomes free by itself, by the steady clock, as who looked last knew. */
  readonly #retryAt: Float64Array;
  /** At LENGTH and TICKET. */
  readonly #counts: Int32Array;
  readonly #places: Int32Array;
  /** Of each place: the number in the order of arrival. It may wrap round. */
  readonly #tickets: Int32Array;
  /** What this worker's words are counted from. */
  readonly #owner: number;

  constructor(buffer: SharedArrayBuffer, workerId: number) {
    this.#retryAt = new Float64Array(buffer, RETRY_AT, 1);
    this.#counts = new Int32Array(buffer, HEADER, 2);
    this.#places = new Int32Array(buffer, PLACES, MAX_WAITING);
    this.#tickets = new Int32Array(buffer, PLACES + MAX_WAITING * 4, MAX_WAITING);
    this.#owner = workerId * STATES;
    if (workerId > MAX_WORKERS) throw new RangeError(`worker ${workerId}`);
  }

  static create(): SharedArrayBuffer {
    return new SharedArrayBuffer(PLACES + MAX_WAITING * 8);
  }

  /** Requests that wait, over all workers. */
  get length(): number {
    return Atomics.load(this.#counts, LENGTH);
  }

  /** Somebody was called and has not looked yet: what has become free is theirs. */
  get isCalling(): boolean {
    return this.#next((_, state) => state !== WAITS) >= 0;
  }

  /** When something is to become free by itself, by the steady clock. */
  get retryAtMs(): number {
    return this.#retryAt[0] ?? 0;
  }

  /** Takes the last place, which {@link leave} gives back; -1: there is none. */
  enter(): number {
    // Counted before it is there and until it is gone: who searches stops after so many.
    Atomics.add(this.#counts, LENGTH, 1);
    const ticket = Atomics.add(this.#counts, TICKET, 1);
    for (let place = 0; place < MAX_WAITING; place += 1) {
      if (!this.#change(place, FREE, this.#owner + COMES)) continue;
      Atomics.store(this.#tickets, place, ticket);
      this.look(place);
      return place;
    }
    Atomics.sub(this.#counts, LENGTH, 1);
    return -1;
  }

  /** Nobody came before the one at this place. */
  isFirst(place: number): boolean {
    const ticket = this.#ticketOf(place);
    return this.#next((other, state) => state !== COMES && comesBefore(other, ticket)) < 0;
  }

  /** Something has become free for the one at this place, and it has not looked yet. */
  isCalled(place: number): boolean {
    return Atomics.load(this.#places, place) % STATES === CALLED;
  }

  /** The one at this place looks now: calls until here are answered by it. */
  look(place: number): void {
    Atomics.store(this.#places, place, this.#owner + LOOKS);
  }

  /** Waits until it is called, or so long. Returns at once if it was called since it looked. */
  async wait(place: number, limitMs: number, abandoned: Promise<void>): Promise<void> {
    const waits = this.#owner + WAITS;
    this.#change(place, this.#owner + LOOKS, waits);
    const forMs = Math.max(1, Math.min(limitMs, LOOK_AGAIN_MS));
    const waiting = Atomics.waitAsync(this.#places, place, waits, forMs);
    if (waiting.async) await Promise.race([waiting.value, abandoned]);
  }

  /** Gives the place back. A call that it has not answered is the next one's. */
  leave(place: number): void {
    const word = Atomics.exchange(this.#places, place, FREE);
    Atomics.sub(this.#counts, LENGTH, 1);
    // Whoever takes the place next is not to be woken in this one's stead.
    Atomics.notify(this.#places, place);
    if (word % STATES === CALLED) this.call();
  }

  /** Notes when something becomes free by itself; the first such time counts until it is past. */
  expect(retryAtMs: number, nowMs: number): void {
    const known = this.retryAtMs;
    const isNext = known <= nowMs || retryAtMs < known;
    if (isNext && retryAtMs > nowMs) this.#retryAt[0] = retryAtMs;
  }

  /** Something has become free: the first in line may look. */
  call(): void {
    if (this.length > 0) this.#call(() => true);
  }

  /** What is free was not for the one at this place, or not all of it: the next one may look. */
  pass(place: number): void {
    const ticket = this.#ticketOf(place);
    if (this.length > 1) this.#call((other) => comesBefore(ticket, other));
  }

  #call(isMeant: (ticket: number) => boolean): void {
    // Who is no longer where it was found has looked, was called or has left: at most so often.
    for (let tries = 0; tries < MAX_WAITING; tries += 1) {
      const given = Atomics.load(this.#counts, TICKET);
      const place = this.#next((ticket, state) => isOpen(state) && isMeant(ticket));
      // One who came meanwhile may have been seen in place of one who waits.
      if (place < 0 && given !== Atomics.load(this.#counts, TICKET)) continue;
      if (place < 0) return;
      const word = Atomics.load(this.#places, place);
      if (!isOpen(word % STATES)) continue;
      if (!this.#change(place, word, word - (word % STATES) + CALLED)) continue;
      Atomics.notify(this.#places, place);
      return;
    }
  }

  /**
   * The place with the lowest ticket of those that are meant; -1: there is none. The length is read
   * atomically, and so nothing behind it is older; to read each place so takes ten times as long.
   */
  #next(isMeant: (ticket: number, state: number) => boolean): number {
    let left = this.length;
    let first = -1;
    let lowest = 0;
    for (let place = 0; left > 0 && place < MAX_WAITING; place += 1) {
      const state = (this.#places[place] as number) % STATES;
      if (state === FREE) continue;
      left -= 1;
      const ticket = this.#tickets[place] as number;
      if (!isMeant(ticket, state) || (first >= 0 && !comesBefore(ticket, lowest))) continue;
      first = place;
      lowest = ticket;
    }
    return first;
  }

  #ticketOf(place: number): number {
    return Atomics.load(this.#tickets, place);
  }

  #change(place: number, from: number, to: number): boolean {
    return Atomics.compareExchange(this.#places, place, from, to) === from;
  }

  /** After a worker died: its requests wait no longer, and a call to one of them is made again. */
  reclaim(workerId: number): void {
    for (let place = 0; place < MAX_WAITING; place += 1) {
      const word = Atomics.load(this.#places, place);
      if (word === FREE || Math.floor(word / STATES) !== workerId) continue;
      Atomics.store(this.#places, place, FREE);
      Atomics.sub(this.#counts, LENGTH, 1);
    }
    this.call();
  }
}

/** It may be called: it waits, or looks and would have to look again. */
function isOpen(state: number): boolean {
  return state === WAITS || state === LOOKS;
}

/** Tickets are 32 bits wide and wrap round. */
function comesBefore(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}
