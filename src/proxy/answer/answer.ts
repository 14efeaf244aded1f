// The last step of a request: the chosen answer goes to the client. Adds the final fields (CORS,
// request id, compression) and keeps an echoed key from going out; the bytes themselves are the
// relay's.

import type { Config } from '../../config/config.ts';
import { fieldValue, responseFields } from '../../policy/headers.ts';
import { redactExact, writtenForms } from '../../policy/redact.ts';
import type { FaultCode } from '../../policy/verdict.ts';
import type { Lease } from '../../pool/lease.ts';
import { type Deadlines, unlimited } from '../../upstream/deadlines.ts';
import type { Exchange } from '../exchange.ts';
import type { Cors } from './cors.ts';
import { type Filter, filterFor, isMaskedInPassing, isUnreadable } from './filter.ts';
import { gzipChoice, MIN_GZIP_BYTES, markGzipped } from './gzip.ts';
import type { HeldAnswer } from './held-answer.ts';
import { masked } from './key-mask.ts';
import { type OwnError, sendError } from './own-answer.ts';
import { unreadableError } from './own-errors.ts';
import { Relay } from './relay.ts';

/**
 * How long the beginning of an answer of unannounced length may be kept to learn whether it is
 * small.
 */
const SIZE_WAIT_MS = 50;

/** Larger bodies are written from where they lie; smaller ones are cheaper to copy. */
export const MAX_TEXT_BYTES = 16 * 1024;

/** Types whose answers are complete documents: REQUEST_TIMEOUT bounds them as a whole. */
const DOCUMENT = /^\s*(?:application\/(?:[\w.-]+\+)?json|text\/(?:html|plain))\b/i;

/** What broke an answer; undefined: nothing did. */
export type Sent = FaultCode | undefined;

/** One answer on its way to its client. */
interface Passage {
  readonly exchange: Exchange;
  readonly held: HeldAnswer;
  readonly lease: Lease;
  readonly attemptStartMs: number;
  /** As they go out. */
  readonly fields: string[];
}

/** Sends answers to the clients of one worker. */
export class Answers {
  readonly #config: Pick<Config, 'enableGzip' | 'serverWriteTimeoutMs'>;
  readonly #cors: Cors;
  readonly #deadlines: Deadlines;
  #draining = false;

  constructor(
    config: Pick<Config, 'enableGzip' | 'serverWriteTimeoutMs'>,
    cors: Cors,
    deadlines: Deadlines,
  ) {
    this.#config = config;
    this.#cors = cors;
    this.#deadlines = deadlines;
  }

  /**
   * Relays an answer until the exchange is over; at once, where it is short and all of it is there.
   * @param lease what the answer came under: its key must not go out if the upstream echoed it
   * @param attemptStartMs when the attempt began, in the coarse clock
   * @returns what broke the answer, or undefined
   */
  send(
    exchange: Exchange,
    held: HeldAnswer,
    lease: Lease,
    attemptStartMs: number,
  ): Sent | Promise<Sent> {
    const { status, rawHeaders } = held.answer;
    let fields = responseFields(rawHeaders);
    if (isUnreadable(held)) {
      held.discard();
      const error = unreadableError(status);
      exchange.ended = error.code;
      this.refuse(exchange, error, retryAfter(fields));
      return undefined;
    }
    fields = withoutKey(fields, held, lease.key);
    if (this.#cors.enabled) this.#cors.mark(fields, exchange.request.headers.origin);
    if (fieldValue(fields, 'x-request-id') === undefined) fields.push('X-Request-Id', exchange.id);
    const passage = { exchange, held, lease, attemptStartMs, fields };
    const choice = this.#gzipChoice(exchange, held, fields);
    if (choice === 'by size') return this.#sendBySize(passage);
    return this.#write(passage, choice === 'yes');
  }

  async #sendBySize(passage: Passage): Promise<Sent> {
    const isWorth = await this.#isWorthGzip(passage.exchange, passage.held);
    return await this.#write(passage, isWorth);
  }

  #write(passage: Passage, compress: boolean): Sent | Promise<Sent> {
    const { exchange, held, lease, fields } = passage;
    const { response } = exchange;
    const { key } = lease;
    const { status, statusMessage } = held.answer;
    if (compress) markGzipped(fields);
    if (exchange.clientLeft) {
      held.discard();
      return 'client_left';
    }
    if (this.#draining) response.shouldKeepAlive = false;
    if (!takesTrailers(exchange, status, fields)) dropField(fields, 'trailer');
    response.writeRelayedHead(status, reasonPhrase(statusMessage, key), fields);
    if (compress || isMaskedInPassing(held)) {
      const onBroken = (): void => {
        held.discard();
        response.destroy();
      };
      return this.#relay(passage, filterFor(held, key, { compress, onBroken }));
    }
    if (isSmallWhole(exchange, held, fields)) {
      exchange.firstByteMs = this.#deadlines.touch() - exchange.startMs;
      exchange.bytesOut += held.bytes;
      // Head and body in one write of one string: two buffers would cost a writev.
      response.end(held.latin1(), 'latin1');
      exchange.reader?.push(held.raw());
      if (response.socket?.writableLength === 0) return undefined;
    }
    return this.#relay(passage, undefined);
  }

  async #relay(passage: Passage, filter: Filter | undefined): Promise<Sent> {
    const { exchange, held, lease, fields } = passage;
    const { response } = exchange;
    const limits = this.#limits(passage);
    const timing = { deadlines: this.#deadlines, limits, key: lease.key };
    if (response.writableEnded) {
      const sent = new Relay(exchange, held, response, timing);
      await sent.awaitReader();
      return sent.fault;
    }
    filter?.last.pipe(response);
    const relay = new Relay(exchange, held, filter?.first ?? response, timing);
    const asItIs = filter === undefined && exchange.method !== 'HEAD';
    await relay.run(asItIs ? bodyLength(fields) : Number.NaN);
    return relay.fault;
  }

  /**
   * From now on each answer ends its connection. A set of the running requests, to tell each, would
   * keep their objects alive through garbage collections: 20 % of all CPU time, measured.
   */
  drain(): void {
    this.#draining = true;
  }

  /** Answers with an error of our own; nothing when the client has left. */
  refuse(exchange: Exchange, error: OwnError, more: readonly string[] = []): void {
    if (exchange.clientLeft || exchange.response.headersSent) return;
    const { request, response } = exchange;
    exchange.refusal = error.code;
    if (this.#draining) response.shouldKeepAlive = false;
    const fields = ['X-Request-Id', exchange.id, ...more];
    if (this.#cors.enabled) this.#cors.mark(fields, request.headers.origin);
    // Node reads an unread body away, but one that waits for 100 Continue may never come: whatever
    // comes instead would be taken for it.
    if (!request.complete && request.headers.expect !== undefined) {
      fields.push('Connection', 'close');
    }
    sendError(response, error, fields);
  }

  #limits({ exchange, held, lease, attemptStartMs }: Passage) {
    const { requestTimeoutMs, streamIdleTimeoutMs } = lease.group.settings;
    const { serverWriteTimeoutMs } = this.#config;
    const type = fieldValue(held.answer.rawHeaders, 'content-type') ?? '';
    const streamed = !DOCUMENT.test(type) || exchange.target.path.includes(':stream');
    return {
      idleTimeoutMs: unlimited(streamIdleTimeoutMs),
      writeTimeoutMs: unlimited(serverWriteTimeoutMs),
      totalDueMs: streamed
        ? Number.POSITIVE_INFINITY
        : attemptStartMs + unlimited(requestTimeoutMs),
    };
  }

  #gzipChoice(exchange: Exchange, held: HeldAnswer, fields: string[]) {
    if (!this.#config.enableGzip || exchange.method === 'HEAD') return 'no';
    const accepted = exchange.request.headers['accept-encoding'];
    return gzipChoice(accepted as string | undefined, held.answer.status, fields);
  }

  async #isWorthGzip(exchange: Exchange, held: HeldAnswer): Promise<boolean> {
    if (held.bytes < MIN_GZIP_BYTES && !held.ended && !held.broken) {
      using _ = exchange.whenClientLeaves(() => held.discard());
      await held.fill(() => held.bytes >= MIN_GZIP_BYTES, SIZE_WAIT_MS);
    }
    return held.bytes >= MIN_GZIP_BYTES || (!held.ended && !held.broken);
  }
}

/** An answer that is there as a whole, and short enough to be copied behind its head. */
function isSmallWhole(exchange: Exchange, held: HeldAnswer, fields: readonly string[]): boolean {
  if (!held.ended || held.bytes > MAX_TEXT_BYTES || exchange.method === 'HEAD') return false;
  return held.bytes === bodyLength(fields) && held.answer.trailers().length === 0;
}

function bodyLength(fields: readonly string[]): number {
  const length = fieldValue(fields, 'content-length');
  return length === undefined ? Number.NaN : Number(length);
}

/** Whether a field has the key, as it is or as it may be written. */
function quotes(fields: readonly string[], key: string): boolean {
  const forms = writtenForms(key);
  for (const value of fields) for (const form of forms) if (value.includes(form)) return true;
  return false;
}

function retryAfter(fields: readonly string[]): string[] {
  const value = fieldValue(fields, 'retry-after');
  return value === undefined ? [] : ['Retry-After', value];
}

/** Whether the message that goes to the client is chunked, and so has a place for trailers. */
function takesTrailers(exchange: Exchange, status: number, fields: readonly string[]): boolean {
  if (exchange.method === 'HEAD' || status === 204 || status === 304) return false;
  const chunked = fieldValue(fields, 'content-length') === undefined;
  return chunked && exchange.request.httpVersionMinor > 0;
}

function dropField(fields: string[], name: string): void {
  for (let i = fields.length - 2; i >= 0; i -= 2) {
    const found = fields[i] as string;
    if (found.length === name.length && found.toLowerCase() === name) fields.splice(i, 2);
  }
}

/**
 * Answers may echo the key (Gemini's errors do, whole): then, and only then, fields are rewritten
 * with its preview, and so is the body of an error.
 */
function withoutKey(fields: string[], held: HeldAnswer, key: string): string[] {
  let clean = fields;
  if (quotes(fields, key)) {
    clean = fields.map((value) => redactExact(value, [key]));
  }
  if (isMaskedInPassing(held) && held.codings.length > 0) return without(clean, OF_OLD_BYTES);
  if (!held.refusal || !held.ended) return clean;
  const whole = held.decodedWhole();
  if (whole === undefined) return clean;
  const body = withoutKeyIn(whole, key);
  if (body === whole) return clean;
  held.replaceWith(body);
  return [...without(clean, OF_OLD_BYTES), 'Content-Length', String(body.length)];
}

/** The same bytes where they do not have the key. */
function withoutKeyIn(whole: Buffer, key: string): Buffer {
  const text = whole.toString('utf8');
  const redacted = redactExact(text, [key]);
  if (redacted !== text) return Buffer.from(redacted);
  // UTF-16 has a zero in every letter of a key.
  return whole.includes(0) ? masked(whole, key) : whole;
}

/** What was true of the bytes as they came. */
const OF_OLD_BYTES = new Set(['content-length', 'content-encoding', 'content-md5', 'etag']);

function without(fields: readonly string[], names: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    if (names.has((fields[i] as string).toLowerCase())) continue;
    kept.push(fields[i] as string, fields[i + 1] as string);
  }
  return kept;
}

/** Node's parser lets any byte into a reason phrase, its writer does not (RFC 9112 4). */
function reasonPhrase(text: string, key: string): string {
  if (text === 'OK') return text;
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(text)) return '';
  return text.length < key.length ? text : redactExact(text, [key]);
}
