// Whether a request may pass: AUTH_KEY compared in constant time, wherever clients put their
// credential. With no AUTH_KEY everything may. What is answered to those who may not is
// up to the router.

import type { IncomingMessage } from 'node:http';
import { subprotocolKey } from '../policy/websocket.ts';
import { crypto } from '../upstream/on-demand.ts';

/** Checks credentials against AUTH_KEY. */
export class Auth {
  readonly #digest: Buffer | undefined;

  /** @param authKey '' lets everybody in */
  constructor(authKey: string) {
    this.#digest = authKey === '' ? undefined : digestOf(authKey);
  }

  /** A request to be proxied: any place where an SDK puts its key. */
  allowsProxying(request: IncomingMessage, queryKey: string | undefined): boolean {
    if (this.#digest === undefined) return true;
    const headers = request.headers;
    return (
      this.#matches(bearerToken(headers.authorization)) ||
      this.#matches(single(headers['x-api-key'])) ||
      this.#matches(single(headers['api-key'])) ||
      this.#matches(single(headers['x-goog-api-key'])) ||
      this.#matches(queryKey) ||
      this.#matches(subprotocolKey(headers['sec-websocket-protocol']))
    );
  }

  /** A request to an endpoint of our own: Bearer, or Basic with any user name, for browsers. */
  allowsAdmin(request: IncomingMessage): boolean {
    if (this.#digest === undefined) return true;
    const authorization = request.headers.authorization;
    return this.#matches(bearerToken(authorization)) || this.#matches(basicPassword(authorization));
  }

  /**
   * Digests have equal lengths, so neither the length nor the content of AUTH_KEY shows in time.
   */
  #matches(candidate: string | undefined): boolean {
    if (candidate === undefined || this.#digest === undefined) return false;
    return crypto().timingSafeEqual(digestOf(candidate), this.#digest);
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
