// Reads HTTP/1.1 answers from a connection's bytes (RFC 9112). Strict, because what it accepts is
// what a client believes: whatever two readers could understand differently is refused. Nothing is
// copied but the header section; body chunks are slices of what was read.

import { framingOf, MAX_FIELDS, ResponseError, readFields } from './response-fields.ts';

/** Status line and fields of an answer together. */
export const MAX_HEAD_BYTES = 64 * 1024;
/** One chunk's size line, extensions included. */
const MAX_CHUNK_LINE_BYTES = 4 * 1024;
/** Hexadecimal digits of a chunk's size: 4 GiB less one byte. */
const MAX_CHUNK_DIGITS = 8;
/** Interim answers before the final one. */
const MAX_INTERIM = 32;

const CR = 13;
const LF = 10;

/** The head of an answer. */
export interface ResponseHead {
  readonly status: number;
  readonly statusMessage: string;
  /** Flat, as received. */
  readonly rawHeaders: string[];
}

/** Who hears of what was read. */
export interface ResponseReader {
  /** A 1xx answer but 101; the final one is still to come. */
  onInterim(head: ResponseHead): void;
  /** The final answer; a 101 ends here, and what follows it is no longer HTTP. */
  onHead(head: ResponseHead): void;
  onBody(chunk: Buffer): void;
  /** The message is over as its framing promised. Trailers are flat. */
  onMessageEnd(trailers: readonly string[]): void;
}

/** What is read next. */
const IDLE = 0;
const HEAD = 1;
const BY_LENGTH = 2;
const CHUNK_SIZE = 3;
const CHUNK_DATA = 4;
const CHUNK_END = 5;
const TRAILERS = 6;
const BY_CLOSE = 7;

const NO_TRAILERS: readonly string[] = [];
const NO_BYTES = Buffer.alloc(0);

/** Values of hexadecimal digits; -1: it is none. */
const HEX = new Int8Array(256).fill(-1);
for (let i = 0; i < 16; i += 1) {
  HEX[i.toString(16).charCodeAt(0)] = i;
  HEX[i.toString(16).toUpperCase().charCodeAt(0)] = i;
}

/** Most answers begin so. */
const OK_LINE = 'HTTP/1.1 200 OK\r\n';
/** RFC 9112 4. */
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d|[6-9]\d\d)(?: (.*))?$/;
/** RFC 9112 7.1 and 7.1.1, without the white space that it calls bad. */
const CHUNK_LINE =
  /^([0-9A-Fa-f]+)(?:;[!#$%&'*+.^_`|~\w-]+(?:=(?:[!#$%&'*+.^_`|~\w-]+|"[^"\\]*"))?)*$/;

export class ResponseParser {
  readonly #reader: ResponseReader;
  #state: number = IDLE;
  /** The beginning of a head, a chunk's size line or a trailer section that is not whole yet. */
  #partial: Buffer | undefined;
  /** Bytes of the body, or of its chunk, that are still to come. */
  #left = 0;
  #isHead = false;
  #interim = 0;
  #keepAlive = false;
  #upgraded = false;
  #trailers: string[] = [];
  /** Where the head or line that was last read ends in the chunk at hand. */
  #sectionEnd = 0;
  /** The head's bytes, while it is read, and where it begins in them. */
  #bytes: Buffer = NO_BYTES;
  #bytesFrom = 0;
  #isHttp11 = false;

  constructor(reader: ResponseReader) {
    this.#reader = reader;
  }

  /** No answer is due: bytes that come now belong to nothing. */
  get isIdle(): boolean {
    return this.#state === IDLE;
  }

  /** After a message's end: whether the connection may carry another one (RFC 9112 9.3). */
  get keepAlive(): boolean {
    return this.#keepAlive;
  }

  /** The connection no longer speaks HTTP. */
  get upgraded(): boolean {
    return this.#upgraded;
  }

  /** An answer is due. @param isHead to a HEAD request: it has no body, whatever its fields say */
  begin(isHead: boolean): void {
    this.#state = HEAD;
    this.#isHead = isHead;
    this.#interim = 0;
    this.#keepAlive = false;
  }

  /**
   * Takes what was read. Stops at the message's end.
   * @returns the bytes that belong to the message; fewer than given: more followed it
   * @throws ResponseError, after which the connection is of no use
   */
  execute(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length && this.#state !== IDLE) {
      const next = this.#step(chunk, at);
      if (next === at && this.#state !== IDLE) throw new ResponseError('no progress');
      at = next;
    }
    return at;
  }

  /**
   * The upstream ends the connection in the orderly way.
   * @returns false when it does so in mid-message
   */
  finish(): boolean {
    if (this.#state !== BY_CLOSE) return this.#state === IDLE;
    this.#end(NO_TRAILERS);
    return true;
  }

  #step(chunk: Buffer, at: number): number {
    switch (this.#state) {
      case HEAD:
        return this.#readHead(chunk, at);
      case BY_LENGTH:
      case CHUNK_DATA:
        return this.#readCounted(chunk, at);
      case BY_CLOSE:
        this.#reader.onBody(at === 0 ? chunk : chunk.subarray(at));
        return chunk.length;
      case CHUNK_SIZE:
        return this.#readSize(chunk, at);
      case CHUNK_END:
        return this.#readChunkEnd(chunk, at);
      default:
        return this.#readTrailers(chunk, at);
    }
  }

  /** A head is parsed only when it is there as a whole. */
  #readHead(chunk: Buffer, at: number): number {
    const text = this.#section(chunk, at, MAX_HEAD_BYTES);
    if (text === undefined) return chunk.length;
    const head = text.startsWith(OK_LINE) ? this.#okHead(text) : this.#otherHead(text);
    this.#bytes = NO_BYTES;
    const end = this.#sectionEnd;
    if (head.status < 200 && head.status !== 101) {
      this.#interim += 1;
      if (this.#interim > MAX_INTERIM) throw new ResponseError('too many interim answers');
      this.#reader.onInterim(head);
    } else this.#begin(head);
    return end;
  }

  #okHead(text: string): ResponseHead {
    this.#isHttp11 = true;
    const rawHeaders = readFields(text, OK_LINE.length, this.#bytes, this.#bytesFrom);
    return { status: 200, statusMessage: 'OK', rawHeaders };
  }

  #otherHead(text: string): ResponseHead {
    const lineEnd = text.indexOf('\r\n');
    const match = STATUS_LINE.exec(lineEnd < 0 ? text : text.slice(0, lineEnd));
    if (match === null) throw new ResponseError('the status line is malformed');
    const [, minor, digits, reason = ''] = match;
    this.#isHttp11 = minor === '1';
    const rawHeaders =
      lineEnd < 0 ? [] : readFields(text, lineEnd + 2, this.#bytes, this.#bytesFrom);
    return { status: Number(digits), statusMessage: reason, rawHeaders };
  }

  /** How long the body is (RFC 9112 6.3), and then that the head is there. */
  #begin(head: ResponseHead): void {
    const isHttp11 = this.#isHttp11;
    const framing = framingOf(head.rawHeaders);
    const { status } = head;
    this.#keepAlive = isHttp11 ? !framing.close : framing.keepAlive && !framing.close;
    if (status === 101) {
      this.#state = IDLE;
      this.#keepAlive = false;
      this.#upgraded = true;
      this.#reader.onHead(head);
      return;
    }
    if (framing.chunked && !isHttp11) throw new ResponseError('chunks in an HTTP/1.0 answer');
    const bodiless = this.#isHead || status === 204 || status === 304;
    if (bodiless || framing.length === 0) this.#state = IDLE;
    else if (framing.chunked) this.#state = CHUNK_SIZE;
    else if (framing.length > 0) this.#state = BY_LENGTH;
    else {
      this.#state = BY_CLOSE;
      this.#keepAlive = false;
    }
    this.#left = Math.max(0, framing.length);
    const isOver = this.#state === IDLE;
    this.#reader.onHead(head);
    if (isOver) this.#reader.onMessageEnd(NO_TRAILERS);
  }

  #readCounted(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#left);
    this.#left -= end - at;
    const isLast = this.#left === 0;
    const wasChunk = this.#state === CHUNK_DATA;
    this.#reader.onBody(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    if (!isLast) return end;
    if (wasChunk) this.#state = CHUNK_END;
    else this.#end(NO_TRAILERS);
    return end;
  }

  #readSize(chunk: Buffer, at: number): number {
    const after = this.#partial === undefined ? this.#plainSize(chunk, at) : -1;
    if (after > 0) return this.#beginChunk(chunk, after);
    const line = this.#line(chunk, at);
    if (line === undefined) return chunk.length;
    const digits = CHUNK_LINE.exec(line)?.[1];
    if (digits === undefined) throw new ResponseError('a chunk has no proper size');
    if (digits.length > MAX_CHUNK_DIGITS) throw new ResponseError('a chunk is too large');
    this.#left = Number.parseInt(digits, 16);
    return this.#beginChunk(chunk, this.#sectionEnd);
  }

  /**
   * Reads a size line without extension into `#left`, as nearly all are.
   * @returns the place behind it; -1: it is not that plain, or not there as a whole
   */
  #plainSize(chunk: Buffer, from: number): number {
    let value = 0;
    let at = from;
    for (; at < chunk.length && at - from <= MAX_CHUNK_DIGITS; at += 1) {
      const digit = HEX[chunk[at] as number] as number;
      if (digit < 0) break;
      value = value * 16 + digit;
    }
    const digits = at - from;
    if (digits === 0 || digits > MAX_CHUNK_DIGITS) return -1;
    if (chunk[at] !== CR || chunk[at + 1] !== LF) return -1;
    this.#left = value;
    return at + 2;
  }

  /** A chunk of `#left` bytes begins at `at`; one that is there as a whole is taken at once. */
  #beginChunk(chunk: Buffer, at: number): number {
    const size = this.#left;
    const end = at + size;
    if (size > 0 && end + 2 <= chunk.length && chunk[end] === CR && chunk[end + 1] === LF) {
      this.#reader.onBody(chunk.subarray(at, end));
      return end + 2;
    }
    this.#state = size === 0 ? TRAILERS : CHUNK_DATA;
    this.#trailers = [];
    return at;
  }

  #readChunkEnd(chunk: Buffer, at: number): number {
    const line = this.#line(chunk, at);
    if (line === undefined) return chunk.length;
    if (line !== '') throw new ResponseError('a chunk is longer than its size');
    this.#state = CHUNK_SIZE;
    return this.#sectionEnd;
  }

  #readTrailers(chunk: Buffer, at: number): number {
    const line = this.#line(chunk, at);
    if (line === undefined) return chunk.length;
    const end = this.#sectionEnd;
    if (line === '') this.#end(this.#trailers);
    else {
      const fields = readFields(line, 0, Buffer.from(line, 'latin1'), 0);
      if (this.#trailers.length + fields.length > 2 * MAX_FIELDS) {
        throw new ResponseError('too many trailer fields');
      }
      this.#trailers.push(...fields);
    }
    return end;
  }

  #end(trailers: readonly string[]): void {
    this.#state = IDLE;
    this.#reader.onMessageEnd(trailers);
  }

  /** A head without its final empty line, once it is whole; its parts are kept till then. */
  #section(chunk: Buffer, at: number, limit: number): string | undefined {
    const before = this.#partial;
    if (before === undefined) {
      const end = chunk.indexOf('\r\n\r\n', at, 'latin1');
      if (end >= 0) {
        if (end - at > limit) throw new ResponseError('the head is too long');
        this.#sectionEnd = end + 4;
        this.#bytes = chunk;
        this.#bytesFrom = at;
        return chunk.toString('latin1', at, end);
      }
    }
    const rest = chunk.subarray(at);
    const all = before === undefined ? rest : Buffer.concat([before, rest]);
    const end = all.indexOf('\r\n\r\n', Math.max(0, (before?.length ?? 0) - 3), 'latin1');
    if (end < 0) {
      if (all.length > limit) throw new ResponseError('the head is too long');
      refuseBareLineFeeds(all, before?.length ?? 0);
      // A copy: the chunk's memory is the socket's, and may be large.
      this.#partial = before === undefined ? Buffer.from(all) : all;
      return undefined;
    }
    if (end > limit) throw new ResponseError('the head is too long');
    this.#partial = undefined;
    this.#sectionEnd = at + end + 4 - (before?.length ?? 0);
    this.#bytes = all;
    this.#bytesFrom = 0;
    return all.toString('latin1', 0, end);
  }

  /** One line without its end, once it is whole. */
  #line(chunk: Buffer, at: number): string | undefined {
    const before = this.#partial;
    const feed = chunk.indexOf(LF, at);
    const end = feed < 0 ? chunk.length : feed + 1;
    const beforeLength = before?.length ?? 0;
    const isTrailer = this.#state === TRAILERS;
    const limit = isTrailer ? MAX_HEAD_BYTES : MAX_CHUNK_LINE_BYTES;
    if (beforeLength + end - at > limit) throw new ResponseError('a line is too long');
    if (feed < 0) {
      const rest = chunk.subarray(at);
      this.#partial = before === undefined ? Buffer.from(rest) : Buffer.concat([before, rest]);
      return undefined;
    }
    this.#partial = undefined;
    this.#sectionEnd = end;
    const tail = chunk.toString('latin1', at, end);
    const line = before === undefined ? tail : before.toString('latin1') + tail;
    if (line.charCodeAt(line.length - 2) !== CR) throw new ResponseError('a bare line feed');
    const bare = line.slice(0, -2);
    if (bare.includes('\r')) throw new ResponseError('a bare carriage return');
    return bare;
  }
}

/** A line feed without its carriage return: the end that is waited for may never come. */
function refuseBareLineFeeds(bytes: Buffer, from: number): void {
  let at = bytes.indexOf(LF, from);
  while (at >= 0) {
    if (at === 0 || bytes[at - 1] !== CR) throw new ResponseError('a bare line feed');
    at = bytes.indexOf(LF, at + 1);
  }
}
