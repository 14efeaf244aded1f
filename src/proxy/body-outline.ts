// Where the top-level members of a long body stand, found while it arrives: each chunk is walked
// over once, when it comes, so that no body holds the worker's thread for longer than a chunk of
// it takes. Short ones are searched as a whole by request-facts.ts, which says what is meant.

/** The members that anybody asks for. */
const NAMES = [
  'model',
  'stream',
  'max_tokens',
  'max_completion_tokens',
  'max_output_tokens',
  'generationConfig',
  'prompt_cache_key',
  'metadata',
  'system',
  'instructions',
  'systemInstruction',
  'system_instruction',
  'messages',
  'input',
  'contents',
] as const;

/** A name that {@link BodyOutline.find} knows. */
export type OutlinedName = (typeof NAMES)[number];

/** Bytes of the body, the end excluded. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Bodies up to this length have no outline: searching them takes less than two milliseconds. */
export const SHORT_BODY_BYTES = 256 * 1024;

/** The name `model`, in any case and with any of its letters escaped. */
export const MAY_NAME_MODEL =
  /(?:m|\\u00[46]d)(?:o|\\u00[46]f)(?:d|\\u00[46]4)(?:e|\\u00[46]5)(?:l|\\u00[46]c)/i;
/** A form's field of this name. */
export const FORM_MODEL = 'name="model"';
/** The longest that one of both can be: so much of a chunk is looked at again with the next one. */
const EDGE_BYTES = 30;

/** By length: no name has to be hashed to learn that it is none of them. */
const BY_LENGTH: readonly (readonly OutlinedName[])[] = byLength();
/** Six bytes may spell one: `\u006d`. */
const MAX_KEY_BYTES = 6 * (BY_LENGTH.length - 1);
/** A string's end is looked for by hand so far: calling the engine's search costs as much. */
const NEAR_BYTES = 32;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OBJECT = 0x7b;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];

/** What a byte is within a value, outside of strings. */
const [PLAIN, STRING, OPENING, CLOSING, END] = [0, 1, 2, 3, 4];
/** By byte, in an object or a list; a table, for this is where long bodies spend their time. */
const NESTED = kinds({ '"': STRING, '{': OPENING, '[': OPENING, '}': CLOSING, ']': CLOSING });
/** The same outside of one. */
const BARE = kinds({ '"': STRING, '{': OPENING, '[': OPENING, '}': END, ']': END, ',': END });
BARE.fill(END, 0, 0x21);

function kinds(of: Readonly<Record<string, number>>): Uint8Array {
  const table = new Uint8Array(256);
  for (const [mark, kind] of Object.entries(of)) table[mark.charCodeAt(0)] = kind;
  return table;
}

/** What is expected next; `nothing`: the object is over, or no JSON from here on. */
type Next = 'object' | 'comma' | 'key' | 'keyText' | 'colon' | 'value' | 'inValue' | 'nothing';

/** The outline of one body. Its chunks stay with whoever collects them. */
export class BodyOutline {
  /** Where the name of a form's field `model` begins; -1: nowhere. */
  formModelAt = -1;
  /** The name stands somewhere in it, however spelt; found out only where that was asked for. */
  mayNameModel = false;
  readonly #chunks: readonly Buffer[];
  readonly #isForm: boolean;
  readonly #hunts: boolean;
  /** Few bodies have more than three of them: a list is searched as fast as a map. */
  readonly #found: { readonly name: OutlinedName; span: Span }[] = [];
  #next: Next;
  /** Where the chunk at hand begins in the body. */
  #offset = 0;
  #depth = 0;
  #inString = false;
  /** The next byte of a string is escaped. */
  #isEscaped = false;
  #hasEscape = false;
  /** What earlier chunks have of the member's name, without its opening quote. */
  #key = '';
  #name: OutlinedName | undefined;
  #valueStart = 0;
  /** The end of the chunk before. */
  #edge = '';

  /**
   * @param chunks the body's, to which each one has been added when it is {@link push}ed
   * @param hunts whether {@link mayNameModel} is wanted
   */
  constructor(chunks: readonly Buffer[], contentType: string | undefined, hunts: boolean) {
    this.#chunks = chunks;
    this.#isForm = contentType?.startsWith('multipart/form-data') === true;
    this.#next = this.#isForm ? 'nothing' : 'object';
    this.#hunts = hunts;
  }

  /** The last top-level member of this name, the one that parsers take (RFC 8259 4). */
  find(name: OutlinedName): Span | undefined {
    for (const member of this.#found) if (member.name === name) return member.span;
    return undefined;
  }

  /** A part of the body; shorter where its chunks have been sent and given up. */
  bytes(start: number, end: number): Buffer {
    const [only] = this.#chunks;
    if (only !== undefined && this.#chunks.length === 1) return only.subarray(start, end);
    const parts: Buffer[] = [];
    let offset = 0;
    for (const chunk of this.#chunks) {
      const from = Math.max(0, start - offset);
      if (offset < end && from < chunk.length) parts.push(chunk.subarray(from, end - offset));
      offset += chunk.length;
    }
    return Buffer.concat(parts);
  }

  /** The body's first and last bytes, so many of each. */
  ends(bytes: number): Buffer[] {
    return [this.bytes(0, bytes), this.bytes(Math.max(bytes, this.#offset - bytes), this.#offset)];
  }

  /** Looks into the next chunk. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && this.#next !== 'nothing'; ) at = this.#step(chunk, at);
    if (this.#isForm && this.formModelAt < 0) this.#searchForm(chunk);
    if (this.#hunts && !this.mayNameModel) {
      this.mayNameModel = MAY_NAME_MODEL.test(this.#edge + chunk.toString('latin1'));
    }
    if (this.#isForm || this.#hunts) {
      const end = chunk.toString('latin1', Math.max(0, chunk.length - EDGE_BYTES));
      this.#edge = (this.#edge + end).slice(-EDGE_BYTES);
    }
    this.#offset += chunk.length;
  }

  #searchForm(chunk: Buffer): void {
    const joint = this.#edge + chunk.toString('latin1', 0, EDGE_BYTES);
    const atJoint = joint.indexOf(FORM_MODEL);
    const at = atJoint < 0 ? chunk.indexOf(FORM_MODEL, 0, 'latin1') : atJoint - this.#edge.length;
    if (atJoint >= 0 || at >= 0) this.formModelAt = this.#offset + at;
  }

  /** Goes on from a byte as far as one thing reaches; says where that ended. */
  #step(chunk: Buffer, at: number): number {
    if (this.#next === 'inValue') return this.#inValue(chunk, at);
    if (this.#next === 'keyText') return this.#inKey(chunk, at);
    const byte = chunk[at] as number;
    if (byte <= 0x20) return at + 1;
    if (this.#next === 'value') {
      this.#valueStart = this.#offset + at;
      this.#next = 'inValue';
      return at;
    }
    this.#next = this.#after(byte, this.#offset + at);
    return at + 1;
  }

  /** What follows a byte that is neither white space nor within a name or a value. */
  #after(byte: number, place: number): Next {
    if (this.#next === 'comma' && byte === COMMA) return 'key';
    if (this.#next === 'colon') return byte === COLON ? 'value' : 'nothing';
    if (this.#next === 'object') {
      if (byte === OBJECT) return 'comma';
      return byte === BYTE_ORDER_MARK[place] ? 'object' : 'nothing';
    }
    if (byte !== QUOTE) return 'nothing';
    this.#key = '';
    this.#inString = true;
    this.#hasEscape = false;
    return 'keyText';
  }

  #inKey(chunk: Buffer, from: number): number {
    const at = this.#inText(chunk, from);
    const before = this.#key.length;
    const length = before + at - from - Number(!this.#inString);
    if (this.#inString) {
      // What has become too long to be known stays too long.
      if (before <= MAX_KEY_BYTES) {
        this.#key += chunk.toString('latin1', from, Math.min(at, from + MAX_KEY_BYTES + 1));
      }
      return at;
    }
    this.#next = 'colon';
    const mayBeKnown =
      (BY_LENGTH[length]?.length ?? 0) > 0 || this.#hasEscape || length > NEAR_BYTES;
    this.#name =
      mayBeKnown && length <= MAX_KEY_BYTES
        ? known(this.#key + chunk.toString('latin1', from, at - 1))
        : undefined;
    return at;
  }

  /** Walks through a value; a bare one ends before `,`, `}`, `]` or white space. */
  #inValue(chunk: Buffer, from: number): number {
    let at = from;
    while (at < chunk.length) {
      if (this.#inString) {
        at = this.#inText(chunk, at);
        if (this.#inString || this.#depth > 0) continue;
        return this.#ended(at);
      }
      const kind = this.#depth > 0 ? NESTED : BARE;
      while (at < chunk.length && kind[chunk[at] as number] === PLAIN) at += 1;
      if (at === chunk.length) break;
      const mark = kind[chunk[at] as number];
      if (mark === END) return this.#ended(at);
      at += 1;
      if (mark === STRING) this.#inString = true;
      else {
        this.#depth += mark === OPENING ? 1 : -1;
        if (this.#depth === 0) return this.#ended(at);
      }
    }
    return at;
  }

  #ended(at: number): number {
    if (this.#name !== undefined) {
      this.#note(this.#name, { start: this.#valueStart, end: this.#offset + at });
    }
    this.#next = 'comma';
    return at;
  }

  #note(name: OutlinedName, span: Span): void {
    const before = this.#found.find((member) => member.name === name);
    if (before === undefined) this.#found.push({ name, span });
    else before.span = span;
  }

  /** Walks through a string; after its closing quote it is in none. */
  #inText(chunk: Buffer, from: number): number {
    let at = from;
    if (this.#isEscaped) at += 1;
    this.#isEscaped = false;
    for (;;) {
      for (const near = Math.min(at + NEAR_BYTES, chunk.length); at < near; at += 1) {
        const byte = chunk[at];
        if (byte === QUOTE) {
          this.#inString = false;
          return at + 1;
        }
        if (byte === BACKSLASH) {
          this.#hasEscape = true;
          at += 1;
        }
      }
      if (at >= chunk.length) {
        this.#isEscaped = at > chunk.length;
        return chunk.length;
      }
      at = this.#farQuote(chunk, at);
    }
  }

  /** The next quote that may end a string, found by the engine; the byte before is no escape. */
  #farQuote(chunk: Buffer, from: number): number {
    const quote = chunk.indexOf(QUOTE, from);
    const at = quote < 0 ? chunk.length : quote;
    let escapes = 0;
    while (at - 1 - escapes >= from && chunk[at - 1 - escapes] === BACKSLASH) escapes += 1;
    return at + (escapes % 2);
  }
}

/** The known name that a member's raw name spells. */
function known(raw: string): OutlinedName | undefined {
  if (!raw.includes('\\')) return sameAs(raw);
  try {
    const name: unknown = JSON.parse(`"${raw}"`);
    return typeof name === 'string' ? sameAs(name) : undefined;
  } catch {
    return undefined;
  }
}

function sameAs(text: string): OutlinedName | undefined {
  return BY_LENGTH[text.length]?.find((name) => name === text);
}

function byLength(): OutlinedName[][] {
  const table: OutlinedName[][] = [];
  for (const name of NAMES) {
    while (table.length <= name.length) table.push([]);
    table[name.length]?.push(name);
  }
  return table;
}
