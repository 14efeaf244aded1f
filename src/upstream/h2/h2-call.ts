// One request over HTTP/2: a stream, its answer, and what its end means. A stream that the upstream
// certainly did not process is opened again here, on another connection if need be; everything else
// comes out as a Fault, and whether to go on is decided above.

import { STATUS_CODES } from 'node:http';
import type { ClientHttp2Stream } from 'node:http2';
import type { Fault, FaultCode } from '../../policy/verdict.ts';
import type { Upstream } from '../../pool/upstreams/upstream-list.ts';
import { passedOn } from '../bulk-memory.ts';
import type { Deadlines } from '../deadlines.ts';
import { faultMessage } from '../faults.ts';
import { http2 } from '../on-demand.ts';
import { type Transport, UpstreamCall, type UpstreamRequest } from '../transport.ts';
import { h2AnswerFields, h2RequestFields, h2Trailers } from './h2-fields.ts';
import type { H2Origin, StreamClaim } from './h2-origin.ts';
import type { H2Session } from './h2-session.ts';
import { correctStream } from './h2-stream.ts';

/** Times that one call opens its stream again when the upstream refused it. */
const MAX_REOPENS = 2;
/** The same when the connection went away first: on the next one it may be served. */
const MAX_MOVES = 16;
/** A body larger than this is given time by its progress, as over HTTP/1.1. */
const LARGE_BODY_BYTES = 1024 * 1024;

export interface H2CallContext {
  readonly origin: H2Origin;
  readonly upstream: Upstream;
  readonly http1: Transport;
  readonly deadlines: Deadlines;
}

export class H2Call extends UpstreamCall implements StreamClaim {
  readonly #context: H2CallContext;
  #session: H2Session | undefined;
  #stream: ClientHttp2Stream | undefined;
  /** The same request over HTTP/1.1, where the upstream speaks nothing else. */
  #http1: UpstreamCall | undefined;
  #reopens = 0;
  #moves = 0;
  #mayBeStale = false;
  #bytesReadBefore = 0;
  #bodyBegun = false;
  #done = false;
  #ended: () => boolean = () => false;

  constructor(context: H2CallContext, request: UpstreamRequest) {
    super(request, context.deadlines);
    this.#context = context;
    this.deadlines.add(this, this.deadlines.nowMs + request.headersTimeoutMs);
    context.origin.claim(this);
  }

  granted(session: H2Session): void {
    const { source, bytes, trailers } = this.request;
    const bodiless = source === undefined && bytes === 0 && trailers.length === 0;
    this.#session = session;
    this.#mayBeStale = session.mayBeStale;
    this.#bytesReadBefore = session.bytesRead;
    const fields = h2RequestFields(this.#context.upstream, this.request);
    const stream = session.open(fields, bodiless, trailers.length > 0);
    this.#stream = stream;
    this.#ended = correctStream(stream);
    stream.on('response', this.#onResponse);
    stream.on('headers', this.#onInformation);
    // What an error means is read off the stream once it is closed.
    stream.on('error', () => undefined);
    stream.once('close', this.#onClose);
    if (trailers.length > 0) {
      stream.once('wantTrailers', () => stream.sendTrailers(h2Trailers(trailers)));
    }
    if (!bodiless) this.#sendBody(stream);
  }

  useHttp1(): void {
    const { http1, upstream } = this.#context;
    this.deadlines.remove(this);
    this.#http1 = http1.send(upstream, this.request);
    this.#http1.outcome.then((outcome) => this.settle(outcome));
  }

  failed(fault: Fault): void {
    this.settle(fault);
  }

  #sendBody(stream: ClientHttp2Stream): void {
    const { chunks, source, bytes } = this.request;
    if (source === undefined) {
      if (bytes > LARGE_BODY_BYTES) this.#watchProgress(stream);
      const last = chunks.length - 1;
      for (let i = 0; i < last; i += 1) stream.write(chunks[i]);
      stream.end(chunks[last]);
      return;
    }
    this.#watchProgress(stream);
    this.#bodyBegun = true;
    // Sent once and never again: nobody else needs them any more.
    for (const chunk of chunks.splice(0)) stream.write(chunk);
    const onData = (chunk: Buffer): void => {
      if (!stream.write(chunk)) {
        this.awaitProgress();
        source.pause();
      } else this.awaitClient();
      passedOn(chunk.length);
    };
    const onEnd = (): void => {
      this.awaitProgress();
      stream.end();
    };
    source.on('data', onData).on('end', onEnd);
    source.on('error', () => this.abort('client_left'));
    stream.on('drain', () => {
      this.awaitClient();
      source.resume();
    });
    // An upstream that answers before it has read all does not want the rest.
    stream.once('close', () => source.off('data', onData).off('end', onEnd).resume());
    source.resume();
  }

  #watchProgress(stream: ClientHttp2Stream): void {
    this.awaitProgress();
    stream.on('drain', () => this.awaitProgress());
    stream.on('finish', () => this.awaitHeaders());
  }

  abort(code: FaultCode): void {
    this.#done = true;
    this.#context.origin.withdraw(this);
    this.#http1?.abort(code);
    this.settle(this.#fault(code));
    this.#stream?.destroy();
  }

  readonly #onInformation = (_: unknown, __: number, rawHeaders?: string[]): void => {
    const fields = rawHeaders ?? [];
    const status = Number(fields[fields.indexOf(':status') + 1]);
    this.request.onInformation?.(status, h2AnswerFields(fields));
  };

  readonly #onResponse = (
    headers: { ':status'?: number },
    _flags: number,
    rawHeaders: string[],
  ): void => {
    const stream = this.#stream;
    if (stream === undefined || this.settled) return;
    const status = headers[':status'] ?? 502;
    let trailers: readonly string[] = [];
    stream.once('trailers', (_trailers, _trailerFlags, raw) => {
      trailers = h2AnswerFields(raw);
    });
    this.settle({
      kind: 'answer',
      status,
      statusMessage: STATUS_CODES[status] ?? '',
      rawHeaders: h2AnswerFields(rawHeaders),
      whole: undefined,
      body: stream,
      trailers: () => trailers,
      complete: this.#ended,
    });
  };

  readonly #onClose = (): void => {
    const [stream, session] = [this.#stream, this.#session];
    if (this.settled || this.#done || stream === undefined || session === undefined) return;
    const unprocessed = !session.mayHaveProcessed(stream);
    const code = endCode(stream.rstCode ?? 0);
    if (stream.rstCode === http2().constants.NGHTTP2_HTTP_1_1_REQUIRED)
      this.#context.origin.fallBack();
    const refused = unprocessed || code === 'refused_stream';
    if (!this.#bodyBegun && (refused || this.#isStale(session)) && this.#mayReopen(unprocessed)) {
      this.#context.origin.claim(this);
      return;
    }
    this.settle(this.#fault(refused ? 'refused_stream' : code));
  };

  #mayReopen(isMove: boolean): boolean {
    if (isMove) this.#moves += 1;
    else this.#reopens += 1;
    return this.#moves <= MAX_MOVES && this.#reopens <= MAX_REOPENS;
  }

  /** The upstream closed an idle connection at the moment it was used again, as in HTTP/1.1. */
  #isStale(session: H2Session): boolean {
    return this.#mayBeStale && session.dead && session.bytesRead === this.#bytesReadBefore;
  }

  #fault(code: FaultCode): Fault {
    const opened = this.#stream?.id !== undefined;
    const sent = opened && code !== 'refused_stream';
    return { kind: 'fault', code, sent, message: faultMessage(code) };
  }
}

/** Why a stream ended without an answer, by its RST_STREAM code (RFC 9113 7). */
function endCode(rstCode: number): FaultCode {
  switch (rstCode) {
    case http2().constants.NGHTTP2_REFUSED_STREAM:
    case http2().constants.NGHTTP2_HTTP_1_1_REQUIRED:
      return 'refused_stream';
    case http2().constants.NGHTTP2_PROTOCOL_ERROR:
    case http2().constants.NGHTTP2_COMPRESSION_ERROR:
    case http2().constants.NGHTTP2_FRAME_SIZE_ERROR:
      return 'protocol';
    default:
      return 'reset';
  }
}
