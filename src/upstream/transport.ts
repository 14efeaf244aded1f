// The narrow waist to upstreams: one request out, one Outcome back. Network faults are values here,
// never exceptions. What an outcome means is decided by classify; HTTP/1.1 and HTTP/2 look the same
// from above.

import type { Readable } from 'node:stream';
import type { Fault, FaultCode } from '../policy/verdict.ts';
import type { Upstream } from '../pool/upstreams/upstream-list.ts';
import { type Deadlines, Waiter } from './deadlines.ts';

/** A request as it goes on the wire, but for framing, which the transport adds. */
export interface UpstreamRequest {
  readonly method: string;
  /** Request target with the upstream's base path. */
  readonly path: string;
  /**
   * Flat end-to-end fields, Host and credential included; no Content-Length, no Transfer-Encoding.
   */
  readonly fields: readonly string[];
  /** The body, or its beginning; emptied by the transport when a source follows. */
  readonly chunks: Buffer[];
  /** Bytes in `chunks`; the body's whole length when there is no source. */
  readonly bytes: number;
  /** The rest of a body that is streamed through. */
  readonly source: Readable | undefined;
  /** The length the client announced, for a streamed body; undefined: chunked. */
  readonly sourceLength: number | undefined;
  readonly trailers: readonly string[];
  /** This turn's sockets have just been read, those of idle connections among them. */
  readonly isTurnOver: boolean;
  /** False for methods that define no body, where Content-Length: 0 would be noise. */
  readonly bodyExpected: boolean;
  /** Asks to switch to WebSocket: over HTTP/1.1, and the body of a 101 is the connection itself. */
  readonly upgrade: boolean;
  /** From the last byte of the request to the answer's header, in milliseconds. */
  readonly headersTimeoutMs: number;
  /** Longest silence while a large body is being sent, in milliseconds. */
  readonly sendIdleTimeoutMs: number;
  /** Called for each 1xx answer but 101. */
  readonly onInformation: ((status: number, rawHeaders: readonly string[]) => void) | undefined;
}

/** An upstream's answer; its body is paused until somebody reads it. */
export interface UpstreamAnswer {
  readonly kind: 'answer';
  readonly status: number;
  readonly statusMessage: string;
  /** Flat, as received; for HTTP/2 without pseudo-header fields. */
  readonly rawHeaders: string[];
  /**
   * The body, when it came as a whole with its head: then nothing has to be read from `body`.
   */
  readonly whole: Buffer | undefined;
  /** The same as Latin-1, where it is short and came like that. */
  readonly text?: string | undefined;
  readonly body: Readable;
  /** Flat trailer fields, known after the body's end. */
  trailers(): readonly string[];
  /** True when the body ended as its framing promised. */
  complete(): boolean;
}

export type Outcome = UpstreamAnswer | Fault;

/** One attempt under way. It is a waiter for its answer's header. */
export abstract class UpstreamCall extends Waiter {
  readonly outcome: Promise<Outcome>;
  readonly deadlines: Deadlines;
  protected readonly request: UpstreamRequest;
  #settle: ((outcome: Outcome) => void) | undefined;

  constructor(request: UpstreamRequest, deadlines: Deadlines) {
    super();
    this.request = request;
    this.deadlines = deadlines;
    this.outcome = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  get settled(): boolean {
    return this.#settle === undefined;
  }

  /** The first outcome counts; later ones are echoes of the same end. */
  protected settle(outcome: Outcome): void {
    const settle = this.#settle;
    if (settle === undefined) return;
    this.#settle = undefined;
    this.deadlines.remove(this);
    settle(outcome);
  }

  /** The request is on its way: the answer's header is due. */
  protected awaitHeaders(): void {
    if (this.settled) return;
    this.deadlines.add(this, this.deadlines.nowMs + this.request.headersTimeoutMs);
  }

  /** A large body is being sent: the upstream must go on reading it. */
  protected awaitProgress(): void {
    if (this.settled) return;
    this.deadlines.add(this, this.deadlines.nowMs + this.request.sendIdleTimeoutMs);
  }

  /**
   * The next byte is the client's to send, in SERVER_READ_TIMEOUT: no upstream is blamed for it.
   */
  protected awaitClient(): void {
    this.dueMs = Number.POSITIVE_INFINITY;
  }

  expire(): void {
    this.abort('headers_timeout');
  }

  /** Ends the attempt and its connection or stream at once; also after its answer began. */
  abstract abort(code: FaultCode): void;
}

/** Sends requests to upstreams. `close` ends all idle connections. */
export interface Transport {
  send(upstream: Upstream, request: UpstreamRequest): UpstreamCall;
  close(): void;
}
