// Reads the object that names what was used, in one walk over its text and without making anything
// of it: of each answer that passes only a few numbers are wanted. What they mean is
// token-usage.ts.

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
}

/** A name in an object: the place of its number, or the names in the object that it stands for. */
interface Known {
  readonly name: Uint8Array;
  readonly place: number;
  readonly inner: Names;
}
/** By their length: a name is compared with the few that are as long. */
type Names = readonly (readonly Known[])[];

const MAX_NAME_CHARS = Math.max(...NAMES.map((name) => name.length));
const NONE: Names = [];
const TOP = namesOf('');
/** No request uses so many: what says so is none of its numbers, and sums of them stay exact. */
const MAX_TOKENS = 1_000_000_000;
/** Digits that are read as they stand; MAX_TOKENS has fewer. */
const MAX_DIGITS = 15;
/** Of a number that is written in another way so much is read. */
const MAX_NUMBER_CHARS = 64;
/** So much of a text has a usual object in it, whole. */
const USUAL_CHARS = 2 * 1024;
/** What is being read; a character takes three bytes at most. */
const usual = Buffer.alloc(3 * USUAL_CHARS + 1);
/** Stands behind the last byte: no loop and no pattern reads on. */
const END = 0;

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
export function readNumbers(text: string, from: number, into: UsageNumbers): boolean {
  // A byte is read in half the time that a character takes, once there are some hundred of them.
  const length = usual.write(text.slice(from, from + USUAL_CHARS));
  usual[length] = END;
  if (readBytes(usual, length, into)) return true;
  if (text.length - from <= USUAL_CHARS) return false;
  const whole = Buffer.from(`${text.slice(from)}\0`);
  return readBytes(whole, whole.length - 1, into);
}

/** @param bytes behind those that count stands {@link END} */
function readBytes(bytes: Buffer, length: number, into: UsageNumbers): boolean {
  let depth = 0;
  /** The names that count in the inner object; deeper ones and lists have none. */
  let inner = NONE;
  let known: Known | undefined;
  /** Where the last string stands: a name, if a colon follows. */
  let start = 0;
  let end = 0;
  for (let at = 0; at < length; at += 1) {
    const code = bytes[at] as number;
    if (code === QUOTE) {
      start = at + 1;
      end = endOfString(bytes, start, length);
      at = end;
    } else if (code === COLON) {
      if (depth > 2) continue;
      known = knownIn(depth === 1 ? TOP : inner, bytes, start, end);
      // One colon for each name: that of an event stream's `data:` has none.
      start = end;
      if (known !== undefined && known.place >= 0) at = readNumber(bytes, at, into, known.place);
    } else if (code === OPEN || code === OPEN_LIST) {
      depth += 1;
      if (depth === 2) inner = (code === OPEN ? known?.inner : undefined) ?? NONE;
    } else if (code === CLOSE || code === CLOSE_LIST) {
      depth -= 1;
      if (depth === 0) return true;
    } else if (code === COMMA) known = undefined;
  }
  return false;
}

function knownIn(names: Names, bytes: Buffer, start: number, end: number): Known | undefined {
  const length = end - start;
  if (length >= names.length) return undefined;
  const alike = names[length] as readonly Known[];
  for (let i = 0; i < alike.length; i += 1) {
    const known = alike[i] as Known;
    if (standsAt(bytes, known.name, start)) return known;
  }
  return undefined;
}

function standsAt(bytes: Buffer, name: Uint8Array, start: number): boolean {
  for (let i = 0; i < name.length; i += 1) {
    if (bytes[start + i] !== name[i]) return false;
  }
  return true;
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
    const own = Buffer.from(name, 'latin1');
    if (alike === undefined || name === '' || alike.some((known) => own.equals(known.name)))
      continue;
    const inner = isInner ? namesOf(`${outer}${name}.`) : NONE;
    alike.push({ name: own, place: isInner ? -1 : place, inner });
  }
  return names;
}
