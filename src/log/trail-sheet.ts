// Trails written down as numbers and the texts that they share: what is sent from thread to thread
// and kept. Six times as cheap to write as JSON, and without objects that the garbage collector
// would have to copy. A record's places are those of writeHead and writeAttempt.

import { Remembered } from './remembered.ts';
import { ownRequestId } from './request-id.ts';
import { shownText, type Trail, type TrailAttempt, type TrailChange } from './trail.ts';

/** Numbers of a request and of each of its attempts. */
const HEAD_PLACES = 29;
const ATTEMPT_PLACES = 10;
/** A request that had more attempts keeps the last ones. */
const MAX_ATTEMPTS = 64;
/** Numbers and texts that one sheet has room for. */
const MAX_NUMBERS = 96 * 1024;
const MAX_TEXT_CHARS = 128 * 1024;
const NUMBER_BYTES = 4;
/** Stands for a text that is not there. */
const NO_TEXT = 0;
/** Stands for a number that is not there: one that is there is written as one more. */
const NONE = 0;
/** What counts as 1 in the second place of a number that has two. */
const SECOND = 2 ** 32;

/** Some trails, oldest first. */
export interface TrailRecords {
  /** Half the size of JavaScript's numbers: less to write, to copy and to keep. */
  readonly numbers: Uint32Array<ArrayBuffer>;
  readonly texts: readonly string[];
  readonly count: number;
  /** Begins the ids that are written as numbers. */
  readonly idPrefix: string;
  /** What they take, about. */
  readonly bytes: number;
}

/** A sheet that is being written. */
export class TrailSheet {
  readonly #idPrefix: string;
  readonly #numbers = new Uint32Array(MAX_NUMBERS);
  readonly #places = new Map<string, number>();
  /** Masked and cut; of texts that come again and again this is known. */
  readonly #shown = new Remembered(shownText);
  #texts = [''];
  #textChars = 0;
  #used = 0;
  #count = 0;

  /** @param idPrefix begins the ids of requests whose number is given */
  constructor(idPrefix = '') {
    this.#idPrefix = idPrefix;
  }

  get count(): number {
    return this.#count;
  }

  /** How much of it is written on, from 0 to 1. */
  get fullness(): number {
    return Math.max(this.#used / MAX_NUMBERS, this.#textChars / MAX_TEXT_CHARS);
  }

  /** Writes a trail down; false: there is no room. */
  write(trail: Trail): boolean {
    const { attempts } = trail;
    const told = Math.min(attempts.length, MAX_ATTEMPTS);
    const places = HEAD_PLACES + told * ATTEMPT_PLACES;
    if (this.#used + places > MAX_NUMBERS || this.#textChars > MAX_TEXT_CHARS) return false;
    this.#writeHead(trail, told);
    for (let at = attempts.length - told; at < attempts.length; at += 1) {
      this.#writeAttempt(attempts[at] as TrailAttempt);
    }
    this.#count += 1;
    return true;
  }

  /** What was written; the sheet is empty then. */
  take(): TrailRecords {
    const numbers = this.#numbers.slice(0, this.#used);
    const bytes = numbers.byteLength + 2 * this.#textChars;
    const idPrefix = this.#idPrefix;
    const records = { numbers, texts: this.#texts, count: this.#count, idPrefix, bytes };
    this.#places.clear();
    this.#texts = [''];
    this.#textChars = 0;
    this.#used = 0;
    this.#count = 0;
    return records;
  }

  #writeHead(trail: Trail, attempts: number): void {
    const { tokens, waitedMs = 0, firstByteMs, serial = -1 } = trail;
    const numbers = this.#numbers;
    const at = this.#used;
    this.#used += HEAD_PLACES;
    numbers[at] = attempts;
    // No two are the same: a number where it can be, and not looked up.
    numbers[at + 1] = serial < 0 ? this.#newText('', shownText(trail.id)) : NO_TEXT;
    numbers[at + 2] = this.#text(trail.client);
    numbers[at + 3] = this.#text(trail.clientName);
    numbers[at + 4] = this.#text(trail.groupName);
    numbers[at + 5] = this.#text(trail.method);
    numbers[at + 6] = this.#text(trail.path);
    numbers[at + 7] = this.#text(trail.model);
    numbers[at + 8] = trail.streamed ? 1 : 0;
    numbers[at + 9] = trail.status;
    numbers[at + 10] = firstByteMs === null ? NONE : rounded(firstByteMs) + 1;
    numbers[at + 11] = rounded(trail.totalMs);
    numbers[at + 12] = rounded(waitedMs);
    numbers[at + 13] = this.#text(trail.ended);
    numbers[at + 14] = this.#text(trail.refusal);
    this.#writeLong(at + 15, trail.atMs);
    this.#writeLong(at + 17, trail.bytesIn);
    this.#writeLong(at + 19, trail.bytesOut);
    this.#writeLong(at + 21, serial + 1);
    numbers[at + 23] = tokens === undefined ? 0 : 1;
    if (tokens === undefined) return;
    numbers[at + 24] = tokens.input;
    numbers[at + 25] = tokens.cached;
    numbers[at + 26] = tokens.cacheWrite;
    numbers[at + 27] = tokens.output;
    numbers[at + 28] = tokens.reasoning;
  }

  #writeAttempt(attempt: TrailAttempt): void {
    const { changes } = attempt;
    const numbers = this.#numbers;
    const at = this.#used;
    this.#used += ATTEMPT_PLACES;
    numbers[at] = this.#text(attempt.key);
    numbers[at + 1] = this.#text(attempt.upstream);
    numbers[at + 2] = attempt.status;
    numbers[at + 3] = this.#text(attempt.verdict);
    numbers[at + 4] = this.#text(attempt.rule);
    numbers[at + 5] = this.#text(attempt.code);
    numbers[at + 6] = rounded(attempt.ms);
    numbers[at + 7] = rounded(attempt.endMs);
    numbers[at + 8] = rounded(attempt.waitedMs);
    numbers[at + 9] = changes.length === 0 ? NO_TEXT : this.#newText('', changesText(changes));
  }

  /** A whole number that one place has no room for, up to 2^53. */
  #writeLong(at: number, value: number): void {
    // What is beyond 32 bits falls away by itself.
    this.#numbers[at] = value;
    this.#numbers[at + 1] = value / SECOND;
  }

  #text(text: string | undefined): number {
    if (text === undefined) return NO_TEXT;
    return this.#places.get(text) ?? this.#newText(text, this.#shown.of(text));
  }

  /** @param known under what it is found again; '': it is not looked for */
  #newText(known: string, shown: string): number {
    const place = this.#texts.push(shown) - 1;
    if (known !== '') this.#places.set(known, place);
    this.#textChars += shown.length;
    return place;
  }
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

/** The trails of a sheet, oldest first. */
export function readTrails(records: TrailRecords): Trail[] {
  const trails: Trail[] = [];
  for (let at = 0; trails.length < records.count; ) {
    const attempts = records.numbers[at] as number;
    trails.push(readTrail(records, at, attempts));
    at += HEAD_PLACES + attempts * ATTEMPT_PLACES;
  }
  return trails;
}

function readTrail(records: TrailRecords, at: number, attempts: number): Trail {
  const number = (place: number): number => records.numbers[at + place] ?? 0;
  const long = (place: number): number => number(place) + number(place + 1) * SECOND;
  const text = (place: number): string => records.texts[number(place)] ?? '';
  const optional = (place: number): string | undefined =>
    number(place) === NO_TEXT ? undefined : text(place);
  const first = at + HEAD_PLACES;
  return {
    atMs: long(15),
    id: number(1) === NO_TEXT ? ownRequestId(records.idPrefix, long(21) - 1) : text(1),
    client: text(2),
    clientName: optional(3),
    groupName: text(4),
    method: text(5),
    path: text(6),
    model: optional(7),
    streamed: number(8) === 1,
    status: number(9),
    firstByteMs: number(10) === NONE ? null : number(10) - 1,
    totalMs: number(11),
    waitedMs: number(12),
    bytesIn: long(17),
    bytesOut: long(19),
    ended: optional(13),
    refusal: optional(14),
    tokens: number(23) === 0 ? undefined : readTokens(records.numbers.subarray(at + 24)),
    attempts: Array.from({ length: attempts }, (_, index) =>
      readAttempt(records, first + index * ATTEMPT_PLACES),
    ),
  };
}

function readTokens([
  input = 0,
  cached = 0,
  cacheWrite = 0,
  output = 0,
  reasoning = 0,
]: Iterable<number>) {
  return { input, cached, cacheWrite, output, reasoning };
}

function readAttempt({ numbers, texts }: TrailRecords, at: number): TrailAttempt {
  const number = (place: number): number => numbers[at + place] ?? 0;
  const text = (place: number): string => texts[number(place)] ?? '';
  const optional = (place: number): string | undefined =>
    number(place) === NO_TEXT ? undefined : text(place);
  return {
    key: text(0),
    upstream: text(1),
    status: number(2),
    verdict: text(3),
    rule: optional(4),
    code: optional(5),
    ms: number(6),
    endMs: number(7),
    waitedMs: number(8),
    changes: number(9) === NO_TEXT ? [] : (JSON.parse(text(9)) as TrailChange[]),
  };
}

/** What a sheet takes at most, about. */
export const MAX_SHEET_BYTES = MAX_NUMBERS * NUMBER_BYTES + 2 * MAX_TEXT_CHARS;
