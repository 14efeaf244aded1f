// What the books of the other instances have to say to a question, read from the fleet's server
// when somebody asks, and added up as it comes. The answer to a question is good for two seconds,
// so that many viewers of the page cost no more than one. What is written there is fleet-usage.ts.

import type { UsageAnswer, UsageQuestion } from '../../store/usage-question.ts';
import type { BookEntry, SharedUsage } from '../../store/valkey/shared-usage.ts';
import { LinkError } from '../../store/valkey/valkey-link.ts';
import { addRow, rowName } from '../usage-sums.ts';
import type { FleetSecret } from './fleet-secret.ts';
import { rowOf } from './usage-words.ts';

/** What the rest of the fleet has used. */
export interface OthersUsage {
  readonly rows: readonly UsageAnswer[];
  /** Instances that used something in this time, this one or not. */
  readonly instances: readonly string[];
}

/** Whose books are read, and how. */
export interface Reader {
  readonly store: SharedUsage;
  readonly secret: FleetSecret;
  /** These are at hand, and not read. */
  readonly ownBook: string;
  /** Days since 1970 that the server may have. */
  readonly days: { readonly from: number; readonly to: number };
}

const HOURS = 24;
const GOOD_FOR_MS = 2_000;
const MAX_ANSWERS = 8;
/** Of all books together, for one answer. */
const MAX_READ_ROWS = 500_000;
/** Different rows of one answer. */
const MAX_ROWS = 50_000;
/** Pages that are asked for at once. */
const LANES = 8;
/** From the question to the last page. */
const READ_MS = 8_000;

type Read = OthersUsage | 'too_many';

export class OthersBooks {
  readonly #answers = new Map<string, Promise<Read>>();

  /** Answers that are still good; a large one takes megabytes. */
  get remembered(): number {
    return this.#answers.size;
  }

  /**
   * @param instance only the books of this one
   * @returns rejects with a LinkError
   */
  ask(question: UsageQuestion, instance: string | undefined, reader: Reader): Promise<Read> {
    const name = JSON.stringify([question, instance, reader.ownBook]);
    const known = this.#answers.get(name);
    if (known !== undefined) return known;
    const read = new Reading(question, reader).all(instance);
    if (this.#answers.size >= MAX_ANSWERS) return read;
    this.#answers.set(name, read);
    const forget = () => {
      if (this.#answers.get(name) === read) this.#answers.delete(name);
    };
    setTimeout(forget, GOOD_FOR_MS).unref();
    // A failure is no answer to the next one who asks.
    read.catch(forget);
    return read;
  }

  /** The connection was lost: what it had to say is not repeated. */
  forget(): void {
    this.#answers.clear();
  }
}

/** One question to all books. */
class Reading {
  readonly #question: UsageQuestion;
  readonly #reader: Reader;
  readonly #rows = new Map<string, UsageAnswer>();
  readonly #previews = new Map<string, string>();
  readonly #untilMs = performance.now() + READ_MS;
  #read = 0;

  constructor(question: UsageQuestion, reader: Reader) {
    this.#question = question;
    this.#reader = reader;
  }

  async all(instance: string | undefined): Promise<Read> {
    const { store, ownBook, secret, days } = this.#reader;
    const { fromHour, toHour } = this.#question;
    const from = Math.max(days.from, Math.floor(fromHour / HOURS));
    const to = Math.min(days.to, Math.ceil(toHour / HOURS) - 1);
    const asked = Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
    const indexes = await Promise.all(asked.map((day) => store.index(day)));
    const work = indexes.flatMap((entries, i) => {
      const readable = entries.filter(({ mark }) => mark === secret.mark);
      return readable.map((entry) => ({ day: asked[i] ?? 0, entry }));
    });
    const instances = [...new Set(work.map(({ entry }) => entry.name))];
    const wanted = work.filter(({ entry: { book, name } }) => {
      return book !== ownBook && (instance === undefined || name === instance);
    });
    const lanes = Array.from({ length: LANES }, async () => {
      for (let job = wanted.pop(); job !== undefined; job = wanted.pop()) {
        await this.#book(job.day, job.entry);
        if (this.#isTooMuch) return;
      }
    });
    await Promise.all(lanes);
    return this.#isTooMuch ? 'too_many' : { rows: [...this.#rows.values()], instances };
  }

  get #isTooMuch(): boolean {
    return this.#read > MAX_READ_ROWS || this.#rows.size > MAX_ROWS;
  }

  async #book(day: number, { book }: BookEntry): Promise<void> {
    const { store } = this.#reader;
    const { by } = this.#question;
    /** A row that was moved while it was read comes twice. */
    const seen = new Set<string>();
    let cursor = '0';
    do {
      if (performance.now() > this.#untilMs) throw new LinkError('silent', 'it takes too long');
      const page = await store.page(day, book, by, cursor);
      for (const [field, value] of page.pairs) {
        if (seen.has(field)) continue;
        seen.add(field);
        this.#add(day, rowOf(field, value));
      }
      this.#read += page.pairs.length;
      cursor = page.next;
    } while (cursor !== '0' && !this.#isTooMuch);
  }

  #add(day: number, row: UsageAnswer | undefined): void {
    if (row === undefined || Math.floor(row.hour / HOURS) !== day) return;
    const { fromHour, toHour, groupBy } = this.#question;
    if (row.hour < fromHour || row.hour >= toHour) return;
    const has = (name: UsageQuestion['groupBy'][number]) => groupBy.includes(name);
    const shown = {
      ...row,
      client: has('client') ? row.client : '',
      group: has('group') ? row.group : '',
      model: has('model') ? row.model : '',
      key: has('key') ? this.#preview(row.key) : '',
    };
    addRow(this.#rows, rowName(shown), shown);
  }

  #preview(sealed: string): string {
    const known = this.#previews.get(sealed);
    if (known !== undefined) return known;
    const preview = this.#reader.secret.unseal(sealed) ?? '';
    this.#previews.set(sealed, preview);
    return preview;
  }
}
