// What all attempts of one request share, prepared once: fields without credentials, body, time
// limits; and on demand what only some decisions need, such as the model's name. Puts the leased
// key in its one place.

import {
  type CredentialPlace,
  credentialPlace,
  fieldValue,
  pushCredential,
  type RequestHead,
  requestHead,
} from '../policy/headers.ts';
import { credentialStyle } from '../policy/provider.ts';
import { upstreamTarget } from '../policy/request-target.ts';
import { modelInQuery, withSubprotocolKey } from '../policy/websocket.ts';
import type { Lease } from '../pool/lease.ts';
import { unlimited } from '../upstream/deadlines.ts';
import type { UpstreamRequest } from '../upstream/transport.ts';
import type { RequestBody } from './body.ts';
import type { Exchange } from './exchange.ts';
import { asksForStream, requestedModel, SCAN_LIMIT_BYTES } from './request-facts.ts';

/** Methods whose requests define a body: without one they say Content-Length: 0 (RFC 9110 8.6). */
const BODY_METHODS = new Set(['POST', 'PUT', 'PATCH']);

/** The plan of one request. */
export class Plan {
  readonly body: RequestBody;
  readonly streamed: boolean;
  readonly #exchange: Exchange;
  readonly #head: RequestHead;
  #model: string | undefined | null = null;

  constructor(exchange: Exchange, body: RequestBody) {
    this.#exchange = exchange;
    this.body = body;
    this.#head = requestHead(exchange.request.rawHeaders);
    this.streamed = asksForStream(exchange.target.path, this.#bodyHead());
  }

  /** The model asked for, looked up when a decision first needs it; undefined: none was found. */
  get model(): string | undefined {
    if (this.#model === null) {
      const type = fieldValue(this.#head.fields, 'content-type');
      const { target, upgrade } = this.#exchange;
      this.#model =
        requestedModel(target.path, type, this.#bodyHead()) ??
        (upgrade ? modelInQuery(target.query) : undefined);
    }
    return this.#model;
  }

  /**
   * Time for the answer's header: REQUEST_TIMEOUT, or RESPONSE_TIMEOUT where a stream was asked
   * for.
   */
  #headersTimeoutMs({ group }: Lease): number {
    const { responseTimeoutMs, requestTimeoutMs } = group.settings;
    return unlimited(this.streamed ? responseTimeoutMs : requestTimeoutMs);
  }

  /** The request as it goes to the lease's upstream with the lease's key. */
  requestFor(lease: Lease, onInformation: UpstreamRequest['onInformation']): UpstreamRequest {
    const { upstream, key } = lease;
    const { method, target, request } = this.#exchange;
    const place = this.#credentialPlace(lease);
    const fields = this.#fieldsFor(lease, place);
    const { chunks, bytes, source, trailers, isTurnOver } = this.body;
    // True for the first attempt only.
    this.body.isTurnOver = false;
    const length = request.headers['content-length'];
    return {
      method,
      path: upstreamTarget(upstream.basePath, target, place === 'query' ? key : undefined),
      fields,
      chunks,
      bytes,
      source,
      sourceLength: length === undefined ? undefined : Number(length),
      trailers,
      isTurnOver,
      bodyExpected: BODY_METHODS.has(method),
      upgrade: this.#exchange.upgrade,
      headersTimeoutMs: this.#headersTimeoutMs(lease),
      sendIdleTimeoutMs: unlimited(lease.group.settings.streamIdleTimeoutMs),
      onInformation,
    };
  }

  /** End-to-end fields with the leased key in its one place; a browser's WebSocket has its own. */
  #fieldsFor({ upstream, key }: Lease, place: CredentialPlace): string[] {
    const plain = ['Host', upstream.host, ...this.#head.fields];
    const fields = this.#exchange.upgrade ? withSubprotocolKey(plain, key) : plain;
    if (fields === plain) pushCredential(fields, place, key);
    if (this.#exchange.upgrade) fields.push('Connection', 'Upgrade', 'Upgrade', 'websocket');
    return fields;
  }

  #credentialPlace(lease: Lease): CredentialPlace {
    const used = this.#head.credentialPlaces;
    const style = credentialStyle(lease.upstream.provider);
    if (used.length === 0 && this.#exchange.target.key !== undefined) return 'query';
    return credentialPlace(used, style);
  }

  /** The part of the body that is looked into; undefined without a body. */
  #bodyHead(): Buffer | undefined {
    const { chunks } = this.body;
    const first = chunks[0];
    if (first === undefined || chunks.length === 1 || first.length >= SCAN_LIMIT_BYTES)
      return first;
    const some: Buffer[] = [];
    let bytes = 0;
    for (const chunk of chunks) {
      some.push(chunk);
      bytes += chunk.length;
      if (bytes >= SCAN_LIMIT_BYTES) break;
    }
    return Buffer.concat(some);
  }
}
