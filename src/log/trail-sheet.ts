// Trails written down as numbers and the texts that they share: what is sent from thread to thread
// and kept. Six times as cheap to write as JSON, and without objects that the garbage collector
// would have to copy. A record's places are those of writeHead and writeAttempt.

import { Remembered } from './remembered.ts';
import { ownRequestId } from './request-id.ts';
import { shownText, type Trail, type TrailAttempt, type TrailChange } from './trail.ts';

/** Numbers of a request and of each of its attempts. */
const HEAD_PLACES = 25;
const ATTEMPT_PLACES = 10;
/** A request that had more attempts keeps the last ones. */
const MAX_ATTEMPTS = 64;
/** Numbers and texts that one sheet has room for. */
const MAX_NUMBERS = 96 * 1024;
const MAX_TEXT_CHARS = 128 * 1024;
const NUMBER_BYTES = 8;
/** Stands for a text that is not there. */
const NO_TEXT = 0;
/** Stands for a number that is not there. */
const NONE = -1;

/** Some trails, oldest first. */
export interface TrailRecords {
  readonly numbers: Float64Array<ArrayBuffer>;
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
  readonly #numbers = new Float64Array(MAX_NUMBERS);
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
    const { tokens, waitedMs = 0, firstByteMs, serial = NONE } = trail;
    const numbers = this.#numbers;
    const at = this.#used;
    this.#used += HEAD_PLACES;
    numbers[at] = attempts;
    numbers[at + 1] = trail.atMs;
    // No two are the same: a number where it can be, and not looked up.
    numbers[at + 2] = serial < 0 ? this.#newText('', shownText(trail.id)) : NO_TEXT;
    numbers[at + 3] = this.#text(trail.client);
    numbers[at + 4] = this.#text(trail.clientName);
    numbers[at + 5] = this.#text(trail.groupName);
    numbers[at + 6] = this.#text(trail.method);
    numbers[at + 7] = this.#text(trail.path);
    numbers[at + 8] = this.#text(trail.model);
    numbers[at + 9] = trail.streamed ? 1 : 0;
    numbers[at + 10] = trail.status;
    numbers[at + 11] = firstByteMs ?? NONE;
    numbers[at + 12] = trail.totalMs;
    numbers[at + 13] = waitedMs;
    numbers[at + 14] = trail.bytesIn;
    numbers[at + 15] = trail.bytesOut;
    numbers[at + 16] = this.#text(trail.ended);
    numbers[at + 17] = this.#text(trail.refusal);
    numbers[at + 24] = serial;
    numbers[at + 18] = tokens === undefined ? NONE : 0;
    if (tokens === undefined) return;
    numbers[at + 19] = tokens.input;
    numbers[at + 20] = tokens.cached;
    numbers[at + 21] = tokens.cacheWrite;
    numbers[at + 22] = tokens.output;
    numbers[at + 23] = tokens.reasoning;
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
    numbers[at + 6] = attempt.ms;
    numbers[at + 7] = attempt.endMs;
    numbers[at + 8] = attempt.waitedMs;
    numbers[at + 9] = changes.length === 0 ? NO_TEXT : this.#newText('', changesText(changes));
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
  const ms = (place: number): number => Math.round(number(place));
  const text = (place: number): string => records.texts[number(place)] ?? '';
  const optional = (place: number): string | undefined =>
    number(place) === NO_TEXT ? undefined : text(place);
  const first = at + HEAD_PLACES;
  return {
    atMs: ms(1),
    id: number(2) === NO_TEXT ? ownRequestId(records.idPrefix, number(24)) : text(2),
    client: text(3),
    clientName: optional(4),
    groupName: text(5),
    method: text(6),
    path: text(7),
    model: optional(8),
    streamed: number(9) === 1,
    status: number(10),
    firstByteMs: number(11) === NONE ? null : ms(11),
    totalMs: ms(12),
    waitedMs: ms(13),
    bytesIn: number(14),
    bytesOut: number(15),
    ended: optional(16),
    refusal: optional(17),
    tokens: number(18) === NONE ? undefined : readTokens(records.numbers.subarray(at + 19)),
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
    ms: Math.round(number(6)),
    endMs: Math.round(number(7)),
    waitedMs: Math.round(number(8)),
    changes: number(9) === NO_TEXT ? [] : (JSON.parse(text(9)) as TrailChange[]),
  };
}

/** What a sheet takes at most, about. */
export const MAX_SHEET_BYTES = MAX_NUMBERS * NUMBER_BYTES + 2 * MAX_TEXT_CHARS;
