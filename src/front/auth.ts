// Who asks: the client whose key a request came with, wherever clients put their credential. With
// no client at all everybody may. What is answered to those who may not is up to the router.

import type { IncomingMessage } from 'node:http';
import { subprotocolKey } from '../policy/websocket.ts';
import { type Client, clientOf, type PlacedClient } from '../proxy/client.ts';
import { crypto } from '../upstream/on-demand.ts';

const SECRET_BYTES = 32;

/** Recognises the clients of one reading of the configuration. */
export class Auth {
  readonly #adminDigest: Buffer | undefined;
  /** By a digest that nobody outside can compute: a look-up's time says nothing of a key. */
  readonly #clients = new Map<string, Client>();
  readonly #secret: Buffer;

  /**
   * @param authKey for the endpoints of our own; '' lets everybody in
   * @param clients those that may send requests, AUTH_KEY's among them; none lets everybody
   */
  constructor(authKey: string, clients: readonly PlacedClient[]) {
    this.#adminDigest = authKey === '' ? undefined : digestOf(authKey);
    this.#secret = clients.length === 0 ? Buffer.alloc(0) : crypto().randomBytes(SECRET_BYTES);
    for (const client of clients) {
      this.#clients.set(this.#place(Buffer.from(client.keyDigest, 'hex')), clientOf(client));
    }
  }

  /** Everybody may send requests. */
  get isOpen(): boolean {
    return this.#clients.size === 0;
  }

  /** Whose key a request to be proxied has, in any place where an SDK puts it. */
  clientOf(request: IncomingMessage, queryKey: string | undefined): Client | undefined {
    const headers = request.headers;
    return (
      this.#find(bearerToken(headers.authorization)) ??
      this.#find(single(headers['x-api-key'])) ??
      this.#find(single(headers['api-key'])) ??
      this.#find(single(headers['x-goog-api-key'])) ??
      this.#find(queryKey) ??
      this.#find(subprotocolKey(headers['sec-websocket-protocol']))
    );
  }

  /** Everybody may ask the endpoints of our own. */
  get isOpenToAdmins(): boolean {
    return this.#adminDigest === undefined;
  }

  /** A request to an endpoint of our own: Bearer, or Basic with any user name, for browsers. */
  allowsAdmin(request: IncomingMessage): boolean {
    if (this.#adminDigest === undefined) return true;
    const authorization = request.headers.authorization;
    return this.#isAdmin(bearerToken(authorization)) || this.#isAdmin(basicPassword(authorization));
  }

  #find(candidate: string | undefined): Client | undefined {
    return candidate === undefined
      ? undefined
      : this.#clients.get(this.#place(digestOf(candidate)));
  }

  #place(digest: Buffer): string {
    return crypto().hash('sha256', Buffer.concat([this.#secret, digest]), 'base64');
  }

  /**
   * Digests have equal lengths, so neither the length nor the content of AUTH_KEY shows in time.
   */
  #isAdmin(candidate: string | undefined): boolean {
    if (candidate === undefined || this.#adminDigest === undefined) return false;
    return crypto().timingSafeEqual(digestOf(candidate), this.#adminDigest);
  }
}

function digestOf(text: string): Buffer {
  return crypto().hash('sha256', text, 'buffer');
}

function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}

function bearerToken(authorization: string | undefined): string | undefined {
  if (authorization === undefined || !/^bearer /i.test(authorization)) return undefined;
  return authorization.slice(7).trim();
}

/** RFC 7617: base64 of `user:password`; the user name does not matter here. */
function basicPassword(authorization: string | undefined): string | undefined {
  if (authorization === undefined || !/^basic /i.test(authorization)) return undefined;
  const decoded = Buffer.from(authorization.slice(6).trim(), 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  return colon < 0 ? undefined : decoded.slice(colon + 1);
}
