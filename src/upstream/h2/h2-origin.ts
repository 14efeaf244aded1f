// The HTTP/2 connections to one upstream: which request gets a stream on which of them, when
// another one is opened, and whether the upstream speaks HTTP/2 at all (ALPN decides, and is
// remembered).

import type { Socket } from 'node:net';
import type { Fault } from '../../policy/verdict.ts';
import type { Upstream } from '../../pool/upstreams/upstream-list.ts';
import type { Deadlines } from '../deadlines.ts';
import type { Dialer, DialTarget } from '../dial/dial.ts';
import { faultMessage } from '../faults.ts';
import { H2Session, MAX_STREAMS } from './h2-session.ts';

/**
 * Connections to one upstream, of one worker; reached only where the peer allows few streams each.
 */
const MAX_SESSIONS = 64;
/** Connections being opened at once, once it is known that the upstream speaks HTTP/2. */
const MAX_DIALS = 4;
/** Requests that wait for a stream; far above the concurrency limits in use. */
const MAX_WAITING = 16_384;
/** How long an upstream that chose HTTP/1.1 is not asked again. */
const HTTP1_MEMORY_MS = 3_600_000;

/** A request that wants a stream. Exactly one of its functions is called for each claim. */
export interface StreamClaim {
  granted(session: H2Session): void;
  /** The upstream does not speak HTTP/2. */
  useHttp1(): void;
  failed(fault: Fault): void;
}

export class H2Origin {
  readonly #target: DialTarget;
  readonly #dialer: Dialer;
  readonly #deadlines: Deadlines;
  readonly #idleTimeoutMs: number;
  readonly #sessions = new Set<H2Session>();
  readonly #waiting = new Set<StreamClaim>();
  #dialing = 0;
  #closed = false;
  /** Streams per connection, as the peer last said; 0: it is not known to speak HTTP/2. */
  #streamsEach = 0;
  #http1UntilMs = Number.NEGATIVE_INFINITY;

  constructor(upstream: Upstream, dialer: Dialer, deadlines: Deadlines, idleTimeoutMs: number) {
    const { protocol, hostname, port, proxy } = upstream;
    this.#target = { protocol, hostname, port, proxy, alpn: ['h2', 'http/1.1'] };
    this.#dialer = dialer;
    this.#deadlines = deadlines;
    this.#idleTimeoutMs = idleTimeoutMs;
  }

  get speaksHttp1(): boolean {
    return this.#deadlines.nowMs < this.#http1UntilMs;
  }

  get sessionCount(): number {
    return this.#sessions.size;
  }

  /** Grants a stream now or later; `withdraw` ends the waiting. */
  claim(claim: StreamClaim): void {
    const session = this.#waiting.size === 0 ? this.#withRoom() : undefined;
    if (this.speaksHttp1) claim.useHttp1();
    else if (session !== undefined) claim.granted(session);
    else if (this.#closed || this.#waiting.size >= MAX_WAITING) claim.failed(noStream());
    else {
      this.#waiting.add(claim);
      this.#dialAsNeeded();
    }
  }

  withdraw(claim: StreamClaim): void {
    this.#waiting.delete(claim);
  }

  /** The upstream insists on HTTP/1.1 although it negotiated HTTP/2 (HTTP_1_1_REQUIRED). */
  fallBack(): void {
    this.#http1UntilMs = this.#deadlines.nowMs + HTTP1_MEMORY_MS;
    for (const claim of this.#waiting) {
      this.#waiting.delete(claim);
      claim.useHttp1();
    }
  }

  /** Closes idle connections at once, others after their last stream. */
  close(): void {
    this.#closed = true;
    this.#failAll(noStream());
    for (const session of this.#sessions) session.close();
  }

  #withRoom(): H2Session | undefined {
    for (const session of this.#sessions) if (session.hasRoom) return session;
    return undefined;
  }

  readonly #serveWaiting = (): void => {
    for (const claim of this.#waiting) {
      const session = this.#withRoom();
      if (session === undefined) break;
      this.#waiting.delete(claim);
      claim.granted(session);
    }
    this.#dialAsNeeded();
  };

  /** One connection finds out what the upstream speaks; after that as many as the waiting need. */
  #dialAsNeeded(): void {
    const maxDials = this.#streamsEach === 0 ? 1 : MAX_DIALS;
    for (;;) {
      const coming = this.#dialing + this.#unsettled();
      const expected = coming * (this.#streamsEach || MAX_STREAMS);
      const allowed = coming < maxDials && this.#sessions.size + this.#dialing < MAX_SESSIONS;
      if (this.#waiting.size <= expected || !allowed || this.#closed) return;
      this.#dial();
    }
  }

  #unsettled(): number {
    let count = 0;
    for (const session of this.#sessions) if (!session.settled) count += 1;
    return count;
  }

  async #dial(): Promise<void> {
    this.#dialing += 1;
    const dialed = await this.#dialer.dial(this.#target);
    this.#dialing -= 1;
    if (dialed.kind === 'fault') {
      this.#failAll(dialed);
    } else if (this.#closed) {
      dialed.socket.destroy();
    } else if (dialed.alpn === 'h2') {
      this.#addSession(dialed.socket);
    } else {
      // The open connection serves the first of the requests that now turn to HTTP/1.1.
      this.#dialer.offer(this.#target, dialed.socket);
      this.fallBack();
    }
  }

  #addSession(socket: Socket): void {
    const { hostname, port } = this.#target;
    const session = new H2Session({
      socket,
      origin: `https://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`,
      deadlines: this.#deadlines,
      idleTimeoutMs: this.#idleTimeoutMs,
      onRoom: () => {
        if (session.settled) this.#streamsEach = Math.max(1, session.limit);
        if (this.#waiting.size > 0) this.#serveWaiting();
      },
      onRetired: () => {
        this.#sessions.delete(session);
        if (this.#waiting.size > 0) this.#dialAsNeeded();
      },
    });
    this.#sessions.add(session);
    this.#serveWaiting();
  }

  #failAll(fault: Fault): void {
    for (const claim of this.#waiting) {
      this.#waiting.delete(claim);
      claim.failed(fault);
    }
  }
}

function noStream(): Fault {
  const message = faultMessage('refused_stream');
  return { kind: 'fault', code: 'refused_stream', sent: false, message };
}
