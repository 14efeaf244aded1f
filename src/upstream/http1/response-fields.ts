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
/** RFC 9110 5.5: no control characters but the tab, and those that end a line as a pair only. */
const BAD_TEXT = /[^\t\r\n\x20-\x7e\x80-\xff]|\r(?!\n)|(?<!\r)\n/;

/** What is wrong with an answer; for people. */
export class ResponseError extends Error {}

/** The field lines of `text` from `from` on, without the final line end. */
export function readFields(text: string, from: number): string[] {
  const fields: string[] = [];
  // All at once: a regular expression costs more to begin with than to go on with.
  if (BAD_TEXT.test(text.slice(from))) throw new ResponseError('a field value is malformed');
  for (let at = from; at <= text.length; ) {
    const found = text.indexOf('\r\n', at);
    const end = found < 0 ? text.length : found;
    const colon = text.indexOf(':', at);
    if (colon <= at || colon >= end) throw new ResponseError('a field has no name');
    for (let i = at; i < colon; i += 1) {
      // White space before the colon and folded lines end here too (RFC 9112 5.1 and 5.2).
      if (TOKEN[text.charCodeAt(i)] !== 1) throw new ResponseError('a field name is malformed');
    }
    fields.push(text.slice(at, colon), trimmed(text, colon + 1, end));
    if (fields.length > 2 * MAX_FIELDS) throw new ResponseError('too many fields');
    if (found < 0) break;
    at = end + 2;
  }
  return fields;
}

/** Without the optional white space around it (RFC 9110 5.6.3). */
function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
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
