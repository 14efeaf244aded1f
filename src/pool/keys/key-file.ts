// What a key file says: one key per line, `#` comments, optionally the upstream that a key is bound
// to and attributes of its own (key-attributes.ts). Its problems are named by file and line, never
// by key; reading it again when it changes is store/file-watch.ts, giving its keys rows is
// key-reload.ts.

import { readFile } from 'node:fs/promises';
import { MAX_KEY_BYTES } from '../table/key-rows.ts';
import { MAX_KEYS } from '../table/table-memory.ts';
import { parseUpstreamUrl } from '../upstreams/upstream-list.ts';
import {
  isKeyName,
  KEY_NAME_TEXT,
  type KeyAttributes,
  NO_ATTRIBUTES,
  splitAttribute,
  withAttribute,
} from './key-attributes.ts';
import { keyMistake, SUSPICIOUS } from './key-mistakes.ts';

/** Problems told at once; a file that is no key file has one on every line. */
export const MAX_PROBLEMS = 20;
/** 2 GiB is where Node's own limit is; a million keys of the longest kind are 200 MB. */
const MAX_FILE_BYTES = 1024 * 1024 * 1024;

/**
 * The keys of a file, as places in its bytes: a million strings would cost ten times their memory.
 */
export interface ParsedKeys {
  readonly source: Buffer;
  readonly count: number;
  /** Key `i` is `source[starts[i]..ends[i])`, found on line `lines[i]`. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  readonly lines: Uint32Array;
  /** Index in `pinUrls` plus 1; 0: not bound. */
  readonly pins: Uint16Array;
  readonly pinUrls: readonly string[];
  /** Index in `attributeSets`; the first one is that of keys without any. */
  readonly attributes: Uint16Array;
  readonly attributeSets: readonly KeyAttributes[];
  /** Names by place, of the keys that have one. */
  readonly names: ReadonlyMap<number, string>;
}

/** Different sets of attributes in one file, names apart. */
const MAX_ATTRIBUTE_SETS = 0xffff;

export type KeyFile =
  | { readonly ok: true; readonly keys: ParsedKeys }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Reads and checks a key file. Every way to fail is an answer that says what to do; nothing is
 * thrown.
 */
export async function readKeyFile(path: string): Promise<KeyFile> {
  try {
    return parseKeys(await readFile(path), path);
  } catch (error) {
    return { ok: false, problems: [describeFault(path, error)] };
  }
}

function describeFault(path: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  if (code === 'ENOENT') return `${path}: no such file; create it with one API key per line`;
  if (code === 'EACCES' || code === 'EPERM') return `${path}: not readable by this user (${code})`;
  if (code === 'EISDIR') return `${path}: is a directory, not a file of API keys`;
  return `${path}: cannot be read (${code})`;
}

/**
 * Checks the bytes of a key file; `name` is what problems call it. The bytes must not change
 * afterwards.
 */
export function parseKeys(source: Buffer, name: string): KeyFile {
  if (source.length > MAX_FILE_BYTES) {
    return { ok: false, problems: [`${name}: larger than ${MAX_FILE_BYTES} bytes`] };
  }
  const parser = new Parser(source, name);
  parser.run();
  if (parser.problems.length > 0) return { ok: false, problems: parser.problems };
  if (parser.count === 0) {
    return { ok: false, problems: [`${name}: contains no keys; add one API key per line`] };
  }
  return { ok: true, keys: parser.keys() };
}

/** The key at place `i`. */
export function keyAt(keys: ParsedKeys, i: number): string {
  return keys.source.toString('latin1', keys.starts[i], keys.ends[i]);
}

const LF = 0x0a;
const CR = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;
const HASH = 0x23;

/** What a byte is within a key. */
const FORBIDDEN = 1;
const DOUBTFUL = 2;
const KINDS = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte <= SPACE || byte >= 0x7f) return FORBIDDEN;
  return SUSPICIOUS.includes(String.fromCharCode(byte)) ? DOUBTFUL : 0;
});

/** What stands behind a key: indexes of its upstream and its attributes, and its name. */
interface KeyRest {
  readonly pin: number;
  readonly set: number;
  readonly name: string;
}

const NOTHING: KeyRest = { pin: 0, set: 0, name: '' };

class Parser {
  readonly problems: string[] = [];
  count = 0;
  readonly #source: Buffer;
  readonly #name: string;
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;
  readonly #lines: Uint32Array;
  readonly #pins: Uint16Array;
  readonly #pinOf = new Map<string, number>();
  readonly #attributes: Uint16Array;
  readonly #setOf = new Map<string, number>([[JSON.stringify(NO_ATTRIBUTES), 0]]);
  readonly #sets: KeyAttributes[] = [NO_ATTRIBUTES];
  readonly #names = new Map<number, string>();
  #line = 0;

  constructor(source: Buffer, name: string) {
    this.#source = source;
    this.#name = name;
    // The most that there can be, a character and a line feed each: what is not used costs no
    // memory.
    const most = Math.min(MAX_KEYS, (source.length >>> 1) + 1);
    this.#starts = new Uint32Array(most);
    this.#ends = new Uint32Array(most);
    this.#lines = new Uint32Array(most);
    this.#pins = new Uint16Array(most);
    this.#attributes = new Uint16Array(most);
  }

  run(): void {
    const { length } = this.#source;
    const hasBom = this.#source.subarray(0, 3).equals(Buffer.from([0xef, 0xbb, 0xbf]));
    let start = hasBom ? 3 : 0;
    while (start < length && this.problems.length < MAX_PROBLEMS) {
      this.#line++;
      const end = this.#readLine(start);
      start = end + 1;
    }
  }

  keys(): ParsedKeys {
    const { count } = this;
    return {
      source: this.#source,
      count,
      starts: this.#starts.subarray(0, count),
      ends: this.#ends.subarray(0, count),
      lines: this.#lines.subarray(0, count),
      pins: this.#pins.subarray(0, count),
      pinUrls: [...this.#pinOf.keys()],
      attributes: this.#attributes.subarray(0, count),
      attributeSets: this.#sets,
      names: this.#names,
    };
  }

  /** Reads the line at `start`; where its line feed is, or the end of the file. */
  #readLine(start: number): number {
    const source = this.#source;
    let at = start;
    while (isBlank(source[at])) at++;
    const keyStart = at;
    let isPlain = true;
    let isSuspicious = false;
    // One look at each byte: this loop is the cost of loading a million keys.
    for (; at < source.length; at++) {
      const byte = source[at] ?? 0;
      if (byte === LF || isBlank(byte)) break;
      const kind = KINDS[byte];
      if (kind === FORBIDDEN) isPlain = false;
      else if (kind === DOUBTFUL) isSuspicious = true;
    }
    const keyEnd = at;
    while (isBlank(source[at])) at++;
    const isWhole = at >= source.length || source[at] === LF;
    const lineEnd = isWhole ? at : this.#endOfLine(at);
    if (keyEnd === keyStart || source[keyStart] === HASH) return this.#endOfLine(lineEnd);
    if (!isPlain) {
      this.#problem(
        'the key contains a character that is not allowed in a header (only visible ASCII is)',
      );
    } else if (keyEnd - keyStart > MAX_KEY_BYTES) {
      this.#problem(`the key is longer than ${MAX_KEY_BYTES} characters`);
    } else if (isSuspicious && this.#hasMistake(keyStart, keyEnd)) {
      return lineEnd;
    } else {
      const rest = isWhole ? NOTHING : this.#readRest(source.toString('utf8', at, lineEnd));
      if (rest !== null) this.#add(keyStart, keyEnd, rest);
    }
    return lineEnd;
  }

  #hasMistake(start: number, end: number): boolean {
    const mistake = keyMistake(this.#source.toString('latin1', start, end));
    if (mistake !== undefined) this.#problem(mistake);
    return mistake !== undefined;
  }

  #endOfLine(at: number): number {
    const end = this.#source.indexOf(LF, at);
    return end < 0 ? this.#source.length : end;
  }

  /**
   * What follows the key: an upstream's address, attributes, a comment. Null: a problem was noted.
   */
  #readRest(rest: string): KeyRest | null {
    let pin = 0;
    let name = '';
    let attributes = NO_ATTRIBUTES;
    const seen = new Set<string>();
    for (const word of rest.trim().split(/\s+/)) {
      if (word.startsWith('#')) break;
      const [attribute, value] = splitAttribute(word) ?? [];
      if (attribute === undefined || value === undefined) {
        if (pin !== 0) return this.#problem('a key can be bound to one upstream only');
        const index = this.#pinIndex(word);
        if (index === null) return null;
        pin = index;
        continue;
      }
      if (seen.has(attribute)) return this.#problem(`${attribute}= is given twice`);
      seen.add(attribute);
      if (attribute === 'name') {
        if (!isKeyName(value)) return this.#problem(KEY_NAME_TEXT);
        name = value;
        continue;
      }
      const next = withAttribute(attributes, attribute, value);
      if (typeof next === 'string') return this.#problem(next);
      attributes = next;
    }
    const set = this.#setIndex(attributes);
    return set === null ? null : { pin, set, name };
  }

  #pinIndex(word: string): number | null {
    const href = parseUpstreamUrl(word);
    if (href === null) {
      return this.#problem(
        'unexpected text after the key; only an upstream URL and attributes such as rpm=60 are allowed',
      );
    }
    const pin = this.#pinOf.get(href) ?? this.#pinOf.size + 1;
    if (pin === 0xffff) return this.#problem('too many different upstreams');
    this.#pinOf.set(href, pin);
    return pin;
  }

  #setIndex(attributes: KeyAttributes): number | null {
    if (attributes === NO_ATTRIBUTES) return 0;
    const text = JSON.stringify(attributes);
    const known = this.#setOf.get(text);
    if (known !== undefined) return known;
    if (this.#sets.length === MAX_ATTRIBUTE_SETS) {
      return this.#problem('too many different sets of attributes');
    }
    this.#setOf.set(text, this.#sets.length);
    return this.#sets.push(attributes) - 1;
  }

  #problem(what: string): null {
    this.problems.push(`${this.#name}:${this.#line}: ${what}`);
    return null;
  }

  #add(start: number, end: number, { pin, set, name }: KeyRest): void {
    if (this.count === MAX_KEYS) {
      this.#problem(`more than ${MAX_KEYS} keys`);
      return;
    }
    this.#starts[this.count] = start;
    this.#ends[this.count] = end;
    this.#lines[this.count] = this.#line;
    this.#pins[this.count] = pin;
    this.#attributes[this.count] = set;
    if (name !== '') this.#names.set(this.count, name);
    this.count++;
  }
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB || byte === CR;
}
