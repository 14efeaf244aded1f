// Writes the trails of one worker down where all threads can read them: hardly anything is made
// that the garbage collector would have to copy, and nothing has to be sent.

import { MAX_REMEMBERED_CHARS, ownCopy, Remembered } from '../../log/remembered.ts';
import { shownText, type Trail, type TrailAttempt, type TrailChange } from '../../log/trail.ts';
import { PAGE_START, type Page, type TrailPages } from './trail-pages.ts';
import {
  ATTEMPT,
  ATTEMPT_PLACES,
  bytesOf,
  COUNTED,
  HEAD,
  HEAD_PLACES,
  KIND_BITS,
  NO_TEXT,
  NONE,
  RECORD,
  SECOND_WORD,
  STREAMED,
  TEXT,
  TEXTS,
  wordsOf,
} from './trail-record.ts';

/** A request that had more attempts keeps the last ones. */
const MAX_ATTEMPTS = 64;
/** Places for previews of keys, by row modulo this, a power of 2: the last one of each is known. */
const KNOWN_KEYS = 1_024;
/** A character of UTF-16 takes no more in UTF-8. */
const MAX_CHAR_BYTES = 3;

/** Texts of a request, and where they are. */
interface Asked extends Pick<Trail, 'client' | 'clientName' | 'groupName' | 'method' | 'path'> {
  readonly at: number;
  readonly model: string | undefined;
}
/** Those of an attempt. */
interface Outcome extends Pick<TrailAttempt, 'upstream' | 'verdict' | 'rule' | 'code'> {
  readonly at: number;
}

/** Writes down the trails of one worker. */
export class TrailWriter {
  readonly #pages: TrailPages;
  readonly #workerId: number;
  readonly #idPrefix: string;
  /** Where on the page a text stands. */
  readonly #places = new Map<string, number>();
  /** Masked and cut; of texts that come again and again this is known. */
  readonly #shown = new Remembered(shownText);
  /** Where on the page texts stand together that most trails have in common with the one before. */
  #asked: Asked | undefined;
  #outcome: Outcome | undefined;
  /** Previews of keys that stand on the page, by their rows, and where. */
  readonly #keys = new Array<string>(KNOWN_KEYS).fill('');
  readonly #keyPlaces = new Uint32Array(KNOWN_KEYS);
  #page: Page | undefined;
  #words: Uint32Array = new Uint32Array();
  #used = 0;
  #isFull = false;

  /** @param idPrefix begins the ids of requests whose number is given */
  constructor(pages: TrailPages, workerId: number, idPrefix: string) {
    this.#pages = pages;
    this.#workerId = workerId;
    this.#idPrefix = idPrefix;
  }

  /** Takes a trail; never waits. One for which no page has room is counted. */
  add(trail: Trail): void {
    let isWritten = false;
    try {
      isWritten = this.#page !== undefined && this.#write(this.#page, trail);
      if (isWritten) return;
      const page = this.#turn();
      isWritten = page !== undefined && this.#write(page, trail);
      if (!isWritten) this.#pages.drop();
    } finally {
      // Nobody is to read what stands on it half written.
      if (!isWritten) this.#leave();
    }
  }

  #turn(): Page | undefined {
    this.#leave();
    const page = this.#pages.take(this.#workerId);
    if (page === undefined) return undefined;
    this.#page = page;
    this.#words = page.words;
    this.#used = PAGE_START;
    this.#newText('', this.#idPrefix);
    return page;
  }

  #leave(): void {
    if (this.#page !== undefined) this.#pages.leave(this.#page);
    this.#page = undefined;
    this.#places.clear();
    this.#asked = undefined;
    this.#outcome = undefined;
    this.#keys.fill('');
    this.#keyPlaces.fill(NO_TEXT);
  }

  /** @returns false: the page has no room for it, and is to be left */
  #write(page: Page, trail: Trail): boolean {
    const { attempts } = trail;
    const told = Math.min(attempts.length, MAX_ATTEMPTS);
    const at = this.#used;
    const end = at + HEAD_PLACES + told * ATTEMPT_PLACES;
    if (end > this.#pages.size) return false;
    this.#isFull = false;
    // New texts come to stand behind it.
    this.#used = end;
    this.#words[at] = (told << KIND_BITS) | RECORD;
    this.#writeHead(at, trail);
    let place = at + HEAD_PLACES;
    for (let i = attempts.length - told; i < attempts.length; i += 1) {
      this.#writeAttempt(place, attempts[i] as TrailAttempt);
      place += ATTEMPT_PLACES;
    }
    if (this.#isFull) return false;
    const number = this.#pages.nextNumber();
    this.#words[at + HEAD.number] = number;
    this.#pages.publish(page, this.#used, number);
    return true;
  }

  #writeHead(at: number, trail: Trail): void {
    const { tokens, waitedMs = 0, firstByteMs, serial = -1, ended, refusal } = trail;
    const words = this.#words;
    // Texts first: after each call the engine has to read again what it knew of the trail.
    words[at + HEAD.asked] = this.#askedOf(trail);
    words[at + HEAD.ended] = ended === undefined ? NO_TEXT : this.#text(ended);
    words[at + HEAD.refusal] = refusal === undefined ? NO_TEXT : this.#text(refusal);
    // No two are the same: a number where it can be, and not looked up.
    words[at + HEAD.id] = serial < 0 ? this.#newText('', shownText(trail.id)) : NO_TEXT;
    words[at + HEAD.bits] = (trail.streamed ? STREAMED : 0) | (tokens === undefined ? 0 : COUNTED);
    words[at + HEAD.status] = trail.status;
    words[at + HEAD.firstByte] = firstByteMs === null ? NONE : rounded(firstByteMs) + 1;
    words[at + HEAD.total] = rounded(trail.totalMs);
    words[at + HEAD.waited] = rounded(waitedMs);
    writeLong(words, at + HEAD.arrival, trail.atMs);
    writeLong(words, at + HEAD.bytesIn, trail.bytesIn);
    writeLong(words, at + HEAD.bytesOut, trail.bytesOut);
    writeLong(words, at + HEAD.serial, serial);
    if (tokens === undefined) return;
    words[at + HEAD.input] = tokens.input;
    words[at + HEAD.cached] = tokens.cached;
    words[at + HEAD.cacheWrite] = tokens.cacheWrite;
    words[at + HEAD.output] = tokens.output;
    words[at + HEAD.reasoning] = tokens.reasoning;
  }

  /** Where its texts stand together. */
  #askedOf(trail: Trail): number {
    const { client, clientName, groupName, method, path, model } = trail;
    const last = this.#asked;
    const isAlike =
      last !== undefined &&
      last.path === path &&
      last.model === model &&
      last.client === client &&
      last.clientName === clientName &&
      last.groupName === groupName &&
      last.method === method;
    if (isAlike) return last.at;
    const at = this.#newTexts([client, clientName, groupName, method, path, model]);
    this.#asked = { at, client, clientName, groupName, method, path, model };
    return at;
  }

  #writeAttempt(at: number, attempt: TrailAttempt): void {
    const { changes } = attempt;
    const words = this.#words;
    words[at + ATTEMPT.key] = this.#keyText(attempt);
    words[at + ATTEMPT.outcome] = this.#outcomeOf(attempt);
    words[at + ATTEMPT.status] = attempt.status;
    words[at + ATTEMPT.taken] = rounded(attempt.ms);
    words[at + ATTEMPT.end] = rounded(attempt.endMs);
    words[at + ATTEMPT.waited] = rounded(attempt.waitedMs);
    words[at + ATTEMPT.changes] =
      changes.length === 0 ? NO_TEXT : this.#newText('', changesText(changes));
  }

  #outcomeOf({ upstream, verdict, rule, code }: TrailAttempt): number {
    const last = this.#outcome;
    const isAlike =
      last !== undefined &&
      last.upstream === upstream &&
      last.verdict === verdict &&
      last.rule === rule &&
      last.code === code;
    if (isAlike) return last.at;
    const at = this.#newTexts([upstream, verdict, rule, code]);
    this.#outcome = { at, upstream, verdict, rule, code };
    return at;
  }

  #keyText({ key, keyRow = 0 }: TrailAttempt): number {
    const slot = keyRow & (KNOWN_KEYS - 1);
    // Other keys may have it too.
    if (this.#keys[slot] === key) return this.#keyPlaces[slot] as number;
    const place = this.#text(key);
    if (place === NO_TEXT) return place;
    this.#keys[slot] = key;
    this.#keyPlaces[slot] = place;
    return place;
  }

  #text(text: string | undefined): number {
    if (text === undefined) return NO_TEXT;
    return this.#places.get(text) ?? this.#newText(text, this.#shown.of(text));
  }

  #newTexts(texts: readonly (string | undefined)[]): number {
    const places = texts.map((text) => this.#text(text));
    const at = this.#used;
    const end = at + 1 + places.length;
    if (end > this.#pages.size) {
      this.#isFull = true;
      return NO_TEXT;
    }
    this.#words[at] = (places.length << KIND_BITS) | TEXTS;
    this.#words.set(places, at + 1);
    this.#used = end;
    return at;
  }

  /** @param known under what it is found again; '': it is not looked for */
  #newText(known: string, shown: string): number {
    const place = this.#used;
    const at = bytesOf(place);
    const room = this.#page === undefined ? 0 : this.#page.bytes.length - at;
    if (this.#page === undefined || shown.length * MAX_CHAR_BYTES > room) {
      this.#isFull = true;
      return NO_TEXT;
    }
    const bytes = this.#page.bytes.write(shown, at);
    this.#words[place] = (bytes << KIND_BITS) | TEXT;
    this.#used = place + 1 + wordsOf(bytes);
    const isShort = known !== '' && known.length <= MAX_REMEMBERED_CHARS;
    if (isShort) this.#places.set(ownCopy(known), place);
    return place;
  }
}

/** A whole number that one place has no room for, up to 2^53. */
function writeLong(words: Uint32Array, at: number, value: number): void {
  // What is beyond 32 bits falls away by itself.
  words[at] = value;
  words[at + 1] = value / SECOND_WORD;
}

/** Milliseconds as they are kept: whole ones, and none below 0. */
function rounded(ms: number): number {
  return ms > 0 ? ms + 0.5 : 0;
}

function changesText(changes: readonly TrailChange[]): string {
  const plain = changes.map(({ kind, model, untilMs }) => ({
    kind,
    ...(model === undefined ? {} : { model: model === null ? null : shownText(model) }),
    ...(untilMs === undefined ? {} : { untilMs: Math.round(untilMs) }),
  }));
  return JSON.stringify(plain);
}
