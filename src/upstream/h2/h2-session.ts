// One HTTP/2 connection: how many streams it takes, whether it still lives (PING), when it is idle
// too long, and which of its streams the peer certainly did not process (GOAWAY). Which session a
// request gets is h2-origin.ts; what becomes of a stream is h2-call.ts.

import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import { type Deadlines, Waiter } from '../deadlines.ts';
import { http2 } from '../on-demand.ts';

/** Streams on one connection, whatever the peer allows: they share one TCP window and one fate. */
export const MAX_STREAMS = 256;
/**
 * Bytes that the peer may send on a stream that nobody reads: what a slow client can cost in
 * memory. At 200 ms of distance it still lets 2.6 MB/s through.
 */
const STREAM_WINDOW_BYTES = 512 * 1024;
/**
 * The connection's own window; Node refills it on receipt, so a slow stream never stalls others.
 */
const CONNECTION_WINDOW_BYTES = 16 * 1024 * 1024;
/** As HTTP/1.1: the header fields of an answer, by bytes and by number. */
const MAX_HEADER_LIST_BYTES = 64 * 1024;
const MAX_HEADER_FIELDS = 1000;
/** Megabytes of Node's bookkeeping; request bodies in flight count, and have their own budget. */
const SESSION_MEMORY_MB = 1024;
/** A connection with requests under way that was silent for so long is asked for a sign of life. */
const PING_AFTER_MS = 20_000;
/** A connection that was unused for so long is asked at once when it is used again. */
const PING_AFTER_IDLE_MS = 10_000;
/** The answer to PING comes within this, or the connection is dead. */
const PING_TIMEOUT_MS = 10_000;

const SESSION_SETTINGS = {
  settings: {
    enablePush: false,
    initialWindowSize: STREAM_WINDOW_BYTES,
    maxHeaderListSize: MAX_HEADER_LIST_BYTES,
  },
  maxSessionMemory: SESSION_MEMORY_MB,
  maxHeaderListPairs: MAX_HEADER_FIELDS,
  /** Repeated fields go through as they came; which are wrong is for the upstream to say. */
  strictSingleValueFields: false,
};

export interface H2SessionOptions {
  readonly socket: Socket;
  /** `https://host:port`, for messages only: requests carry their own authority. */
  readonly origin: string;
  readonly deadlines: Deadlines;
  /** 0: never closed for being idle. */
  readonly idleTimeoutMs: number;
  /** A stream ended or the peer's settings came: there may be room. */
  readonly onRoom: () => void;
  /** Takes no more streams; those under way go on as far as they can. */
  readonly onRetired: (session: H2Session) => void;
}

export class H2Session extends Waiter {
  /** The peer's limit is known; until then one stream alone is risked (RFC 9113 6.5.2). */
  settled = false;
  readonly #options: H2SessionOptions;
  readonly #session: ClientHttp2Session;
  #limit = 1;
  #active = 0;
  #opened = 0;
  #retired = false;
  #lastProcessedId = Number.POSITIVE_INFINITY;
  #idleSinceMs: number;
  #bytesSeen = 0;
  #pinging = false;

  constructor(options: H2SessionOptions) {
    super();
    this.#options = options;
    this.#idleSinceMs = options.deadlines.nowMs;
    const session = http2().connect(options.origin, {
      ...SESSION_SETTINGS,
      createConnection: () => options.socket,
    });
    session.once('connect', () => session.setLocalWindowSize(CONNECTION_WINDOW_BYTES));
    session.on('remoteSettings', (settings) => {
      this.settled = true;
      this.#limit = Math.min(settings.maxConcurrentStreams ?? MAX_STREAMS, MAX_STREAMS);
      options.onRoom();
    });
    session.on('goaway', (_code, lastStreamId) => {
      this.#lastProcessedId = lastStreamId;
      this.#retire();
    });
    session.on('error', () => this.#retire());
    session.on('close', () => {
      this.#retire();
      options.deadlines.remove(this);
    });
    this.#session = session;
    this.#becomeIdle();
  }

  get limit(): number {
    return this.#limit;
  }

  get hasRoom(): boolean {
    // A destroyed session is not `closed` before its own event says so, a turn later.
    const open = !this.#retired && !this.#session.closed && !this.#session.destroyed;
    return open && this.#active < this.#limit;
  }

  /** Bytes received so far on the connection. */
  get bytesRead(): number {
    return this.#options.socket.bytesRead;
  }

  /** Used before and idle now: it may have been closed by the peer without our knowing. */
  get mayBeStale(): boolean {
    return this.#opened > 0 && this.#active === 0;
  }

  get dead(): boolean {
    return this.#session.destroyed;
  }

  /** Opens a stream; it counts until it is closed. Never throws for the state of the session. */
  open(fields: readonly string[], endStream: boolean, waitForTrailers: boolean): ClientHttp2Stream {
    const stream = this.#session.request(fields, { endStream, waitForTrailers });
    if (this.#active === 0) this.#becomeBusy();
    this.#active += 1;
    this.#opened += 1;
    stream.once('close', () => {
      this.#active -= 1;
      if (this.#active === 0) this.#becomeIdle();
      this.#options.onRoom();
    });
    return stream;
  }

  /**
   * False when the peer said that it never looked at the stream (RFC 9113 6.8), or it never left.
   */
  mayHaveProcessed(stream: ClientHttp2Stream): boolean {
    return stream.id !== undefined && stream.id <= this.#lastProcessedId;
  }

  /** Takes no more streams and closes when the last one has ended. */
  close(): void {
    this.#retire();
    this.#session.close();
  }

  /**
   * Silence is judged here: an idle connection closes, one with streams is asked for a sign of
   * life.
   */
  expire(nowMs: number): void {
    const { deadlines } = this.#options;
    if (this.#session.destroyed) return;
    if (this.#pinging) {
      // Retired first: its streams end at once, and what they carried must find another session.
      this.#retire();
      this.#session.destroy();
    } else if (this.#active === 0) this.close();
    else if (this.bytesRead === this.#bytesSeen) this.#ping();
    else {
      this.#bytesSeen = this.bytesRead;
      deadlines.add(this, nowMs + PING_AFTER_MS);
    }
  }

  #ping(): void {
    const { deadlines } = this.#options;
    this.#pinging = true;
    deadlines.add(this, deadlines.nowMs + PING_TIMEOUT_MS);
    this.#session.ping((error) => {
      if (error !== null) return;
      this.#pinging = false;
      this.#bytesSeen = this.bytesRead;
      if (this.#active > 0) deadlines.add(this, deadlines.nowMs + PING_AFTER_MS);
      else this.#becomeIdle();
    });
  }

  #becomeBusy(): void {
    const { deadlines } = this.#options;
    if (this.#pinging) return;
    this.#bytesSeen = this.bytesRead;
    const idleMs = deadlines.nowMs - this.#idleSinceMs;
    if (this.#opened > 0 && idleMs > PING_AFTER_IDLE_MS) this.#ping();
    else deadlines.add(this, deadlines.nowMs + PING_AFTER_MS);
  }

  #becomeIdle(): void {
    const { deadlines, idleTimeoutMs } = this.#options;
    this.#idleSinceMs = deadlines.nowMs;
    if (this.#pinging || this.#session.destroyed) return;
    if (idleTimeoutMs > 0) deadlines.add(this, deadlines.nowMs + idleTimeoutMs);
    else deadlines.remove(this);
  }

  #retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    this.#options.onRetired(this);
  }
}
