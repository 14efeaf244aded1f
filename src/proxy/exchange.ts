// One client request with its answer, from arrival to the access-log line. Knows whether the client
// is still there and whom to tell when it leaves; decides nothing about keys or upstreams.

import type { IncomingMessage } from 'node:http';
import type { TrailAttempt } from '../log/trail.ts';
import type { RequestTarget } from '../policy/request-target.ts';
import type { TokenUsage } from '../policy/token-usage.ts';
import type { AnswerReader } from './answer/answer-reader.ts';
import type { RelayedResponse, ResponseOwner } from './answer/relayed-response.ts';
import type { Client } from './client.ts';

/** The state of one request. */
export class Exchange implements ResponseOwner {
  readonly request: IncomingMessage;
  readonly response: RelayedResponse;
  /** As it came. */
  readonly asked: RequestTarget;
  /** The same without the prefix of a group. */
  target: RequestTarget;
  readonly id: string;
  /** The number in an id of our own making; -1: the id is the client's. */
  readonly serial: number;
  /** Coarse monotonic time of arrival, in milliseconds. */
  readonly startMs: number;
  /** Who asked. Kept because a closed socket no longer knows its peer. */
  readonly clientAddress: string;
  /** Whose credential the request came with; undefined when clients are not told apart. */
  client: Client | undefined;
  /** The group whose keys served last; '' before one was chosen. */
  groupName = '';
  /** The model asked for, and whether as a stream; once the body was read. */
  model: string | undefined;
  streamed = false;
  readonly attempts: TrailAttempt[] = [];
  /** The client left before its answer was complete. */
  clientLeft = false;
  /** Milliseconds from arrival to the first byte towards the client; -1: none was sent. */
  firstByteMs = -1;
  /** Milliseconds that it waited for a place or a busy key. */
  waitedMs = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** The row of the key that the last attempt had; -1: there was none. */
  keyRow = -1;
  /** What its answer says that it used; undefined: it says nothing, or has not been read yet. */
  usage: TokenUsage | undefined;
  /** An encoded answer is still being read for it, and what waits for that. */
  isReading = false;
  whenRead: (() => void) | undefined;
  /** Its answer may name something that only its key will know. */
  makesResource = false;
  /** It is counted when its answer has been read. */
  isCounted = false;
  /** The bytes, as Latin-1, of a short answer that was there as a whole, if somebody reads it. */
  text: string | undefined;
  /** Reads along as any other answer passes; undefined: nobody wants to know. */
  reader: AnswerReader | undefined;
  /** Why the answer ended early, for the log; undefined: it did not. */
  ended: string | undefined;
  /** The code of the error of our own that the client was told; undefined: none. */
  refusal: string | undefined;
  /** The innermost scope that wants to know when the client leaves. */
  departure: Departure | undefined;
  /** It counts among its client's open requests. */
  isLimited = false;
  #isClosed = false;
  #closed: PromiseWithResolvers<void> | undefined;
  #whenOver: ((exchange: Exchange) => void) | undefined;

  constructor(
    request: IncomingMessage,
    response: RelayedResponse,
    target: RequestTarget,
    origin: { id: string; serial: number; startMs: number; clientAddress: string },
  ) {
    this.request = request;
    this.response = response;
    this.asked = target;
    this.target = target;
    this.id = origin.id;
    this.serial = origin.serial;
    this.startMs = origin.startMs;
    this.clientAddress = origin.clientAddress;
    response.ownedBy(this);
  }

  /** Settles once the connection has taken the answer, or lost it. */
  get closed(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#closed ??= Promise.withResolvers<void>();
    return this.#closed.promise;
  }

  /** Calls `act` once the exchange is over; at once, if its connection is done with it. */
  end(act: (exchange: Exchange) => void): void {
    if (this.#isClosed) act(this);
    else this.#whenOver = act;
  }

  onResponseClosed(): void {
    this.#isClosed = true;
    this.clientLeft = !this.response.writableFinished;
    if (this.clientLeft) this.#tellDeparture();
    this.#closed?.resolve();
    this.#whenOver?.(this);
  }

  /**
   * Calls `act` once if the client leaves before the returned scope ends, at once if it has left
   * already. Scopes nest: whoever waits within another's scope is told first.
   */
  whenClientLeaves(act: () => void): Disposable {
    const departure = new Departure(this, act, this.departure);
    this.departure = departure;
    if (this.clientLeft) act();
    return departure;
  }

  #tellDeparture(): void {
    for (let scope = this.departure; scope !== undefined; scope = scope.outer) scope.act();
  }

  /** The client asks to switch to WebSocket (upgrade.ts). */
  get upgrade(): boolean {
    return (this.request as { upgrade?: boolean }).upgrade === true;
  }

  /** '' when clients are not told apart. */
  get clientName(): string {
    return this.client?.name ?? '';
  }

  get method(): string {
    return this.request.method ?? 'GET';
  }
}

/** One scope of {@link Exchange.whenClientLeaves}. */
class Departure implements Disposable {
  readonly #exchange: Exchange;
  readonly act: () => void;
  readonly outer: Departure | undefined;

  constructor(exchange: Exchange, act: () => void, outer: Departure | undefined) {
    this.#exchange = exchange;
    this.act = act;
    this.outer = outer;
  }

  /** `using` ends scopes from the inside out, so this one is always the innermost. */
  [Symbol.dispose](): void {
    this.#exchange.departure = this.outer;
  }
}
