// One request as the scripted upstream saw it: who asked (which key, where it was put), for what,
// and the body's hash. The answer is up to behaviour.ts and the provider shapes.

import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { subprotocolKey } from '../policy/websocket.ts';

/**
 * Bodies up to this size are kept so that a shape can read them; larger ones are counted and hashed
 * only.
 */
const maxKeptBodyBytes = 64 * 1024 * 1024;

export type CredentialPlace =
  | 'bearer'
  | 'x-api-key'
  | 'api-key'
  | 'x-goog-api-key'
  | 'query'
  | 'subprotocol'
  | 'none';

export interface ScriptedRequest {
  /** 1 for the first request that this upstream received. */
  readonly index: number;
  /** 1 for the first request that came with this key. */
  readonly nthOfKey: number;
  readonly method: string;
  /** Request target as received, byte for byte. */
  readonly target: string;
  /** The target's path, still percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Flat name, value, name, value list as received. */
  readonly rawHeaders: readonly string[];
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly key: string;
  readonly credential: CredentialPlace;
  /** How many credentials the request carried; a proxy must send exactly one. */
  readonly credentials: number;
  readonly model: string | undefined;
  /** Parsed body when it was JSON. */
  readonly json: Readonly<Record<string, unknown>> | undefined;
  /** The whole body, empty when it was larger than `maxKeptBodyBytes`. */
  readonly body: Buffer;
  readonly bodyBytes: number;
  readonly bodySha256: string;
}

interface Credential {
  readonly key: string;
  readonly place: CredentialPlace;
}

/** Every credential that a request carries, in the places that LLM providers look at. */
function credentialsOf(headers: IncomingMessage['headers'], query: URLSearchParams) {
  const found: Credential[] = [];
  const bearer = /^Bearer\s+(.+)$/i.exec(headers.authorization ?? '')?.[1];
  if (bearer !== undefined) found.push({ key: bearer.trim(), place: 'bearer' });
  for (const place of ['x-api-key', 'api-key', 'x-goog-api-key'] as const) {
    const key = headers[place];
    if (typeof key === 'string' && key !== '') found.push({ key, place });
  }
  const offered = subprotocolKey(headers['sec-websocket-protocol']);
  if (offered !== undefined) found.push({ key: offered, place: 'subprotocol' });
  const key = query.get('key');
  if (key !== null && key !== '') found.push({ key, place: 'query' });
  return found;
}

/** Reads the body to its end. Rejects when the client leaves before that. */
export async function readRequest(
  message: IncomingMessage,
  index: number,
  nthOf: (key: string) => number,
): Promise<ScriptedRequest> {
  const target = message.url ?? '/';
  const url = new URL(target.startsWith('/') ? `http://upstream${target}` : target);
  const [first, ...more] = credentialsOf(message.headers, url.searchParams);
  const hash = createHash('sha256');
  let kept: Buffer[] = [];
  let bodyBytes = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bodyBytes += chunk.length;
    hash.update(chunk);
    if (bodyBytes <= maxKeptBodyBytes) kept.push(chunk);
    else kept = [];
  }
  const body = Buffer.concat(kept);
  const json = parseJson(message.headers['content-type'], body);
  const pathModel = /\/models\/([^/:]+)/.exec(url.pathname)?.[1];
  return {
    index,
    nthOfKey: nthOf(first?.key ?? ''),
    method: message.method ?? 'GET',
    target,
    path: url.pathname,
    query: url.searchParams,
    rawHeaders: message.rawHeaders,
    headers: message.headers,
    key: first?.key ?? '',
    credential: first?.place ?? 'none',
    credentials: first === undefined ? 0 : 1 + more.length,
    model: typeof json?.model === 'string' ? json.model : pathModel,
    json,
    body,
    bodyBytes,
    bodySha256: hash.digest('hex'),
  };
}

function parseJson(contentType: string | undefined, body: Buffer) {
  if (!contentType?.includes('json')) return undefined;
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
