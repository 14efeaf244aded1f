// HTTP/1.1 to upstreams over node:http and node:https, keep-alive, last in first out. Decides
// framing, socket reuse and which network error is which fault; connecting itself (DNS, TLS,
// outgoing proxies) is the dialer's.

import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Fault, FaultCode } from '../../policy/verdict.ts';
import type { Upstream } from '../../pool/upstreams/upstream-list.ts';
import { passedOn } from '../bulk-memory.ts';
import type { Deadlines } from '../deadlines.ts';
import type { Dialer } from '../dial/dial.ts';
import { faultCode, faultMessage } from '../faults.ts';
import { type Transport, UpstreamCall, type UpstreamRequest } from '../transport.ts';
import { http1Fields, trailerPairs } from './http1-framing.ts';
import { UpstreamAgent } from './upstream-agent.ts';

/** A body larger than this is given time by its progress, not by one deadline for all. */
const LARGE_BODY_BYTES = 1024 * 1024;
/** Field bytes of an answer; some providers send long policies. */
const MAX_ANSWER_HEADER_BYTES = 64 * 1024;

/** HTTP/1.1 for all upstreams of one worker. */
export class Http1Transport implements Transport {
  readonly #agents = new Map<number, UpstreamAgent>();
  readonly #dialer: Dialer;
  readonly #deadlines: Deadlines;
  readonly #idleTimeoutMs: number;

  /** @param idleTimeoutMs IDLE_CONN_TIMEOUT in milliseconds */
  constructor(dialer: Dialer, deadlines: Deadlines, idleTimeoutMs: number) {
    this.#dialer = dialer;
    this.#deadlines = deadlines;
    this.#idleTimeoutMs = idleTimeoutMs;
  }

  send(upstream: Upstream, request: UpstreamRequest): UpstreamCall {
    let agent = this.#agents.get(upstream.index);
    if (agent === undefined) {
      agent = new UpstreamAgent(upstream, this.#dialer, this.#idleTimeoutMs);
      this.#agents.set(upstream.index, agent);
    }
    return new Http1Call(agent, request, this.#deadlines);
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }
}

type CallRequest = ClientRequest & { call: Http1Call };

class Http1Call extends UpstreamCall {
  readonly #agent: UpstreamAgent;
  #client: CallRequest;
  #resent = false;
  #message: IncomingMessage | undefined;
  #brokeOff = false;
  #bytesReadBefore = 0;
  #abortCode: FaultCode | undefined;

  constructor(agent: UpstreamAgent, request: UpstreamRequest, deadlines: Deadlines) {
    super(request, deadlines);
    this.#agent = agent;
    this.#client = this.#start();
  }

  #start(): CallRequest {
    const { method, path, bytes, source } = this.request;
    const { forwarding } = this.#agent;
    // The agent brings TLS: http.request serves both protocols.
    const client = http.request({
      agent: this.#agent,
      protocol: this.#agent.protocol,
      method,
      path: forwarding === null ? path : forwarding.prefix + path,
      headers: http1Fields(this.request, forwarding?.authorization),
      maxHeaderSize: MAX_ANSWER_HEADER_BYTES,
    }) as CallRequest;
    client.call = this;
    client.on('socket', onSocket).on('response', onResponse).on('error', onError);
    client.on('upgrade', this.request.upgrade ? onUpgrade : onUnaskedUpgrade);
    if (this.request.onInformation !== undefined) client.on('information', onInformation);
    if (source === undefined && bytes <= LARGE_BODY_BYTES) this.awaitHeaders();
    else {
      this.awaitProgress();
      client.on('finish', onFinish);
    }
    this.#sendBody(client);
    return client;
  }

  #sendBody(client: ClientRequest): void {
    const { chunks, source, trailers } = this.request;
    if (source === undefined) {
      if (trailers.length > 0) client.addTrailers(trailerPairs(trailers));
      const last = chunks.length - 1;
      for (let i = 0; i < last; i += 1) client.write(chunks[i]);
      client.end(chunks[last]);
      return;
    }
    // Sent once and never again: nobody else needs them any more.
    for (const chunk of chunks.splice(0)) client.write(chunk);
    const onData = (chunk: Buffer): void => {
      if (!client.write(chunk)) {
        this.awaitProgress();
        source.pause();
      } else this.awaitClient();
      passedOn(chunk.length);
    };
    source.on('data', onData);
    client.on('drain', () => {
      this.awaitClient();
      source.resume();
    });
    source.on('end', () => this.awaitProgress()).on('end', () => client.end());
    source.on('error', () => this.abort('client_left'));
    // An upstream that answers early does not want the rest; the client still sends it.
    const stop = (): unknown => client.writableFinished || client.destroy();
    client.on('response', (answer) => answer.on('end', stop));
    client.on('close', () => source.off('data', onData).resume());
    source.resume();
  }

  abort(code: FaultCode): void {
    this.#abortCode ??= code;
    this.settle(this.#fault(code, faultMessage(code)));
    this.#client.destroy();
  }

  onSocket(socket: Socket): void {
    this.#bytesReadBefore = socket.bytesRead;
  }

  onFinish(): void {
    this.awaitHeaders();
  }

  onInformation(status: number, rawHeaders: readonly string[]): void {
    this.request.onInformation?.(status, rawHeaders);
  }

  onResponse(message: IncomingMessage): void {
    // Node's parser takes any three digits; nothing can be answered with these (RFC 9110 15).
    if ((message.statusCode ?? 0) < 100) this.abort('protocol');
    else this.#answer(message);
  }

  #answer(message: IncomingMessage): void {
    this.#message = message;
    this.settle({
      kind: 'answer',
      status: message.statusCode ?? 502,
      statusMessage: message.statusMessage ?? '',
      rawHeaders: message.rawHeaders,
      body: message,
      trailers: () => message.rawTrailers,
      complete: () => message.complete && !this.#brokeOff,
    });
  }

  onUpgrade(message: IncomingMessage, socket: Socket, head: Buffer): void {
    if (head.length > 0) socket.unshift(head);
    this.settle({
      kind: 'answer',
      status: 101,
      statusMessage: message.statusMessage ?? '',
      rawHeaders: message.rawHeaders,
      body: socket,
      trailers: () => [],
      complete: () => true,
    });
  }

  onError(error: NodeJS.ErrnoException & { fault?: Fault }): void {
    if (this.settled) {
      // Told before Node's parser ends a body that has no other end than the connection's: only a
      // FIN is that end (RFC 9112 8), an error is a cut.
      this.#brokeOff ||= this.#message?.complete === false;
      return;
    }
    const replayable = this.request.source === undefined;
    if (replayable && !this.#resent && this.#isStale(error)) {
      this.#resent = true;
      this.#agent.dropIdle();
      this.#client = this.#start();
      return;
    }
    this.settle(error.fault ?? this.#fault(faultCode(error, this.#sent()), error.message));
  }

  /** The upstream closed an idle connection at the moment it was reused (RFC 9112 9.3.1). */
  #isStale(error: NodeJS.ErrnoException): boolean {
    if (!this.#client.reusedSocket || this.#abortCode !== undefined) return false;
    const reset = error.code === 'ECONNRESET' || error.code === 'EPIPE';
    return reset && (this.#client.socket?.bytesRead ?? 0) === this.#bytesReadBefore;
  }

  /** The agent hands a socket over only once it is connected. */
  #sent(): boolean {
    return this.#client.socket !== null;
  }

  #fault(code: FaultCode, message: string): Fault {
    return { kind: 'fault', code, sent: this.#sent(), message };
  }
}

// Shared listeners: one function for all requests instead of closures for each.
function onSocket(this: ClientRequest, socket: Socket): void {
  (this as CallRequest).call.onSocket(socket);
}
function onFinish(this: ClientRequest): void {
  (this as CallRequest).call.onFinish();
}
function onResponse(this: ClientRequest, message: IncomingMessage): void {
  (this as CallRequest).call.onResponse(message);
}
function onUpgrade(
  this: ClientRequest,
  message: IncomingMessage,
  socket: Socket,
  head: Buffer,
): void {
  (this as CallRequest).call.onUpgrade(message, socket, head);
}
function onError(this: ClientRequest, error: Error): void {
  (this as CallRequest).call.onError(error);
}
function onUnaskedUpgrade(this: ClientRequest): void {
  (this as CallRequest).call.abort('protocol');
}
function onInformation(
  this: ClientRequest,
  info: { statusCode: number; rawHeaders: string[] },
): void {
  (this as CallRequest).call.onInformation(info.statusCode, info.rawHeaders);
}
