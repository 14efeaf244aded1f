// Reads the trails that all workers have written down, as they stand at one moment.

import { ownRequestId } from '../../log/request-id.ts';
import type { Trail, TrailAttempt, TrailChange, TrailTokens } from '../../log/trail.ts';
import { ageOf, MAX_TRAILS, PAGE_START, type TrailPages } from './trail-pages.ts';
import {
  ASKED,
  ATTEMPT,
  ATTEMPT_PLACES,
  bytesOf,
  COUNTED,
  HEAD,
  HEAD_PLACES,
  KIND_BITS,
  KINDS,
  NO_TEXT,
  NONE,
  OUTCOME,
  RECORD,
  SECOND_WORD,
  STREAMED,
  TEXTS,
  wordsOf,
} from './trail-record.ts';

/** The last trails of all workers, as they stand at one moment. */
export class WrittenTrails {
  /**
   * By age. Of a request that ends at this very moment the number may be given and nothing be there
   * yet: it is seen with the next look, and may then stand behind one that was seen before.
   */
  readonly #records: (Place | undefined)[] = [];

  constructor(pages: TrailPages) {
    const { newest } = pages;
    for (const words of pages.copies(newest)) {
      const page = new WrittenPage(words);
      for (const at of page.records()) {
        const age = ageOf(page.number(at + HEAD.number), newest);
        if (age >= 0 && age < MAX_TRAILS) this.#records[age] = { page, at };
      }
    }
  }

  get count(): number {
    return this.#records.reduce((count) => count + 1, 0);
  }

  find(id: string): Trail | undefined {
    const found = this.#records.find((record) => record?.page.id(record.at) === id);
    return found?.page.trail(found.at);
  }

  *newestFirst(): Generator<Trail, undefined> {
    for (const record of this.#records)
      if (record !== undefined) yield record.page.trail(record.at);
  }
}

/** Where a record is. */
interface Place {
  readonly page: WrittenPage;
  readonly at: number;
}

/** The copy of a page. */
class WrittenPage {
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #bytes: Buffer;
  readonly #texts = new Map<number, string>();

  constructor(words: Uint32Array<ArrayBuffer>) {
    this.#words = words;
    this.#bytes = Buffer.from(words.buffer);
  }

  /** The places of its records. */
  *records(): Generator<number, void> {
    for (let at = PAGE_START; at < this.#words.length; ) {
      const word = this.number(at);
      const kind = word & KINDS;
      const size = word >>> KIND_BITS;
      if (kind === RECORD) {
        yield at;
        at += HEAD_PLACES + size * ATTEMPT_PLACES;
      } else at += 1 + (kind === TEXTS ? size : wordsOf(size));
    }
  }

  trail(at: number): Trail {
    const asked = this.number(at + HEAD.asked);
    const bits = this.number(at + HEAD.bits);
    const firstByteMs = this.number(at + HEAD.firstByte);
    return {
      atMs: this.#long(at + HEAD.arrival),
      id: this.id(at),
      client: this.#text(asked + ASKED.client),
      clientName: this.#optional(asked + ASKED.clientName),
      groupName: this.#text(asked + ASKED.groupName),
      method: this.#text(asked + ASKED.method),
      path: this.#text(asked + ASKED.path),
      model: this.#optional(asked + ASKED.model),
      streamed: (bits & STREAMED) !== 0,
      status: this.number(at + HEAD.status),
      firstByteMs: firstByteMs === NONE ? null : firstByteMs - 1,
      totalMs: this.number(at + HEAD.total),
      waitedMs: this.number(at + HEAD.waited),
      bytesIn: this.#long(at + HEAD.bytesIn),
      bytesOut: this.#long(at + HEAD.bytesOut),
      ended: this.#optional(at + HEAD.ended),
      refusal: this.#optional(at + HEAD.refusal),
      tokens: (bits & COUNTED) === 0 ? undefined : this.#tokens(at),
      attempts: Array.from({ length: this.number(at) >>> KIND_BITS }, (_, index) =>
        this.#attempt(at + HEAD_PLACES + index * ATTEMPT_PLACES),
      ),
    };
  }

  number(at: number): number {
    return this.#words[at] ?? 0;
  }

  id(at: number): string {
    // The page's first text begins the ids that are written as numbers.
    if (this.number(at + HEAD.id) !== NO_TEXT) return this.#text(at + HEAD.id);
    return ownRequestId(this.#textAt(PAGE_START), this.#long(at + HEAD.serial));
  }

  #tokens(at: number): TrailTokens {
    return {
      input: this.number(at + HEAD.input),
      cached: this.number(at + HEAD.cached),
      cacheWrite: this.number(at + HEAD.cacheWrite),
      output: this.number(at + HEAD.output),
      reasoning: this.number(at + HEAD.reasoning),
    };
  }

  #attempt(at: number): TrailAttempt {
    const outcome = this.number(at + ATTEMPT.outcome);
    const changes = this.#optional(at + ATTEMPT.changes);
    return {
      key: this.#text(at + ATTEMPT.key),
      upstream: this.#text(outcome + OUTCOME.upstream),
      status: this.number(at + ATTEMPT.status),
      verdict: this.#text(outcome + OUTCOME.verdict),
      rule: this.#optional(outcome + OUTCOME.rule),
      code: this.#optional(outcome + OUTCOME.code),
      ms: this.number(at + ATTEMPT.taken),
      endMs: this.number(at + ATTEMPT.end),
      waitedMs: this.number(at + ATTEMPT.waited),
      changes: changes === undefined ? [] : (JSON.parse(changes) as TrailChange[]),
    };
  }

  #long(at: number): number {
    return this.number(at) + this.number(at + 1) * SECOND_WORD;
  }

  #text(at: number): string {
    return this.#optional(at) ?? '';
  }

  #optional(at: number): string | undefined {
    const place = this.number(at);
    return place === NO_TEXT ? undefined : this.#textAt(place);
  }

  #textAt(place: number): string {
    const known = this.#texts.get(place);
    if (known !== undefined) return known;
    const at = bytesOf(place);
    const text = this.#bytes.toString('utf8', at, at + (this.number(place) >>> KIND_BITS));
    this.#texts.set(place, text);
    return text;
  }
}
