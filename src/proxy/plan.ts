// What all attempts of one request share, prepared once: fields without credentials, body, time
// limits; and on demand what only some decisions need, such as the model's name. Puts the leased
// key in its one place.

import type { GroupSettings } from '../config/group-settings.ts';
import {
  type CredentialPlace,
  credentialPlace,
  fieldValue,
  pushCredential,
  type RequestHead,
  requestHead,
} from '../policy/headers.ts';
import { credentialStyle } from '../policy/provider.ts';
import { type RequestTarget, upstreamTarget } from '../policy/request-target.ts';
import { modelInQuery, withModelInQuery, withSubprotocolKey } from '../policy/websocket.ts';
import type { Group } from '../pool/group.ts';
import type { Lease } from '../pool/lease.ts';
import { unlimited } from '../upstream/deadlines.ts';
import type { UpstreamRequest } from '../upstream/transport.ts';
import type { RequestBody } from './body.ts';
import { BodyOutline, MAY_NAME_MODEL, type Span } from './body-outline.ts';
import type { Exchange } from './exchange.ts';
import {
  asksForStream,
  type BodyContent,
  estimatedTokens,
  type ModelPlace,
  modelInBody,
  modelInPath,
  withModelInPath,
} from './request-facts.ts';
import { type BoundTo, boundTo } from './resources.ts';
import { sessionOf } from './session.ts';

/** Methods whose requests define a body: without one they say Content-Length: 0 (RFC 9110 8.6). */
const BODY_METHODS = new Set(['POST', 'PUT', 'PATCH']);

/** A request whose model has another name, wherever it stands. */
interface Renamed {
  readonly model: string;
  readonly target: RequestTarget;
  readonly chunks: Buffer[];
  readonly bytes: number;
  /** Bytes that the body has become longer by. */
  readonly added: number;
}

/** The plan of one request. */
export class Plan {
  readonly body: RequestBody;
  readonly streamed: boolean;
  readonly #exchange: Exchange;
  readonly #head: RequestHead;
  /** null: not looked up. */
  #model: string | undefined | null = null;
  #session: number | undefined | null = null;
  /** Where the body names it, if it does. */
  #place: ModelPlace | undefined;
  #named: Renamed | undefined;
  #shortOutline: BodyOutline | undefined;

  constructor(exchange: Exchange, body: RequestBody) {
    this.#exchange = exchange;
    this.body = body;
    this.#head = requestHead(exchange.request.rawHeaders);
    this.streamed = asksForStream(exchange.target.path, this.#outline);
  }

  /** The model asked for, looked up when a decision first needs it; undefined: none was found. */
  get model(): string | undefined {
    if (this.#model === null) this.#model = this.#findModel();
    return this.#model;
  }

  /** The conversation that it belongs to; undefined: nothing tells. */
  get session(): number | undefined {
    if (this.#session === null) {
      const { request, clientName } = this.#exchange;
      this.#session = sessionOf(request.headers, this.#outline, clientName);
    }
    return this.#session;
  }

  /** What it is likely to use of a key's tokens. */
  get tokens(): number {
    const announced = Number(this.#exchange.request.headers['content-length'] ?? this.body.bytes);
    return estimatedTokens(announced, this.#outline);
  }

  /** Which of a group's keys knows what the request names, if it names anything. */
  boundIn(group: Group): BoundTo {
    const { path } = this.#exchange.target;
    return boundTo(group, path, () => this.#content);
  }

  /** The model as a group's upstreams know it. */
  modelIn(group: GroupSettings): string | undefined {
    const { model } = this;
    return model === undefined ? undefined : (group.alias.get(model) ?? model);
  }

  /** Whether there is a body in which a model may stand unread: a client's own way to spell it. */
  get hidesModel(): boolean {
    if (this.model !== undefined) return false;
    const content = this.#content;
    if (content instanceof BodyOutline) return content.mayNameModel;
    return content !== undefined && MAY_NAME_MODEL.test(content.toString('latin1'));
  }

  #findModel(): string | undefined {
    const { target } = this.#exchange;
    const inPath = modelInPath(target.path);
    if (inPath !== undefined) return decoded(inPath);
    const outline = this.#outline;
    if (outline !== undefined) {
      this.#place = modelInBody(outline, fieldValue(this.#head.fields, 'content-type'));
    }
    return this.#place === undefined ? modelInQuery(target.query) : this.#place.name;
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
    const { method, request } = this.#exchange;
    const place = this.#credentialPlace(lease);
    const fields = this.#fieldsFor(lease, place);
    const { source, trailers, isTurnOver } = this.body;
    const named = this.#renamedFor(lease.group.settings);
    const { chunks, bytes } = named ?? this.body;
    const target = named?.target ?? this.#exchange.target;
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
      sourceLength: length === undefined ? undefined : Number(length) + (named?.added ?? 0),
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
  #fieldsFor({ upstream, key, group }: Lease, place: CredentialPlace): string[] {
    const plain = ['Host', upstream.host, ...this.#groupFields(group.settings)];
    const fields = this.#exchange.upgrade ? withSubprotocolKey(plain, key) : plain;
    if (fields === plain) pushCredential(fields, place, key);
    if (this.#exchange.upgrade) fields.push('Connection', 'Upgrade', 'Upgrade', 'websocket');
    return fields;
  }

  /** The client's fields, but for those that the group removes or sets. */
  #groupFields(group: GroupSettings): readonly string[] {
    const { setHeaders, removeHeaders, forwardClientAddress } = group;
    const { addresses } = this.#head;
    const told = forwardClientAddress && addresses.length > 0;
    const fields = told ? [...this.#head.fields, ...addresses] : this.#head.fields;
    if (removeHeaders.length === 0) return fields;
    const kept: string[] = [];
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] as string;
      if (!removeHeaders.includes(name.toLowerCase())) kept.push(name, fields[i + 1] as string);
    }
    kept.push(...setHeaders);
    return kept;
  }

  #credentialPlace(lease: Lease): CredentialPlace {
    const used = this.#head.credentialPlaces;
    const style = credentialStyle(lease.upstream.provider);
    if (used.length === 0 && this.#exchange.target.key !== undefined) return 'query';
    return credentialPlace(used, style);
  }

  /** The request as a group's upstreams are to read it; undefined: as it came. */
  #renamedFor(group: GroupSettings): Renamed | undefined {
    if (group.alias.size === 0) return undefined;
    const model = this.modelIn(group);
    if (model === undefined || model === this.model) return undefined;
    if (this.#named?.model !== model) this.#named = this.#renamed(model);
    return this.#named;
  }

  #renamed(model: string): Renamed {
    const { target } = this.#exchange;
    const { chunks, bytes, outline } = this.body;
    const place = this.#place;
    if (place === undefined) {
      return { model, target: withModel(target, model), chunks, bytes, added: 0 };
    }
    const name = Buffer.from(place.isQuoted ? JSON.stringify(model) : model);
    const added = name.length - (place.end - place.start);
    const parts = exchanged(chunks, place, name);
    // Of a short body the one piece leaves together with the head.
    const renamed = outline === undefined ? [Buffer.concat(parts)] : parts;
    return { model, target, chunks: renamed, bytes: bytes + added, added };
  }

  /** Where the body's members stand, found in one walk; undefined without a body. */
  get #outline(): BodyOutline | undefined {
    const { body } = this;
    if (body.outline !== undefined) return body.outline;
    if (this.#shortOutline === undefined && this.#content instanceof Buffer) {
      const contentType = this.#exchange.request.headers['content-type'];
      this.#shortOutline = new BodyOutline(body.chunks, contentType, false);
      this.#shortOutline.push(this.#content);
    }
    return this.#shortOutline;
  }

  /** What can be read of the body, a short one in one piece; undefined without a body. */
  get #content(): BodyContent | undefined {
    const { body } = this;
    if (body.outline !== undefined) return body.outline;
    if (body.chunks.length > 1) body.chunks = [Buffer.concat(body.chunks)];
    return body.chunks[0];
  }
}

/** The same bytes, but for those of one place. */
function exchanged(chunks: readonly Buffer[], place: Span, bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let offset = 0;
  for (const chunk of chunks) {
    const end = offset + chunk.length;
    if (offset < place.start) parts.push(chunk.subarray(0, place.start - offset));
    if (offset <= place.start && place.start < end) parts.push(bytes);
    if (end > place.end) parts.push(chunk.subarray(Math.max(0, place.end - offset)));
    offset = end;
  }
  return parts;
}

function withModel(target: RequestTarget, model: string): RequestTarget {
  if (modelInPath(target.path) !== undefined) {
    return { ...target, path: withModelInPath(target.path, model) };
  }
  return { ...target, query: withModelInQuery(target.query, model) };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
