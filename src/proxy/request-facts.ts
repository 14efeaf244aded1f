// What the proxy needs to know of a request's body: the model's name and whether a stream was asked
// for, and where the name stands, so that it can be exchanged. Found by walking over the bytes, on
// demand; the body itself is never parsed as a whole. A long one has an outline instead, made while
// it arrived.

import { rememberLast } from '../policy/remember-last.ts';
import { BodyOutline, FORM_MODEL, type OutlinedName, type Span } from './body-outline.ts';

/** Longer names are no model's. */
const MAX_MODEL_BYTES = 256;

const PLAIN_STRING = /^"[\x20\x21\x23-\x5b\x5d-\x7e]+"$/;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** A model in a path: Gemini's `/models/NAME:generateContent`, Azure's `/deployments/NAME`. */
const MODEL_IN_PATH = /(\/(?:models|deployments)\/)([^/:?]+)(?=[:/]|$)/;

/** A request's body: a short one in one piece, a long one's outline. */
export type BodyContent = Buffer | BodyOutline;

/** Of a member of a long body, so much is looked into. */
const MAX_MEMBER_BYTES = 256 * 1024;
/** A form's field has its value within so many bytes of its name. */
const MAX_FIELD_BYTES = 4 * 1024;

/** A model's name and the bytes of the body that spell it, quotes included. */
export interface ModelPlace extends Span {
  readonly name: string;
  /** As a JSON string. */
  readonly isQuoted: boolean;
}

/** The model that a path names. */
export const modelInPath = rememberLast((path) => MODEL_IN_PATH.exec(path)?.[2]);

/** The same path with another model; slashes in its name stay, as in `tunedModels/one`. */
export function withModelInPath(path: string, model: string): string {
  const name = model.split('/').map(encodeURIComponent).join('/');
  return path.replace(MODEL_IN_PATH, (_, before: string) => before + name);
}

/**
 * Where a body names its model: JSON's last top-level `model`, which is the one that parsers take
 * (RFC 8259 4), or multipart's field of this name.
 */
export function modelInBody(
  body: BodyContent,
  contentType: string | undefined,
): ModelPlace | undefined {
  if (contentType?.startsWith('multipart/form-data')) return formModel(body);
  const value = placeOf(body, 'model');
  if (value === undefined || value.end - value.start > MAX_MODEL_BYTES) return undefined;
  const text = textOf(body, value, 'utf8');
  if (!text.startsWith('"')) return undefined;
  const name = spelt(text);
  if (name === undefined) return undefined;
  return { name, isQuoted: true, start: value.start, end: value.end };
}

/**
 * Whether a request asks for a streamed answer, as OpenAI, Anthropic (body) and Gemini (URL) spell
 * it.
 */
export function asksForStream(url: string, body: BodyContent | undefined): boolean {
  if (url.includes(':stream')) return true;
  if (body === undefined) return false;
  const value = placeOf(body, 'stream');
  if (value === undefined || value.end - value.start !== 4) return false;
  return textOf(body, value, 'latin1') === 'true';
}

function placeOf(body: BodyContent, name: OutlinedName): Span | undefined {
  return body instanceof BodyOutline ? body.find(name) : lastTopLevel(body, name);
}

function textOf(body: BodyContent, { start, end }: Span, encoding: 'utf8' | 'latin1'): string {
  if (body instanceof BodyOutline) return body.bytes(start, end).toString(encoding);
  return body.toString(encoding, start, end);
}

/** The raw bytes of a body's top-level member; of a long body, the beginning of a long value. */
export function topMemberOf(body: BodyContent, name: OutlinedName): Buffer | undefined {
  if (!(body instanceof BodyOutline)) return memberOf(body, name);
  const value = body.find(name);
  if (value === undefined) return undefined;
  return body.bytes(value.start, Math.min(value.end, value.start + MAX_MEMBER_BYTES));
}

/** The raw bytes of a top-level member's value; undefined when there is none. */
export function memberOf(bytes: Buffer, name: string): Buffer | undefined {
  const value = lastTopLevel(bytes, name);
  return value === undefined ? undefined : bytes.subarray(value.start, value.end);
}

/** What bounds an answer's length is called so, by OpenAI (three times), Anthropic and Mistral. */
const LENGTH_LIMITS = ['max_tokens', 'max_completion_tokens', 'max_output_tokens'] as const;

/**
 * The tokens that a request is likely to use at most: a quarter of its bytes, which is right for
 * English text, and as many as it lets the answer have.
 */
export function estimatedTokens(bytes: number, body: BodyContent | undefined): number {
  return Math.ceil(bytes / 4) + (body === undefined ? 0 : answerTokens(body));
}

function answerTokens(body: BodyContent): number {
  for (const name of LENGTH_LIMITS) {
    const limit = Number(topMemberOf(body, name)?.toString('latin1'));
    if (limit > 0) return limit;
  }
  const gemini = topMemberOf(body, 'generationConfig');
  const limit = gemini && Number(memberOf(gemini, 'maxOutputTokens')?.toString('latin1'));
  return limit !== undefined && limit > 0 ? limit : 0;
}

/** The raw bytes of a JSON list's first elements, at most so many; the last one may be cut off. */
export function firstElements(list: Buffer, most: number): Buffer[] {
  const found: Buffer[] = [];
  if (list[0] !== 0x5b) return found;
  for (let at = 1; found.length < most; ) {
    const start = skipSpace(list, at);
    if (start >= list.length || list[start] === 0x5d) break;
    const whole = endOfValue(list, start);
    const end = whole < 0 ? list.length : whole;
    if (end <= start) break;
    found.push(list.subarray(start, end));
    at = skipSpace(list, end);
    if (list[at] !== 0x2c) break;
    at += 1;
  }
  return found;
}

function formModel(body: BodyContent): ModelPlace | undefined {
  if (!(body instanceof BodyOutline)) return multipartModel(body);
  const at = body.formModelAt;
  const place = at < 0 ? undefined : multipartModel(body.bytes(at, at + MAX_FIELD_BYTES));
  return place && { ...place, start: at + place.start, end: at + place.end };
}

function multipartModel(bytes: Buffer): ModelPlace | undefined {
  const at = bytes.indexOf(FORM_MODEL);
  if (at < 0) return undefined;
  const head = bytes.indexOf('\r\n\r\n', at);
  if (head < 0) return undefined;
  const start = head + 4;
  const end = bytes.indexOf('\r\n', start);
  if (end < 0 || end - start > MAX_MODEL_BYTES || end === start) return undefined;
  return { name: bytes.toString('utf8', start, end), start, end, isQuoted: false };
}

function parseString(json: string): string | undefined {
  // Names of models have nothing that JSON would escape.
  if (PLAIN_STRING.test(json)) return json.slice(1, -1);
  const value = parsed(json);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Most requests name the same model: it need not be cut out again, and is one string for all. */
const spelt = rememberLast(parseString);

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/**
 * Where the value of the last member of this name of the outermost JSON object stands. A prompt may
 * contain the same words: only depth 1 counts, so the scan walks strings and nesting, and ends with
 * the last place where the name stands at all. Of bytes that are cut off or no JSON, what was found
 * before that counts.
 */
function lastTopLevel(bytes: Buffer, name: string): Span | undefined {
  const quoted = `"${name}"`;
  // A name may be spelt with escapes, in any place.
  const last = bytes.includes('\\u00', 0, 'latin1')
    ? bytes.length
    : bytes.lastIndexOf(quoted, undefined, 'latin1');
  if (last < 0) return undefined;
  let found: Span | undefined;
  let at = skipSpace(bytes, hasBom(bytes) ? 3 : 0);
  if (bytes[at] !== 0x7b) return undefined;
  at += 1;
  while (at <= last) {
    at = skipSpace(bytes, at);
    if (bytes[at] === 0x2c) at = skipSpace(bytes, at + 1);
    if (bytes[at] !== QUOTE) return found;
    const keyEnd = endOfString(bytes, at);
    if (keyEnd < 0) return found;
    const isNamed = isKey(bytes, at, keyEnd, quoted);
    at = skipSpace(bytes, keyEnd);
    if (bytes[at] !== 0x3a) return found;
    const start = skipSpace(bytes, at + 1);
    const end = endOfValue(bytes, start);
    if (end < 0) return found;
    if (isNamed) found = { start, end };
    at = end;
  }
  return found;
}

function hasBom(bytes: Buffer): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

function isKey(bytes: Buffer, start: number, end: number, quoted: string): boolean {
  const length = end - start;
  if (length === quoted.length) return bytes.toString('latin1', start, end) === quoted;
  // Six bytes spell one: `\u006d`.
  if (length < quoted.length || length > 6 * quoted.length) return false;
  const text = bytes.toString('latin1', start, end);
  return text.includes('\\') && parsed(text) === parsed(quoted);
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length && (bytes[at] as number) <= 0x20) at += 1;
  return at;
}

/** The index after a string's closing quote, or -1 when it does not end within the bytes. */
function endOfString(bytes: Buffer, open: number): number {
  let at = open;
  for (;;) {
    at = bytes.indexOf(QUOTE, at + 1);
    if (at < 0) return -1;
    let escapes = 0;
    while (bytes[at - 1 - escapes] === BACKSLASH && at - 1 - escapes > open) escapes += 1;
    if (escapes % 2 === 0) return at + 1;
  }
}

/** The index after a JSON value, or -1. A bare value ends before `,`, `}`, `]` or white space. */
function endOfValue(bytes: Buffer, from: number): number {
  let depth = 0;
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) {
      at = endOfString(bytes, at);
      if (at < 0 || depth === 0) return at;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      at += 1;
    } else if (byte === 0x7d || byte === 0x5d) {
      if (depth === 0) return at;
      depth -= 1;
      at += 1;
      if (depth === 0) return at;
    } else if (depth === 0 && (byte === 0x2c || byte <= 0x20)) return at;
    else at += 1;
  }
  return -1;
}
