// The HTTP/1.1 connections to one upstream: kept alive, last in first out, closed after
// IDLE_CONN_TIMEOUT. Decides which idle connections are still worth having; connecting is the
// dialer's.

import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { fieldValue } from '../../policy/headers.ts';
import type { Upstream } from '../../pool/upstreams/upstream-list.ts';
import type { Dialer, DialTarget } from '../dial/dial.ts';

/** What @types/node leaves out: the method by which a request gets its connection. */
const nodeAgent = http.Agent.prototype as unknown as {
  addRequest(this: http.Agent, client: ClientRequest, options: unknown): void;
};
/** Idle connections kept per upstream and worker. */
const MAX_FREE_SOCKETS = 1024;

/** The keep-alive connections of one upstream. */
export class UpstreamAgent extends http.Agent {
  /** Set where requests go to an outgoing proxy in absolute form, see Dialer.forwarding. */
  readonly forwarding: { readonly prefix: string; readonly authorization: string | null } | null;
  /** Node's request constructor compares this with the request's own. */
  readonly protocol: 'http:' | 'https:';
  readonly #target: DialTarget;
  readonly #dialer: Dialer;
  readonly #idleTimeoutMs: number;

  constructor(upstream: Upstream, dialer: Dialer, idleTimeoutMs: number) {
    super({ keepAlive: true, scheduling: 'lifo', maxFreeSockets: MAX_FREE_SOCKETS });
    const { protocol, hostname, port } = upstream;
    this.#target = { protocol, hostname, port, alpn: ['http/1.1'] };
    this.#dialer = dialer;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.forwarding = dialer.forwarding(this.#target);
    this.protocol = protocol;
  }

  /** All connections of this agent lead to the same place, so one name serves. */
  override getName(): string {
    return 'upstream';
  }

  /** A free connection at hand is taken here; Node's own way there copies every option twice. */
  addRequest(client: ClientRequest, options: unknown): void {
    const free = this.freeSockets.upstream as Socket[] | undefined;
    let socket = free?.pop();
    while (socket?.destroyed === true) socket = free?.pop();
    if (socket === undefined) {
      nodeAgent.addRequest.call(this, client, options);
      return;
    }
    this.reuseSocket(socket, client);
    client.onSocket(socket);
    const inUse = this.sockets as Record<string, Socket[]>;
    inUse.upstream ??= [];
    inUse.upstream.push(socket);
  }

  override createConnection(
    _options: unknown,
    done?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    // Node types the socket as always given; with an error it is not.
    this.#dialer.connect(this.#target, done as (error: Error | null, socket?: Socket) => void);
  }

  override keepSocketAlive(socket: Socket & { _httpMessage?: ClientRequest }): boolean {
    // Null for a request that was given up before it was sent.
    const answer = (socket._httpMessage as { res?: IncomingMessage | null } | undefined)?.res;
    const hintMs = answer ? keepAliveHintMs(answer.rawHeaders) : null;
    if (hintMs !== null && hintMs <= 0) return false;
    const idleMs = this.#idleTimeoutMs;
    const limitMs = hintMs === null || (idleMs > 0 && idleMs < hintMs) ? idleMs : hintMs;
    // Node closes a socket on its timeout only while it is idle, so the timeout may stay in place.
    if (socket.timeout !== limitMs) socket.setTimeout(limitMs);
    return true;
  }

  /** After one stale connection its idle siblings are suspect: the resend must not meet another. */
  dropIdle(): void {
    for (const sockets of Object.values(this.freeSockets)) {
      for (const socket of [...(sockets ?? [])]) socket.destroy();
    }
  }
}

/** A connection is given up this much before the server said it would close it. */
const KEEP_ALIVE_MARGIN_MS = 1_000;

/**
 * How long the server keeps the idle connection, by its `Keep-Alive: timeout=`; null: it does not
 * say.
 */
function keepAliveHintMs(rawHeaders: readonly string[]): number | null {
  const seconds = /\btimeout=(\d+)/.exec(fieldValue(rawHeaders, 'keep-alive') ?? '')?.[1];
  return seconds === undefined ? null : Number(seconds) * 1000 - KEEP_ALIVE_MARGIN_MS;
}
