// Reads a request's body once: kept for replay up to a limit, streamed through beyond it; a long
// one is outlined meanwhile. Sending is left to the transport.

import type { IncomingMessage } from 'node:http';
import { trailerFields } from '../policy/trailers.ts';
import { BodyOutline, SHORT_BODY_BYTES } from './body-outline.ts';
import type { Exchange } from './exchange.ts';
import { ReceivedRequest } from './received-request.ts';

/** A request's body as the attempts see it. */
export interface RequestBody {
  /** What has been read, in order; the whole body when `source` is undefined. */
  chunks: Buffer[];
  /** Bytes in `chunks`. */
  bytes: number;
  /** What `chunks` have, where they are more than a short body. */
  outline: BodyOutline | undefined;
  /** The unread rest of a body too large to replay; such a request has exactly one attempt. */
  source: IncomingMessage | undefined;
  /** This turn's sockets have been read since the request came. */
  isTurnOver: boolean;
  /** Trailer fields after a chunked body, flat. */
  trailers: readonly string[];
}

/**
 * Bodies waiting to be replayed in one worker, all together; beyond it bodies are streamed
 * unretried.
 */
const MAX_REPLAY_TOTAL_BYTES = 512 * 1024 * 1024;

/** A long body is looked into by so many of its chunks, of at most 64 KiB, at a time. */
const CHUNKS_IN_TURN = 4;

/** Longer bodies do not come in one read, or seldom. */
const MAX_HELD_BYTES = 64 * 1024;

const NO_TRAILERS: readonly string[] = [];

/** How many bytes one worker may keep for replay, per request and in all. */
export class ReplayBudget {
  readonly #perRequest: number;
  #free = MAX_REPLAY_TOTAL_BYTES;

  /** @param perRequestBytes MAX_REPLAY_BODY_MB in bytes */
  constructor(perRequestBytes: number) {
    this.#perRequest = perRequestBytes;
  }

  /**
   * Whether a body of this size may (still) be kept; the caller then counts its bytes with `take`.
   */
  fits(bodyBytes: number, moreBytes: number): boolean {
    return bodyBytes <= this.#perRequest && moreBytes <= this.#free;
  }

  /** Counts bytes that are kept. */
  take(bytes: number): void {
    this.#free -= bytes;
  }

  /** Uncounts them once they are released. */
  giveBack(bytes: number): void {
    this.#free += bytes;
  }
}

/** Whether a request announces a body (RFC 9112 6.3). */
function hasBody(request: IncomingMessage): boolean {
  const { headers } = request;
  if (headers['transfer-encoding'] !== undefined) return true;
  const length = headers['content-length'];
  return length !== undefined && length !== '0';
}

/** NaN: not announced. */
function announcedLength({ headers }: IncomingMessage): number {
  return Number(headers['content-length'] ?? Number.NaN);
}

/**
 * A short body came with its header, and is parsed when this turn's sockets have been read: it is
 * taken as it came then, and nobody has to listen for its parts.
 * @returns what to wait for before it is read, if it is short
 */
export function shortBodyArrived({ request }: Exchange): Promise<void> | undefined {
  const length = announcedLength(request);
  const isShort = length > 0 && length <= MAX_HELD_BYTES;
  if (!isShort || expectsContinue(request) || !(request instanceof ReceivedRequest)) {
    return undefined;
  }
  request.hold();
  return turnIsOver();
}

/**
 * Reads the body up to the budget, and counts what comes of it. Gives undefined when the client
 * left before its end. Bytes taken from the budget are the caller's to give back (`body.bytes`).
 */
export function readBody(
  exchange: Exchange,
  budget: ReplayBudget,
): RequestBody | undefined | Promise<RequestBody | undefined> {
  const { request, response } = exchange;
  if (!hasBody(request)) return unread(undefined);
  if (expectsContinue(request)) response.writeContinue();
  const length = announcedLength(request);
  const isTooLong = length > 0 && !budget.fits(length, length);
  if (request instanceof ReceivedRequest) {
    const whole = isTooLong ? request.letGo() : request.takeWhole(length);
    if (whole !== undefined) return taken(exchange, whole, budget);
  }
  if (request.destroyed) return undefined;
  if (!isTooLong) return collect(exchange, budget);
  // It flows when an attempt takes it, and not because it is counted.
  request.pause();
  return passing(exchange, {});
}

function taken(exchange: Exchange, whole: Buffer, budget: ReplayBudget): RequestBody {
  const bytes = whole.length;
  budget.take(bytes);
  exchange.bytesIn = bytes;
  return {
    chunks: [whole],
    bytes,
    outline: undefined,
    isTurnOver: true,
    source: undefined,
    trailers: NO_TRAILERS,
  };
}

/** A body, or its rest, that is counted as it passes. */
function passing(exchange: Exchange, read: Partial<RequestBody>): RequestBody {
  exchange.request.on('data', (chunk: Buffer) => {
    exchange.bytesIn += chunk.length;
  });
  return { ...unread(exchange.request), ...read };
}

/** Settles once all that this turn of the event loop has to read was read; one for all who wait. */
let turn: Promise<void> | undefined;

function turnIsOver(): Promise<void> {
  turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = undefined;
      resolve();
    });
  });
  return turn;
}

/** A body of which nothing was read, or none at all. */
function unread(source: IncomingMessage | undefined): RequestBody {
  const read = { chunks: [], bytes: 0, outline: undefined, trailers: NO_TRAILERS };
  return { ...read, source, isTurnOver: false };
}

/** Without those that may be no trailers, credentials among them. */
function trailersOf({ rawTrailers }: IncomingMessage): readonly string[] {
  return rawTrailers.length === 0 ? rawTrailers : trailerFields(rawTrailers);
}

function expectsContinue(request: IncomingMessage): boolean {
  return request.headers.expect?.toLowerCase() === '100-continue';
}

function collect(exchange: Exchange, budget: ReplayBudget): Promise<RequestBody | undefined> {
  const { request } = exchange;
  const huntsModel = exchange.client?.models !== undefined;
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    let outline: BodyOutline | undefined;
    const stop = (body: RequestBody | undefined): void => {
      request.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose);
      // The stream may still report that the client left: that must not be an unhandled error.
      request.on('error', ignore);
      if (body === undefined) budget.giveBack(bytes);
      exchange.bytesIn = bytes;
      resolve(body);
    };
    const onData = (chunk: Buffer): void => {
      const fits = budget.fits(bytes + chunk.length, chunk.length);
      bytes += chunk.length;
      budget.take(chunk.length);
      chunks.push(chunk);
      if (outline !== undefined) outline.push(chunk);
      else if (bytes > SHORT_BODY_BYTES) {
        outline = new BodyOutline(chunks, request.headers['content-type'], huntsModel);
        for (const one of chunks) outline.push(one);
      }
      if (!fits) {
        request.pause();
        stop(passing(exchange, { chunks, bytes, outline }));
      } else if (outline !== undefined && chunks.length % CHUNKS_IN_TURN === 0) yieldTurn(request);
    };
    const onEnd = (): void =>
      stop({ ...unread(undefined), chunks, bytes, outline, trailers: trailersOf(request) });
    const onClose = (): void => stop(undefined);
    request.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose);
  });
}

/** The other sockets have their turn: one that is read may bring 32 chunks before them. */
function yieldTurn(request: IncomingMessage): void {
  request.pause();
  void turnIsOver().then(() => request.resume());
}

function ignore(): void {}
