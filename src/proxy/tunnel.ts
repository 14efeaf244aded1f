// A WebSocket connection once both sides have agreed: bytes both ways with backpressure, until one
// side ends, both fall silent, or this proxy shuts down. Frames are counted, never read.

import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { responseFields } from '../policy/headers.ts';
import { redactExact } from '../policy/redact.ts';
import type { FaultCode } from '../policy/verdict.ts';
import { subprotocolKey, withSubprotocolKey } from '../policy/websocket.ts';
import { closeFrame, FrameCursor } from '../policy/websocket-frames.ts';
import type { Lease } from '../pool/lease.ts';
import { type Deadlines, unlimited, Waiter } from '../upstream/deadlines.ts';
import type { HeldAnswer } from './answer/held-answer.ts';
import type { Exchange } from './exchange.ts';

/** "Going away": the server is going down, or gives up on silence (RFC 6455 7.4.1). */
const GOING_AWAY = 1001;
/** After a Close frame was due, both sides have this long to end by themselves. */
const CLOSE_WAIT_MS = 3_000;

/** The tunnels of one worker. */
export class Tunnels {
  readonly #deadlines: Deadlines;
  readonly #open = new Set<Tunnel>();
  #draining = false;

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
  }

  /**
   * Passes the upstream's agreement on and moves bytes until the connection is over.
   * @param lease what the agreement came under; its key must not go to the client
   * @returns what ended it, if it was not one of the two sides
   */
  async run(exchange: Exchange, held: HeldAnswer, lease: Lease): Promise<FaultCode | undefined> {
    const idleTimeoutMs = unlimited(lease.group.settings.streamIdleTimeoutMs);
    const tunnel = new Tunnel(exchange, held, this.#deadlines, idleTimeoutMs);
    if (!tunnel.begin(agreement(exchange, held, lease.key))) return 'client_left';
    this.#open.add(tunnel);
    if (this.#draining) tunnel.close('shutdown');
    await exchange.closed;
    tunnel.end();
    this.#open.delete(tunnel);
    return tunnel.fault;
  }

  /** Says goodbye on all tunnels: a peer that hears it connects again elsewhere. */
  drain(): void {
    this.#draining = true;
    for (const tunnel of this.#open) tunnel.close('shutdown');
  }
}

/** One direction: from a reader to a writer, with the place between two frames. */
interface Way {
  readonly from: Duplex;
  readonly to: Duplex;
  readonly frames: FrameCursor;
  /** The writer is a client's or an upstream's: frames to upstreams are masked. */
  readonly masked: boolean;
  ended: boolean;
}

class Tunnel extends Waiter {
  fault: FaultCode | undefined;
  readonly #exchange: Exchange;
  readonly #deadlines: Deadlines;
  readonly #idleTimeoutMs: number;
  readonly #ways: readonly Way[];
  readonly #client: Socket | null;
  readonly #upstream: Duplex;
  #lastMoveMs = 0;

  constructor(exchange: Exchange, held: HeldAnswer, deadlines: Deadlines, idleTimeoutMs: number) {
    super();
    this.#exchange = exchange;
    this.#deadlines = deadlines;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#client = exchange.response.socket;
    this.#upstream = held.answer.body as Duplex;
    const [client, upstream] = [this.#client as Duplex, this.#upstream];
    this.#ways = [
      { from: client, to: upstream, frames: new FrameCursor(), masked: true, ended: false },
      { from: upstream, to: client, frames: new FrameCursor(), masked: false, ended: false },
    ];
  }

  /** Sends the 101 and starts moving; false when the client has left meanwhile. */
  begin(fields: string[]): boolean {
    const { response } = this.#exchange;
    if (this.#client === null || this.#client.destroyed) {
      this.#upstream.destroy();
      return false;
    }
    this.#upstream.on('error', () => this.#upstream.destroy());
    this.#upstream.on('close', () => this.#client?.destroySoon());
    response.writeHead(101, 'Switching Protocols', fields);
    response.end(() => {
      for (const way of this.#ways) this.#start(way);
    });
    this.#lastMoveMs = this.#deadlines.nowMs;
    this.#deadlines.add(this, this.#lastMoveMs + this.#idleTimeoutMs);
    return true;
  }

  /** Both sides hear why, each at the end of the frame that is on its way. */
  close(code: FaultCode): void {
    if (this.fault !== undefined) return;
    this.fault = code;
    this.#deadlines.add(this, this.#deadlines.nowMs + CLOSE_WAIT_MS);
    for (const way of this.#ways) this.#closeBetweenFrames(way);
  }

  /** The client's connection is closed. */
  end(): void {
    this.#deadlines.remove(this);
    this.#upstream.destroy();
  }

  #start(way: Way): void {
    const { from, to, frames } = way;
    from.on('data', (chunk: Buffer) => {
      this.#lastMoveMs = this.#deadlines.nowMs;
      if (way.ended) return;
      frames.push(chunk);
      if (way.masked) this.#exchange.bytesIn += chunk.length;
      else this.#exchange.bytesOut += chunk.length;
      if (!to.write(chunk)) from.pause();
      if (this.fault !== undefined) this.#closeBetweenFrames(way);
    });
    to.on('drain', () => from.resume());
    from.on('end', () => {
      if (!way.ended) to.end();
      way.ended = true;
    });
    from.resume();
    if (this.fault !== undefined) this.#closeBetweenFrames(way);
  }

  #closeBetweenFrames(way: Way): void {
    if (way.ended || !way.frames.atBoundary) return;
    way.ended = true;
    way.to.end(closeFrame(GOING_AWAY, way.masked));
  }

  /** Chunks only note their time; whether it was silent for too long is seen here. */
  expire(nowMs: number): void {
    if (this.fault !== undefined) {
      this.#client?.destroy();
      return;
    }
    const dueMs = this.#lastMoveMs + this.#idleTimeoutMs;
    if (dueMs > nowMs) this.dueMs = dueMs;
    else this.close('idle_timeout');
  }
}

/** The fields of the 101: the upstream's own, with the client's key in place of the leased one. */
function agreement(exchange: Exchange, held: HeldAnswer, key: string): string[] {
  let fields = responseFields(held.answer.rawHeaders);
  const own = subprotocolKey(exchange.request.headers['sec-websocket-protocol']);
  if (own !== undefined) fields = withSubprotocolKey(fields, own);
  const clean = fields.map((value) => redactExact(value, [key]));
  return [...clean, 'X-Request-Id', exchange.id, 'Connection', 'Upgrade', 'Upgrade', 'websocket'];
}
