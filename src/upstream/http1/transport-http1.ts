// HTTP/1.1 to upstreams, over sockets of our own: framing, connection reuse, and which network
// error is which fault; connecting itself (DNS, TLS, outgoing proxies) is left to the dialer.

import type { Socket } from 'node:net';
import type { Fault, FaultCode } from '../../policy/verdict.ts';
import type { Upstream } from '../../pool/upstreams/upstream-list.ts';
import { passedOn } from '../bulk-memory.ts';
import type { Deadlines } from '../deadlines.ts';
import type { Dialer } from '../dial/dial.ts';
import { faultCode, faultMessage } from '../faults.ts';
import {
  type Transport,
  type UpstreamAnswer,
  UpstreamCall,
  type UpstreamRequest,
} from '../transport.ts';
import { type ConnectionClaim, ConnectionPool, type PoolOptions } from './connection-pool.ts';
import type { ConnectionUser, Http1Connection } from './http1-connection.ts';
import { isChunked, lastChunk, requestHead, writeChunk, writeRequest } from './request-writer.ts';
import type { ResponseError } from './response-fields.ts';
import type { ResponseHead } from './response-parser.ts';

/** A body larger than this is given time by its progress, not by one deadline for all. */
const LARGE_BODY_BYTES = 1024 * 1024;

/** HTTP/1.1 for all upstreams of one worker. */
export class Http1Transport implements Transport {
  readonly #pools = new Map<string, ConnectionPool>();
  /** For upgrades, to upstreams whose other requests go to an outgoing proxy in absolute form. */
  readonly #tunnels = new Map<string, ConnectionPool>();
  readonly #dialer: Dialer;
  readonly #deadlines: Deadlines;
  readonly #idleTimeoutMs: number;
  readonly #onStray: PoolOptions['onStray'];

  /**
   * @param idleTimeoutMs IDLE_CONN_TIMEOUT in milliseconds
   * @param onStray an upstream sent bytes that nobody had asked for
   */
  constructor(
    dialer: Dialer,
    deadlines: Deadlines,
    idleTimeoutMs: number,
    onStray: PoolOptions['onStray'] = () => undefined,
  ) {
    this.#dialer = dialer;
    this.#deadlines = deadlines;
    this.#idleTimeoutMs = idleTimeoutMs;
    this.#onStray = onStray;
  }

  send(upstream: Upstream, request: UpstreamRequest): UpstreamCall {
    let pool = this.#poolOf(upstream, this.#pools);
    if (request.upgrade && pool.forwarding !== null) pool = this.#poolOf(upstream, this.#tunnels);
    return new Http1Call(pool, request, this.#deadlines);
  }

  close(): void {
    for (const pools of [this.#pools, this.#tunnels]) {
      for (const pool of pools.values()) pool.close();
    }
  }

  #poolOf(upstream: Upstream, pools: Map<string, ConnectionPool>): ConnectionPool {
    const known = pools.get(upstream.route);
    if (known !== undefined) return known;
    const pool = new ConnectionPool(upstream, {
      dialer: this.#dialer,
      deadlines: this.#deadlines,
      idleTimeoutMs: this.#idleTimeoutMs,
      onStray: this.#onStray,
      tunnel: pools === this.#tunnels,
    });
    pools.set(upstream.route, pool);
    return pool;
  }
}

/**
 * Calls that go on once this turn's sockets have been read: a connection that was idle may hold an
 * end, or bytes that nobody asked for, that nobody has looked at. One wait for all of a turn costs
 * nothing that can be measured, and their writes leave together.
 */
let waiting: Http1Call[] = [];

function afterReading(call: Http1Call): void {
  if (waiting.push(call) === 1) setImmediate(proceedAll);
}

function proceedAll(): void {
  const calls = waiting;
  waiting = [];
  for (const call of calls) call.proceed();
}

class Http1Call extends UpstreamCall implements ConnectionUser, ConnectionClaim {
  readonly #pool: ConnectionPool;
  readonly #head: string;
  #connection: Http1Connection | undefined;
  /** Taken from the pool, not written to yet. */
  #reserved: Http1Connection | undefined;
  /** Bytes of the request may have left. */
  #sent = false;
  #resent = false;
  #aborted = false;
  /** Takes the listeners off a body that is streamed through. */
  #stopUpload: (() => void) | undefined;

  constructor(pool: ConnectionPool, request: UpstreamRequest, deadlines: Deadlines) {
    super(request, deadlines);
    this.#pool = pool;
    const { forwarding } = pool;
    const target = forwarding === null ? request.path : forwarding.prefix + request.path;
    this.#head = requestHead(request, target, forwarding?.authorization);
    if (this.#isLarge) this.awaitProgress();
    else this.awaitHeaders();
    this.#start();
  }

  get #isLarge(): boolean {
    return this.request.source !== undefined || this.request.bytes > LARGE_BODY_BYTES;
  }

  #start(): void {
    const idle = this.#pool.take();
    if (idle === undefined) this.#pool.open(this);
    else if (this.request.isTurnOver && !this.#resent) this.#use(idle);
    else {
      this.#reserved = idle;
      afterReading(this);
    }
  }

  /** What the upstream sent to the idle connection has been read by now: a farewell, or a stray. */
  proceed(): void {
    const connection = this.#reserved as Http1Connection;
    this.#reserved = undefined;
    if (this.#aborted) this.#pool.keep(connection);
    else if (connection.isUsable) this.#use(connection);
    else this.#start();
  }

  granted(connection: Http1Connection): void {
    if (this.#aborted) this.#pool.keep(connection);
    else this.#use(connection);
  }

  failed(fault: Fault): void {
    this.#dropSource();
    this.settle(fault);
  }

  #use(connection: Http1Connection): void {
    const { request } = this;
    this.#connection = connection;
    this.#sent = true;
    connection.begin(this, request.method === 'HEAD');
    if (request.source !== undefined) this.#upload(connection);
    else if (this.#isLarge) {
      writeRequest(connection.socket, this.#head, request, () => {
        connection.isSent = true;
        this.awaitHeaders();
      });
    } else {
      connection.isSent = true;
      writeRequest(connection.socket, this.#head, request);
    }
  }

  /** Sends a body as its client sends it, at the slower one's pace. */
  #upload(connection: Http1Connection): void {
    const { request } = this;
    const source = request.source as NonNullable<UpstreamRequest['source']>;
    const { socket } = connection;
    const chunked = isChunked(request);
    writeRequest(socket, this.#head, request);
    // Sent once and never again: nobody else needs them any more.
    request.chunks.length = 0;
    const onData = (chunk: Buffer): void => {
      if (writeChunk(socket, chunk, chunked)) this.awaitClient();
      else {
        this.awaitProgress();
        source.pause();
      }
      passedOn(chunk.length);
    };
    const onDrain = (): void => {
      this.awaitClient();
      source.resume();
    };
    const onEnd = (): void => {
      this.awaitProgress();
      socket.write(chunked ? lastChunk([]) : '', 'latin1', () => {
        connection.isSent = true;
        this.awaitHeaders();
      });
    };
    const onError = (): void => this.abort('client_left');
    this.#stopUpload = () => {
      this.#stopUpload = undefined;
      socket.off('drain', onDrain);
      // Nobody wants the rest; the client still sends it.
      source.off('data', onData).off('end', onEnd).resume();
    };
    socket.on('drain', onDrain);
    source.on('data', onData).on('end', onEnd).on('error', onError);
    source.resume();
  }

  abort(code: FaultCode): void {
    this.#aborted = true;
    this.settle(this.#fault(code, faultMessage(code)));
    this.#connection?.destroy();
    this.#dropSource();
  }

  onInterim({ status, rawHeaders }: ResponseHead): void {
    this.request.onInformation?.(status, rawHeaders);
  }

  onAnswer(answer: UpstreamAnswer): void {
    this.settle(answer);
  }

  onUpgrade(head: ResponseHead, socket: Socket): void {
    this.#connection = undefined;
    this.#stopUpload?.();
    if (!this.request.upgrade) {
      socket.destroy();
      this.settle(
        this.#fault('protocol', 'the upstream switched protocols without being asked to'),
      );
      return;
    }
    this.settle({
      kind: 'answer',
      status: head.status,
      statusMessage: head.statusMessage,
      rawHeaders: head.rawHeaders,
      whole: undefined,
      body: socket,
      trailers: () => [],
      complete: () => true,
    });
  }

  onMalformed(error: ResponseError): void {
    this.onOver();
    this.settle(this.#fault('protocol', error.message));
  }

  onBroken(error: NodeJS.ErrnoException | undefined, untouched: boolean): void {
    const connection = this.#connection;
    this.onOver();
    if (this.settled) return;
    if (connection?.reused === true && untouched && this.#mayResend(error)) {
      this.#resent = true;
      this.#pool.dropIdle();
      this.#start();
      return;
    }
    if (error === undefined)
      this.settle(this.#fault('reset', 'the upstream closed the connection'));
    else this.settle(this.#fault(faultCode(error, true), error.message));
  }

  onOver(): void {
    this.#connection = undefined;
    this.#stopUpload?.();
  }

  /** The upstream closed an idle connection at the moment it was reused (RFC 9112 9.3.1). */
  #mayResend(error: NodeJS.ErrnoException | undefined): boolean {
    if (this.#resent || this.request.source !== undefined) return false;
    return error === undefined || error.code === 'ECONNRESET' || error.code === 'EPIPE';
  }

  /** A body that nobody sends any more is still read, so that its client can be answered. */
  #dropSource(): void {
    if (this.#stopUpload !== undefined) this.#stopUpload();
    else this.request.source?.resume();
  }

  #fault(code: FaultCode, message: string): Fault {
    return { kind: 'fault', code, sent: this.#sent, message };
  }
}
