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
  readonly name: string;
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
  let depth = 0;
  /** The names that count in the inner object; deeper ones and lists have none. */
  let inner = NONE;
  let known: Known | undefined;
  /** Where the last string stands: a name, if a colon follows. */
  let start = 0;
  let end = 0;
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      start = at + 1;
      end = endOfString(text, start);
      if (end < 0) return false;
      at = end;
    } else if (code === COLON) {
      if (depth > 2) continue;
      known = knownIn(depth === 1 ? TOP : inner, text, start, end);
      // One colon for each name: that of an event stream's `data:` has none.
      start = end;
      if (known !== undefined && known.place >= 0) at = readNumber(text, at, into, known.place);
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

function knownIn(names: Names, text: string, start: number, end: number): Known | undefined {
  const length = end - start;
  if (length >= names.length) return undefined;
  const alike = names[length] as readonly Known[];
  for (let i = 0; i < alike.length; i += 1) {
    const known = alike[i] as Known;
    if (text.startsWith(known.name, start)) return known;
  }
  return undefined;
}

/** The place of the closing quote; -1: there is none. */
function endOfString(text: string, start: number): number {
  // The engine finds a character sooner than a loop does, and hardly a string has another quote.
  let end = text.indexOf('"', start);
  while (end > start && isEscaped(text, start, end)) end = text.indexOf('"', end + 1);
  return end;
}

function isEscaped(text: string, start: number, quote: number): boolean {
  let at = quote;
  while (at > start && text.charCodeAt(at - 1) === BACKSLASH) at -= 1;
  return (quote - at) % 2 === 1;
}

/** Reads what stands behind a colon. @returns the place of its last character that was read */
function readNumber(text: string, colon: number, into: UsageNumbers, place: number): number {
  let at = colon + 1;
  while (text.charCodeAt(at) <= SPACE) at += 1;
  const begin = at;
  let value = 0;
  for (; at - begin < MAX_DIGITS; at += 1) {
    const digit = text.charCodeAt(at) - ZERO;
    if (!(digit >= 0 && digit <= 9)) break;
    value = value * 10 + digit;
  }
  const next = text.charCodeAt(at);
  if (at > begin && (next === COMMA || next === CLOSE || next <= SPACE)) {
    into.set(place, value <= MAX_TOKENS ? value : 0);
    return at - 1;
  }
  if (!text.startsWith('null', begin)) into.set(place, unusualNumber(text, begin));
  return colon;
}

const NUMBER = /-?[\d.]+(?:[eE][-+]?\d+)?/y;

/** `12.0` is a count; `-1`, `0.5` and what is no number at all are 0. */
function unusualNumber(text: string, at: number): number {
  NUMBER.lastIndex = at;
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
    alike.push({ name, place: isInner ? -1 : place, inner });
  }
  return names;
}
