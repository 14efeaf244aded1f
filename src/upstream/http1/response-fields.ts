// The fields of an HTTP/1.1 answer, and what they say about its body and its connection (RFC 9112 5
// and 6.3). Whatever two readers could understand differently is refused.

/** Fields of an answer, and of its trailer section. */
export const MAX_FIELDS = 1_000;
/** Digits of Content-Length: what a double counts exactly. */
const MAX_LENGTH_DIGITS = 15;

/** RFC 9110 5.6.2: what a field name is made of. */
const TOKEN = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  TOKEN[char.charCodeAt(0)] = 1;
}
/** RFC 9110 5.5: no control characters but the tab. */
const VALUE = new Uint8Array(256).fill(1);
VALUE.fill(0, 0, 32);
VALUE[9] = 1;
VALUE[127] = 0;

const COLON = 58;
const CR = 13;
const LF = 10;

/** What is wrong with an answer; for people. */
export class ResponseError extends Error {}

/**
 * The field lines of `text` from `from` on, without the final line end.
 * @param bytes what the text was made from, one byte for each character, from `offset` on: looked
 *   at one by one they are read twice as fast as characters
 */
export function readFields(text: string, from: number, bytes: Buffer, offset: number): string[] {
  const fields: string[] = [];
  const end = offset + text.length;
  for (let at = offset + from; ; ) {
    let colon = at;
    // White space before the colon and folded lines end here too (RFC 9112 5.1 and 5.2).
    while (colon < end && TOKEN[bytes[colon] as number] === 1) colon += 1;
    if (bytes[colon] !== COLON || colon === end || colon === at) {
      throw new ResponseError('a field name is malformed');
    }
    let lineEnd = colon + 1;
    while (lineEnd < end && VALUE[bytes[lineEnd] as number] === 1) lineEnd += 1;
    let [start, stop] = [colon + 1, lineEnd];
    // The optional white space around it is no part of a value (RFC 9110 5.6.3).
    while (start < stop && isBlank(bytes[start])) start += 1;
    while (stop > start && isBlank(bytes[stop - 1])) stop -= 1;
    fields.push(text.slice(at - offset, colon - offset), text.slice(start - offset, stop - offset));
    if (fields.length > 2 * MAX_FIELDS) throw new ResponseError('too many fields');
    if (lineEnd === end) return fields;
    if (bytes[lineEnd] !== CR || lineEnd + 1 >= end || bytes[lineEnd + 1] !== LF) {
      throw new ResponseError('a field value is malformed');
    }
    at = lineEnd + 2;
  }
}

function isBlank(code: number | undefined): boolean {
  return code === 32 || code === 9;
}

/** What the fields say about the body and the connection. */
export interface Framing {
  /** -1: not given. */
  readonly length: number;
  readonly chunked: boolean;
  readonly close: boolean;
  readonly keepAlive: boolean;
}

export function framingOf(rawHeaders: readonly string[]): Framing {
  let length = -1;
  let chunked = false;
  let close = false;
  let keepAlive = false;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    // By length first: most fields are none of these three.
    if (name.length === 14 && name.toLowerCase() === 'content-length') {
      const value = rawHeaders[i + 1] as string;
      if (length >= 0) throw new ResponseError('Content-Length is given twice');
      if (!/^\d+$/.test(value) || value.length > MAX_LENGTH_DIGITS) {
        throw new ResponseError('Content-Length is not a length');
      }
      length = Number(value);
    } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      // One coding, and that is chunked: any other would reach the client undone.
      if (chunked || (rawHeaders[i + 1] as string).toLowerCase() !== 'chunked') {
        throw new ResponseError('a transfer coding other than chunked');
      }
      chunked = true;
    } else if (name.length === 10 && name.toLowerCase() === 'connection') {
      const options = (rawHeaders[i + 1] as string).toLowerCase();
      close ||= /(?:^|,)[\t ]*close[\t ]*(?:,|$)/.test(options);
      keepAlive ||= /(?:^|,)[\t ]*keep-alive[\t ]*(?:,|$)/.test(options);
    }
  }
  if (chunked && length >= 0) throw new ResponseError('Content-Length beside Transfer-Encoding');
  return { length, chunked, close, keepAlive };
}
