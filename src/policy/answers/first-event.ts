// Reads the start of a 200 event stream and tells whether it is preamble, content, or an error.
// Bytes in, finding out. The caller holds the bytes, bounds the hold at 64 KiB and 1 s, and relays
// them untouched.

import type { Provider } from '../provider.ts';
import { carriesError, isRecord, parseJson } from './error-body.ts';

/**
 * preamble: hold on; content: commit; error: a failed attempt, `text` goes to classify with
 * inStream: true.
 */
export type FirstEvent =
  | { readonly kind: 'preamble' }
  | { readonly kind: 'content' }
  | { readonly kind: 'error'; readonly text: string };

const PREAMBLE: FirstEvent = { kind: 'preamble' };
const CONTENT: FirstEvent = { kind: 'content' };

/**
 * An event that is longer is content, whatever it says: the hold ends there anyway. In UTF-16
 * units.
 */
const MAX_EVENT_LENGTH = 65_536;

/**
 * What data must contain to be anything but content: looked for before the price of JSON.parse is
 * paid.
 */
const HINT = /error|"response\.|"ping"|"message_start"/;

/** Events that come before the model says anything (OpenAI Responses, Anthropic). */
const PREAMBLE_TYPES: ReadonlySet<unknown> = new Set([
  'response.created',
  'response.in_progress',
  'response.queued',
  'message_start',
  'ping',
]);

/**
 * Whether the head of a 200 is already a refusal: Azure's streamed Responses carry a Retry-After
 * then and never otherwise, and Bedrock names an exception. The start of the body may say more;
 * classify it with inStream: true, with or without text.
 */
export function refusedByHead(rawHeaders: readonly string[], provider: Provider): boolean {
  const names = rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
  if (names.includes('x-amzn-errortype') || names.includes('x-stream-exception-type')) return true;
  return (
    provider === 'azure' && (names.includes('retry-after') || names.includes('retry-after-ms'))
  );
}

/**
 * Reads one stream as text/event-stream is defined (WHATWG HTML 9.2.6: UTF-8, one leading BOM,
 * lines ended by CRLF, LF or CR), however its bytes are cut into chunks. After 'content' or 'error'
 * the finding no longer changes.
 */
export class FirstEventScanner {
  readonly #decoder = new TextDecoder();
  #line = '';
  #afterReturn = false;
  #event = '';
  #data = '';
  #hasData = false;
  #found: FirstEvent = PREAMBLE;

  /** Takes the next bytes, which are only read. */
  push(chunk: Uint8Array): FirstEvent {
    if (this.#found !== PREAMBLE) return this.#found;
    let text = this.#decoder.decode(chunk, { stream: true });
    if (text === '') return this.#found;
    if (this.#afterReturn && text.startsWith('\n')) text = text.slice(1);
    this.#afterReturn = text === '' ? false : text.endsWith('\r');
    let start = 0;
    for (const end of text.matchAll(/\r\n|\n|\r/g)) {
      this.#take(this.#line + text.slice(start, end.index));
      if (this.#found !== PREAMBLE) return this.#found;
      this.#line = '';
      start = end.index + end[0].length;
    }
    this.#line += text.slice(start);
    if (this.#line.length + this.#data.length > MAX_EVENT_LENGTH) this.#found = CONTENT;
    return this.#found;
  }

  /** The stream is over: an event that lacks its closing blank line counts all the same. */
  end(): FirstEvent {
    if (this.#found !== PREAMBLE) return this.#found;
    if (this.#line !== '') this.#take(this.#line);
    if (this.#found === PREAMBLE) this.#take('');
    return this.#found;
  }

  #take(line: string): void {
    if (line === '') {
      this.#found = finding(this.#event, this.#hasData ? this.#data : undefined);
      this.#event = '';
      this.#data = '';
      this.#hasData = false;
      return;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'event') this.#event = value;
    else if (field === 'data') {
      this.#data = this.#hasData ? `${this.#data}\n${value}` : value;
      this.#hasData = true;
    } else if (/^\s*[{[<]/.test(line)) {
      // No event stream at all: bare JSON, as some relays send under this content type, or a page.
      this.#found = carriesError(parseJson(line)) ? { kind: 'error', text: line } : CONTENT;
    }
  }
}

/** What one whole event means. */
function finding(event: string, data: string | undefined): FirstEvent {
  if (event === 'error') return { kind: 'error', text: data ?? 'event: error' };
  if (data === undefined || data === '') return PREAMBLE;
  if (!HINT.test(data)) return PREAMBLE_TYPES.has(event) ? PREAMBLE : CONTENT;
  const value = parseJson(data);
  if (carriesError(value)) return { kind: 'error', text: data };
  if (!isRecord(value)) return CONTENT;
  const type = value.type ?? event;
  if (type === 'response.failed') return { kind: 'error', text: data };
  return PREAMBLE_TYPES.has(type) && !startsWithContent(value) ? PREAMBLE : CONTENT;
}

/**
 * Anthropic's message_start has an empty content list; one that is filled must not be held back.
 */
function startsWithContent(start: Readonly<Record<string, unknown>>): boolean {
  const message = start.message;
  const content = isRecord(message) ? message.content : undefined;
  return Array.isArray(content) && content.length > 0;
}
