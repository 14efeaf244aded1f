// What a fleet keeps on its server, and the questions about it: who is there, what is known of each
// key, and the news as a stream. Keys are known by an HMAC alone. What a record means, and when to
// ask, is serve/fleet/.

import { BEAT, FORGET, LEAVE, TELL } from './fleet-scripts.ts';
import { MAX_NAME_LENGTH } from './shared-usage.ts';
import { LinkError, type Reply, type ValkeyLink } from './valkey-link.ts';

/** What is known of one key, for all models or for one. Times: Unix ms by the server's clock. */
export interface KeyRecord {
  /** Counts the changes of a record; who knew the newest may change it to anything. */
  readonly generation: number;
  /** When it happened. */
  readonly atMs: number;
  /** `ok`: nothing is wrong any more. */
  readonly state: 'ok' | 'cooling' | 'dead';
  readonly untilMs: number;
  readonly sinceMs: number;
  readonly restCount: number;
  readonly deadCount: number;
  readonly reason: string;
  /** The instance that told. */
  readonly by: string;
}

/** A record under its field: HMAC of the key, and the model after a colon. */
export interface FiledRecord {
  readonly field: string;
  /** As it is stored. */
  readonly text: string;
  readonly record: KeyRecord;
}

/** One record to be told; its `generation` is the newest that the teller knows. */
export interface ToldRecord extends Omit<KeyRecord, 'by'> {
  readonly field: string;
}

/** One instance as it tells of itself. */
export interface InstanceFacts {
  readonly id: string;
  /** The roll that it acts by: see {@link Beat}. */
  readonly roll: string;
  readonly name: string;
  readonly version: string;
  readonly startedAtMs: number;
  readonly lagMs: number;
  readonly keys: number;
  /** Its books of usage; '' where it keeps none. */
  readonly book: string;
}

export interface Beat {
  readonly serverMs: number;
  /** Another word: the server has lost what it knew. */
  readonly born: string;
  /** Another one each time that somebody came or went. */
  readonly roll: string;
  readonly others: readonly InstanceFacts[];
}

/** Who tells: its name among instances, and the mark of the secret that all must have. */
export interface Teller {
  readonly id: string;
  readonly mark: string;
}

/** Entries that the stream keeps, about; who missed more reads the whole. */
const NEWS_LENGTH = 20_000;
/** An instance that was silent for so long is gone. */
export const GONE_MS = 3_000;
/** Records of one answer. */
export const PAGE_RECORDS = 500;

export class FleetStore {
  readonly #link: ValkeyLink;
  readonly #teller: Teller;
  readonly #instances: string;
  readonly #born: string;
  readonly #roll: string;
  readonly #records: string;
  readonly #news: string;
  readonly #bell: string;

  /** @param name FLEET_NAME, which all keys begin with and are kept together by */
  constructor(link: ValkeyLink, name: string, teller: Teller) {
    this.#link = link;
    this.#teller = teller;
    this.#instances = `{${name}}:instances`;
    this.#born = `{${name}}:born`;
    this.#roll = `{${name}}:roll`;
    this.#records = `{${name}}:records`;
    this.#news = `{${name}}:news`;
    this.#bell = `{${name}}:bell`;
  }

  /** Says that this instance lives, and hears which others do. */
  async beat(facts: Omit<InstanceFacts, 'id'>, random: string): Promise<Beat> {
    const { id, mark } = this.#teller;
    const words = [id, mark, String(GONE_MS), JSON.stringify(facts), random];
    const reply = await this.#run(BEAT, [this.#instances, this.#born, this.#roll], words);
    const [serverMs, born = '', count, ...rest] = texts(reply);
    const others: InstanceFacts[] = [];
    for (let i = 0; i + 1 < rest.length; i += 2) {
      others.push({ ...parseFacts(rest[i + 1] ?? ''), id: rest[i] ?? '' });
    }
    return { serverMs: Number(serverMs), born, roll: `${born} ${count}`, others };
  }

  /** This instance goes. */
  async leave(): Promise<void> {
    await this.#run(LEAVE, [this.#instances, this.#roll], [this.#teller.id]);
  }

  /** Tells; the generation of each record, 0 where another one is stronger. */
  async tell(records: readonly ToldRecord[]): Promise<number[]> {
    const words = [this.#teller.id, String(NEWS_LENGTH)];
    for (const record of records) {
      const { field, generation, atMs, state, untilMs } = record;
      const rest = [Math.round(record.sinceMs), record.restCount, record.deadCount, record.reason];
      const times = [String(Math.round(atMs)), state, String(Math.round(untilMs))];
      words.push(field, String(generation), ...times, rest.join('|'));
    }
    const reply = await this.#run(TELL, [this.#records, this.#news, this.#bell], words);
    return texts(reply).map(Number);
  }

  /** Calls whenever there are news, whoever told them. */
  listen(onNews: () => void): Promise<void> {
    return this.#link.listen(this.#bell, onNews);
  }

  /** The newest entry of the stream: what comes after it is news. */
  async lastNews(): Promise<string> {
    const reply = await this.#link.ask(['XREVRANGE', this.#news, '+', '-', 'COUNT', '1']);
    const [entry] = items(reply);
    return String(items(entry ?? null)[0] ?? '0-0');
  }

  /** News after an entry, at most {@link PAGE_RECORDS}; and the entry to go on from. */
  async newsAfter(last: string): Promise<{ readonly last: string; readonly news: FiledRecord[] }> {
    const count = String(PAGE_RECORDS);
    const reply = await this.#link.ask(['XREAD', 'COUNT', count, 'STREAMS', this.#news, last]);
    const streams = typeof reply === 'object' && !Array.isArray(reply) ? reply : null;
    const entries = items((streams as Record<string, Reply> | null)?.[this.#news] ?? null);
    let next = last;
    const news: FiledRecord[] = [];
    for (const entry of entries) {
      const [id, pairs] = items(entry);
      next = String(id);
      const [, field, , value] = items(pairs ?? null);
      const filed = fileRecord(String(field), String(value));
      if (filed !== undefined) news.push(filed);
    }
    return { last: next, news };
  }

  /** Some of all records, from a cursor on; the next cursor is '0' after the last ones. */
  async page(cursor: string): Promise<{ readonly next: string; readonly records: FiledRecord[] }> {
    const count = String(PAGE_RECORDS);
    const reply = await this.#link.ask(['HSCAN', this.#records, cursor, 'COUNT', count]);
    const [next, pairs] = items(reply);
    const words = texts(pairs ?? null);
    const records: FiledRecord[] = [];
    for (let i = 0; i + 1 < words.length; i += 2) {
      const filed = fileRecord(words[i] ?? '', words[i + 1] ?? '');
      if (filed !== undefined) records.push(filed);
    }
    return { next: String(next ?? '0'), records };
  }

  /** Removes records that are of no use any more, unless they have changed. */
  async forget(records: readonly FiledRecord[]): Promise<void> {
    const words = records.flatMap(({ field, text }) => [field, text]);
    await this.#run(FORGET, [this.#records], words);
  }

  #run(script: string, keys: readonly string[], words: readonly string[]): Promise<Reply> {
    return this.#link.ask(['EVAL', script, String(keys.length), ...keys, ...words]);
  }
}

/**
 * What stands in a field; undefined: another version wrote it in a way of its own, or somebody else
 * did, who is not to be believed.
 */
function fileRecord(field: string, text: string): FiledRecord | undefined {
  const [generation, at, state, until, since, rests, deaths, reason = '', by] = text.split('|');
  const numbers = [generation, at, until, since, rests, deaths].map((word) => wholeNumber(word));
  const isState = state === 'ok' || state === 'cooling' || state === 'dead';
  if (by === undefined || !isState || numbers.includes(undefined)) return undefined;
  const [count, atMs, untilMs, sinceMs, restCount, deadCount] = numbers as number[];
  const times = { atMs: atMs ?? 0, untilMs: untilMs ?? 0, sinceMs: sinceMs ?? 0 };
  const counts = { generation: count ?? 0, restCount: restCount ?? 0, deadCount: deadCount ?? 0 };
  return { field, text, record: { ...counts, ...times, state, reason, by } };
}

/** What another instance told of itself: shown to people, and taken for what it is. */
function parseFacts(text: string): Omit<InstanceFacts, 'id'> {
  let told: Partial<Record<keyof InstanceFacts, unknown>> = {};
  try {
    told = Object(JSON.parse(text));
  } catch {
    // Then it told nothing.
  }
  const number = (value: unknown) => (Number.isFinite(value) ? Number(value) : 0);
  return {
    roll: String(told.roll ?? ''),
    name: String(told.name ?? '').slice(0, MAX_NAME_LENGTH),
    version: String(told.version ?? '').slice(0, MAX_NAME_LENGTH),
    startedAtMs: number(told.startedAtMs),
    lagMs: number(told.lagMs),
    keys: number(told.keys),
    book: String(told.book ?? ''),
  };
}

/** Fifteen digits are exact, and beyond every time that matters. */
function wholeNumber(word: string | undefined): number | undefined {
  return word !== undefined && /^\d{1,15}$/.test(word) ? Number(word) : undefined;
}

function items(reply: Reply): readonly Reply[] {
  if (reply === null) return [];
  if (Array.isArray(reply)) return reply;
  throw new LinkError('refused', 'the server sent a reply of an unexpected type');
}

function texts(reply: Reply): string[] {
  return items(reply).map(String);
}
