// What instances used, as their fleet's server keeps it: for each day an index of the books that
// have something of it, and for each book and day two hashes of sums, by hour and by day. A row is
// sent as the whole sum that its book has, never as an increment, so that sending it twice counts
// once. When to send and how to add up is serve/fleet/fleet-usage.ts.

import { KEEP_USAGE_DAYS } from '../usage-question.ts';
import { LinkError, type Reply, type ValkeyLink } from './valkey-link.ts';

const DAY_SECONDS = 86_400;
/** Books of one day: each start of an instance without STATE_FILE makes one. */
const MAX_BOOKS_OF_DAY = 1_000;
/** What an instance is called: others may have written anything there. */
export const MAX_NAME_LENGTH = 256;
/** Rows of one message, and of one answer. */
export const BATCH_ROWS = 500;

export type Grain = 'hour' | 'day';

/** What the index says of a book on one day. */
export interface BookEntry {
  readonly book: string;
  /** How finely its rows are told apart; rows of another fineness are replaced as a whole. */
  readonly detail: string;
  /** Of the secret with which it was written. */
  readonly mark: string;
  /** Sums over the day, once all of it was told; '' before. */
  readonly digest: string;
  /** What its instance is called. */
  readonly name: string;
}

/** A part of a day, to be told. */
export interface UsagePart extends BookEntry {
  /** Days since 1970, UTC. */
  readonly day: number;
  /** What the server has of this book and day in another detail is forgotten. */
  readonly isFirst: boolean;
  /** Field and value in turn. */
  readonly hourRows: readonly string[];
  readonly dayRows: readonly string[];
}

/**
 * KEYS: index of the day, rows by hour, rows by day. ARGV: book, detail, entry of the index, 1 for
 * the first part, when the day is forgotten (Unix s), most books, number of words by hour, then
 * fields and values by hour and by day. The reply: 1, or 0 where the rows are not there that this
 * one adds to.
 */
const ADD = `
local known = redis.call('HGET', KEYS[1], ARGV[1])
if not known or string.match(known, '^[^|]*') ~= ARGV[2] then
  if ARGV[4] ~= '1' then return 0 end
  if not known and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[6]) then
    return redis.error_reply('FULL this day has too many books')
  end
  redis.call('DEL', KEYS[2])
  redis.call('DEL', KEYS[3])
end
local last = 7 + tonumber(ARGV[7])
for i = 8, last, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
for i = last + 1, #ARGV, 2 do redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
for i = 1, 3 do redis.call('EXPIREAT', KEYS[i], ARGV[5]) end
return 1
`;

export class SharedUsage {
  readonly #link: ValkeyLink;
  readonly #prefix: string;

  /** @param name FLEET_NAME */
  constructor(link: ValkeyLink, name: string) {
    this.#link = link;
    this.#prefix = `{${name}}:usage:`;
  }

  /** False: the server does not have what this part adds to; the day is to be told as a whole. */
  async add(part: UsagePart): Promise<boolean> {
    const { day, book, detail, mark, digest, name, isFirst, hourRows, dayRows } = part;
    const keys = [this.#index(day), this.#rows(day, book, 'hour'), this.#rows(day, book, 'day')];
    // Counted from its end, by the server's clock.
    const untilSeconds = String((day + 1 + KEEP_USAGE_DAYS) * DAY_SECONDS);
    const entry = [detail, mark, digest, name].join('|');
    const words = [book, detail, entry, isFirst ? '1' : '0', untilSeconds];
    words.push(String(MAX_BOOKS_OF_DAY), String(hourRows.length), ...hourRows, ...dayRows);
    return Number(await this.#link.ask(['EVAL', ADD, '3', ...keys, ...words])) === 1;
  }

  /** What is kept of one book and day; undefined: nothing. */
  async entry(day: number, book: string): Promise<BookEntry | undefined> {
    const reply = await this.#link.ask(['HGET', this.#index(day), book]);
    return typeof reply === 'string' ? entryOf(book, reply) : undefined;
  }

  /** All books that have something of a day. */
  async index(day: number): Promise<BookEntry[]> {
    const entries: BookEntry[] = [];
    let cursor = '0';
    do {
      const page = await this.#page(this.#index(day), cursor);
      for (const [book, text] of page.pairs) entries.push(entryOf(book, text));
      cursor = page.next;
    } while (cursor !== '0');
    return entries;
  }

  /** Some rows of a book and day, from a cursor on; a row may come twice. */
  page(day: number, book: string, grain: Grain, cursor: string) {
    return this.#page(this.#rows(day, book, grain), cursor);
  }

  async #page(key: string, cursor: string) {
    const reply = await this.#link.ask(['HSCAN', key, cursor, 'COUNT', String(BATCH_ROWS)]);
    const [next, words] = listOf(reply);
    const texts = listOf(words ?? null).map(String);
    const pairs: (readonly [string, string])[] = [];
    for (let i = 0; i + 1 < texts.length; i += 2) pairs.push([texts[i] ?? '', texts[i + 1] ?? '']);
    return { next: String(next ?? '0'), pairs };
  }

  #index(day: number): string {
    return `${this.#prefix}${day}`;
  }

  #rows(day: number, book: string, grain: Grain): string {
    return `${this.#prefix}${day}:${book}:${grain}`;
  }
}

function entryOf(book: string, text: string): BookEntry {
  const [detail = '', mark = '', digest = '', ...name] = text.split('|');
  return { book, detail, mark, digest, name: name.join('|').slice(0, MAX_NAME_LENGTH) };
}

function listOf(reply: Reply): readonly Reply[] {
  if (reply === null) return [];
  if (Array.isArray(reply)) return reply;
  throw new LinkError('refused', 'the server gave an answer of another kind than was asked for');
}
