// The HTTP/1.1 connections to one upstream: kept alive, last in first out, closed after
// IDLE_CONN_TIMEOUT. Chooses which idle connections are still worth having; connecting is left to
// the dialer.

import { fieldValue } from '../../policy/headers.ts';
import type { Fault } from '../../policy/verdict.ts';
import type { Upstream } from '../../pool/upstreams/upstream-list.ts';
import type { Deadlines } from '../deadlines.ts';
import type { Dialer, DialTarget } from '../dial/dial.ts';
import { type ConnectionOwner, Http1Connection } from './http1-connection.ts';

/** Idle connections kept per upstream and worker. */
const MAX_IDLE = 1024;
/** A connection is given up this much before the server said it would close it. */
const KEEP_ALIVE_MARGIN_MS = 1_000;
/**
 * After bytes that nobody asked for: bytes that come once the next request is on its way cannot be
 * told from its answer, so each connection serves one request for so long.
 */
const SINGLE_USE_MS = 3_600_000;

const SPOKE_FIRST: Fault = {
  kind: 'fault',
  code: 'protocol',
  sent: false,
  message: 'the upstream answered before it got a request',
};

export interface PoolOptions {
  readonly dialer: Dialer;
  readonly deadlines: Deadlines;
  /** IDLE_CONN_TIMEOUT in milliseconds; 0: never. */
  readonly idleTimeoutMs: number;
  /** The upstream sent bytes that nobody had asked for; `isNews`: for the first time in an hour. */
  readonly onStray: (upstream: Upstream, isNews: boolean) => void;
  /** For requests that an http proxy must not see, but pass. */
  readonly tunnel?: boolean;
}

/** Gets a connection that was dialled for it. */
export interface ConnectionClaim {
  granted(connection: Http1Connection): void;
  failed(fault: Fault): void;
}

export class ConnectionPool implements ConnectionOwner {
  /** Set where requests go to an outgoing proxy in absolute form, see Dialer.forwarding. */
  readonly forwarding: { readonly prefix: string; readonly authorization: string | null } | null;
  readonly #upstream: Upstream;
  readonly #target: DialTarget;
  readonly #options: PoolOptions;
  readonly #idle: Http1Connection[] = [];
  readonly #all = new Set<Http1Connection>();
  #singleUseUntilMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(upstream: Upstream, options: PoolOptions) {
    const { protocol, hostname, port, proxy } = upstream;
    this.#upstream = upstream;
    const { tunnel = false } = options;
    this.#target = { protocol, hostname, port, proxy, tunnel, alpn: ['http/1.1'] };
    this.#options = options;
    this.forwarding = options.dialer.forwarding(this.#target);
  }

  /** The idle connection that was used last, if there is one. */
  take(): Http1Connection | undefined {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined) return undefined;
      this.#options.deadlines.remove(connection);
      if (connection.isUsable) return connection;
    }
  }

  /** Opens a connection for a claim. */
  open(claim: ConnectionClaim): void {
    this.#options.dialer.connect(this.#target, (error, socket) => {
      if (socket === undefined) {
        claim.failed((error as Error & { fault?: Fault }).fault ?? unforeseen(error));
        return;
      }
      if (socket.readableLength > 0) {
        // It answers what has not been asked yet.
        socket.destroy();
        this.onStray();
        claim.failed(SPOKE_FIRST);
        return;
      }
      const connection = new Http1Connection(socket, this);
      this.#all.add(connection);
      claim.granted(connection);
    });
  }

  /** Takes back a connection that its claim no longer wants. */
  keep(connection: Http1Connection): void {
    this.#rest(connection, this.#options.idleTimeoutMs);
  }

  onFree(connection: Http1Connection, rawHeaders: readonly string[]): void {
    const { idleTimeoutMs, deadlines } = this.#options;
    const hintMs = keepAliveHintMs(rawHeaders);
    const isDue = hintMs !== null && hintMs <= 0;
    if (isDue || deadlines.nowMs < this.#singleUseUntilMs) {
      connection.destroy();
      return;
    }
    const fromHint = hintMs !== null && (idleTimeoutMs === 0 || hintMs < idleTimeoutMs);
    this.#rest(connection, fromHint ? hintMs : idleTimeoutMs);
  }

  onClosed(connection: Http1Connection): void {
    this.#options.deadlines.remove(connection);
    this.#all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  onStray(): void {
    const { deadlines, onStray } = this.#options;
    const isNews = deadlines.nowMs >= this.#singleUseUntilMs;
    this.#singleUseUntilMs = deadlines.nowMs + SINGLE_USE_MS;
    // Its siblings may have more of the kind on their way.
    this.dropIdle();
    onStray(this.#upstream, isNews);
  }

  /** After one stale connection its idle siblings are suspect: the resend must not meet another. */
  dropIdle(): void {
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  /** Ends all connections, those in use too. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#all) connection.destroy();
  }

  #rest(connection: Http1Connection, limitMs: number): void {
    if (this.#closed || this.#idle.length >= MAX_IDLE) {
      connection.destroy();
      return;
    }
    this.#idle.push(connection);
    const { deadlines } = this.#options;
    if (limitMs > 0) deadlines.add(connection, deadlines.nowMs + limitMs);
  }
}

function unforeseen(error: Error | null): Fault {
  return {
    kind: 'fault',
    code: 'connect',
    sent: false,
    message: error?.message ?? 'no connection',
  };
}

/**
 * How long the server keeps the idle connection, by its `Keep-Alive: timeout=`; null: it does not
 * say.
 */
function keepAliveHintMs(rawHeaders: readonly string[]): number | null {
  const hint = fieldValue(rawHeaders, 'keep-alive');
  if (hint === undefined) return null;
  const seconds = /\btimeout=(\d+)/.exec(hint)?.[1];
  return seconds === undefined ? null : Number(seconds) * 1000 - KEEP_ALIVE_MARGIN_MS;
}
