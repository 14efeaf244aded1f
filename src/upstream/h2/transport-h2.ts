// HTTP/2 to the upstreams that negotiate it, HTTP/1.1 to all others, behind one Transport: the
// proxy above cannot tell. Plain http and WebSocket are always HTTP/1.1.

import type { Upstream } from '../../pool/upstreams/upstream-list.ts';
import type { Deadlines } from '../deadlines.ts';
import type { Dialer } from '../dial/dial.ts';
import type { Transport, UpstreamCall, UpstreamRequest } from '../transport.ts';
import { H2Call } from './h2-call.ts';
import { H2Origin } from './h2-origin.ts';

export interface H2TransportOptions {
  readonly dialer: Dialer;
  /** For upstreams that speak nothing else. Shares the dialer. */
  readonly http1: Transport;
  readonly deadlines: Deadlines;
  /** IDLE_CONN_TIMEOUT in milliseconds; 0: never. */
  readonly idleTimeoutMs: number;
}

/** Both protocols for all upstreams of one worker. */
export class H2Transport implements Transport {
  readonly #options: H2TransportOptions;
  readonly #origins = new Map<string, H2Origin>();

  constructor(options: H2TransportOptions) {
    this.#options = options;
  }

  send(upstream: Upstream, request: UpstreamRequest): UpstreamCall {
    const { http1, deadlines } = this.#options;
    if (upstream.protocol === 'http:' || request.upgrade) return http1.send(upstream, request);
    const origin = this.#originOf(upstream);
    if (origin.speaksHttp1) return http1.send(upstream, request);
    return new H2Call({ origin, upstream, http1, deadlines }, request);
  }

  /** Open HTTP/2 connections to an upstream. */
  sessionCount(upstream: Upstream): number {
    return this.#origins.get(upstream.route)?.sessionCount ?? 0;
  }

  close(): void {
    for (const origin of this.#origins.values()) origin.close();
    this.#options.http1.close();
  }

  #originOf(upstream: Upstream): H2Origin {
    const known = this.#origins.get(upstream.route);
    if (known !== undefined) return known;
    const { dialer, deadlines, idleTimeoutMs } = this.#options;
    const origin = new H2Origin(upstream, dialer, deadlines, idleTimeoutMs);
    this.#origins.set(upstream.route, origin);
    return origin;
  }
}
