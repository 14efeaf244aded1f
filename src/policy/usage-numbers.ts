// Reads the object that names what was used, in one walk over its text and without making anything
// of it: of each answer that passes only a few numbers are wanted. What they mean is
// token-usage.ts.

import { type ByteText, END, Word } from './byte-text.ts';

/** The numbers that count, in the order of their places; those in inner objects after a dot. */
const NAMES = [
  'prompt_tokens',
  'completion_tokens',
  'input_tokens',
  'output_tokens',
  'total_tokens',
  'prompt_cache_hit_tokens',
  'cache_read_input_tokens',
  'cache_creation_input_tokens',
  'cached_tokens',
  'promptTokenCount',
  'candidatesTokenCount',
  'responseTokenCount',
  'toolUsePromptTokenCount',
  'cachedContentTokenCount',
  'thoughtsTokenCount',
  'totalTokenCount',
  'prompt_tokens_details.cached_tokens',
  'prompt_tokens_details.cache_write_tokens',
  'input_tokens_details.cached_tokens',
  'input_tokens_details.cache_write_tokens',
  'completion_tokens_details.reasoning_tokens',
  'output_tokens_details.reasoning_tokens',
  'tokens.input_tokens',
  'tokens.output_tokens',
] as const;

export type UsageName = (typeof NAMES)[number];

/** Numbers by their place. */
export class UsageNumbers {
  readonly #values = new Float64Array(NAMES.length);
  /** A bit for each place whose number was named, and not as null. */
  #named = 0;

  clear(): void {
    this.#named = 0;
  }

  set(place: number, value: number): void {
    this.#named |= 1 << place;
    this.#values[place] = value;
  }

  has(place: number): boolean {
    return (this.#named & (1 << place)) !== 0;
  }

  /** 0: it was not named. */
  get(place: number): number {
    return this.has(place) ? (this.#values[place] as number) : 0;
  }

  /** Takes over what others name and these do not. */
  fill(others: UsageNumbers): void {
    for (let place = 0; place < NAMES.length; place += 1) {
      if (others.has(place) && !this.has(place)) this.set(place, others.get(place));
    }
  }
}

/** What stands before a name: the object's beginning, or another name. */
interface Before {
  /** The name that was found next the last time: answers are alike. */
  next: Known | undefined;
}

/** A name in an object: the place of its number, or the names in the object that it stands for. */
interface Known extends Before {
  readonly name: string;
  /** In its quotes; and as it usually stands in a text, with its colon. */
  readonly quoted: Word;
  readonly usual: Word;
  /** -1: an object, or a name that means nothing. */
  readonly place: number;
  readonly inner: Names;
  /** The names that it belongs to. */
  readonly among: Names;
}
/** By their length: a name is compared with the few that are as long. */
type Names = readonly Known[][];

const MAX_NAME_CHARS = Math.max(...NAMES.map((name) => name.length));
const NONE: Names = [];
const TOP = namesOf('');
/** Shorter names are not learned. */
const MIN_NAME_CHARS = 2;
/** With so many known names of one length no other one is learned: each is compared with them. */
const MAX_ALIKE = 8;
/** Stands before the first name of an object. */
const FIRST: Before = { next: undefined };
/** No request uses so many: what says so is none of its numbers, and sums of them stay exact. */
const MAX_TOKENS = 1_000_000_000;
/** Digits that are read as they stand; MAX_TOKENS has fewer. */
const MAX_DIGITS = 15;
/** Of a number that is written in another way so much is read. */
const MAX_NUMBER_CHARS = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const ZERO = 0x30;
const SPACE = 0x20;

/** Where the number of a name is kept. */
export function placeOf(name: UsageName): number {
  return NAMES.indexOf(name);
}

/**
 * Reads the numbers of the object that begins at `from`, over those that are there already: what it
 * does not name, or as null, stays.
 * @returns false: the object does not end
 */
export function readNumbers(text: ByteText, from: number, into: UsageNumbers): boolean {
  const { bytes, length } = text;
  let depth = 0;
  /** The names that count here, and in the inner object; deeper ones and lists have none. */
  let names = NONE;
  let inner = NONE;
  let known: Known | undefined;
  let last: Before = FIRST;
  /** Where the last string stands that is not known: a name, if a colon follows. */
  let start = 0;
  let end = 0;
  for (let at = from; at < length; at += 1) {
    const code = bytes[at] as number;
    if (code === QUOTE) {
      const { next } = last;
      if (next?.among === names && next.usual.standsAt(text, at)) {
        known = next;
        last = next;
        at += next.usual.bytes.length - 1;
        if (next.place >= 0) at = readNumber(bytes, at, into, next.place);
        continue;
      }
      start = at + 1;
      end = endOfString(bytes, start, length);
      at = end;
    } else if (code === COLON) {
      known = knownIn(names, text, start, end) ?? learned(names, text, start, end);
      // One colon for each name: that of an event stream's `data:` has none.
      start = end;
      if (known === undefined) continue;
      last.next = known;
      last = known;
      if (known.place >= 0) at = readNumber(bytes, at, into, known.place);
    } else if (code === OPEN || code === OPEN_LIST) {
      depth += 1;
      if (depth === 2) inner = (code === OPEN ? known?.inner : undefined) ?? NONE;
      names = depth === 1 ? TOP : depth === 2 ? inner : NONE;
    } else if (code === CLOSE || code === CLOSE_LIST) {
      depth -= 1;
      if (depth === 0) return true;
      names = depth === 1 ? TOP : depth === 2 ? inner : NONE;
    } else if (code === COMMA) {
      known = undefined;
      start = end;
    }
  }
  return false;
}

function knownIn(names: Names, text: ByteText, start: number, end: number): Known | undefined {
  const length = end - start;
  if (length >= names.length) return undefined;
  const alike = names[length] as readonly Known[];
  for (let i = 0; i < alike.length; i += 1) {
    const known = alike[i] as Known;
    if (known.quoted.standsAt(text, start - 1)) return known;
  }
  return undefined;
}

/** A name that means nothing becomes known as such: it is passed over sooner the next time. */
function learned(names: Names, { bytes }: ByteText, start: number, end: number): Known | undefined {
  const alike = names[end - start];
  if (alike === undefined || alike.length >= MAX_ALIKE || end - start < MIN_NAME_CHARS) return;
  const known = knownAs(bytes.toString('latin1', start, end), -1, NONE, names);
  alike.push(known);
  return known;
}

/** The place of the closing quote; `length`: there is none. */
function endOfString(bytes: Buffer, start: number, length: number): number {
  for (let at = start; at < length; at += 1) {
    const code = bytes[at];
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at += 1;
  }
  return length;
}

/** Reads what stands behind a colon. @returns the place of its last character that was read */
function readNumber(bytes: Buffer, colon: number, into: UsageNumbers, place: number): number {
  let at = colon + 1;
  while (isSpace(bytes[at])) at += 1;
  const begin = at;
  let value = 0;
  for (; at - begin < MAX_DIGITS; at += 1) {
    const digit = (bytes[at] as number) - ZERO;
    if (!(digit >= 0 && digit <= 9)) break;
    value = value * 10 + digit;
  }
  const next = bytes[at];
  if (at > begin && (next === COMMA || next === CLOSE || isSpace(next))) {
    into.set(place, value <= MAX_TOKENS ? value : 0);
    return at - 1;
  }
  const text = bytes.toString('latin1', begin, begin + MAX_NUMBER_CHARS);
  if (!NOT_NAMED.test(text)) into.set(place, unusualNumber(text));
  return colon;
}

/** JSON has no other characters below a blank than its white space. */
function isSpace(code: number | undefined): boolean {
  return code !== undefined && code <= SPACE && code !== END;
}

/** `null`, and what is cut off. */
const NOT_NAMED = /^(?:null|[^\s,}\]]*\0)/;
const NUMBER = /^-?[\d.]+(?:[eE][-+]?\d+)?/;

/** `12.0` is a count; `-1`, `0.5` and what is no number at all are 0. */
function unusualNumber(text: string): number {
  const value = Number(NUMBER.exec(text)?.[0]);
  return Number.isInteger(value) && value >= 0 && value <= MAX_TOKENS ? value : 0;
}

/** @param outer the name of the object that they stand in, with a dot behind it */
function namesOf(outer: string): Names {
  const names: Known[][] = Array.from({ length: MAX_NAME_CHARS + 1 }, () => []);
  for (const [place, path] of NAMES.entries()) {
    const [name = '', ...rest] = path.startsWith(outer) ? path.slice(outer.length).split('.') : [];
    const isInner = rest.length > 0;
    const alike = names[name.length];
    if (alike === undefined || name === '' || alike.some((known) => known.name === name)) continue;
    const inner = isInner ? namesOf(`${outer}${name}.`) : NONE;
    alike.push(knownAs(name, isInner ? -1 : place, inner, names));
  }
  return names;
}

function knownAs(name: string, place: number, inner: Names, among: Names): Known {
  const [quoted, usual] = [new Word(`"${name}"`), new Word(`"${name}":`)];
  return { name, quoted, usual, place, inner, among, next: undefined };
}
