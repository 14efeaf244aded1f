// Whether a request for one of our own endpoints may come from a web page: only from one that this
// program itself served. A browser carries its user's place in the network, and a password that it
// remembers, to any page that asks.

import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { OwnError } from '../proxy/answer/own-answer.ts';
import { CROSS_SITE, FOREIGN_HOST } from '../proxy/answer/own-errors.ts';

/** What the pages of other origins, and names that lead here by DNS, may not do. */
export class OwnSite {
  readonly #onLoopback: boolean;
  readonly #allowedHosts: ReadonlySet<string>;

  /**
   * @param host HOST, where this program listens
   * @param allowedHosts ALLOWED_HOSTS: further names under which it is asked for
   */
  constructor(host: string, allowedHosts: readonly string[]) {
    this.#onLoopback = isLoopback(host);
    this.#allowedHosts = new Set(allowedHosts.map((name) => name.toLowerCase()));
  }

  /** What is wrong with where a request comes from; undefined: nothing. */
  refusal({ headers }: IncomingMessage): OwnError | undefined {
    const host = headers.host ?? '';
    const name = hostname(host);
    if (this.#onLoopback && name !== '' && !isLoopback(name) && !this.#allowedHosts.has(name)) {
      return FOREIGN_HOST;
    }
    // Fetch metadata: sent by every browser of today, and a page cannot change it.
    const site = headers['sec-fetch-site'];
    if (site === 'cross-site' || site === 'same-site') return CROSS_SITE;
    const { origin } = headers;
    if (origin !== undefined && !isSameOrigin(origin, host)) return CROSS_SITE;
    return undefined;
  }

  /**
   * What more is wrong with a request that changes something where no password is asked for: a page
   * under a name of its own may have had that name moved here (DNS rebinding), and then looks like
   * one of ours. Over plain http an image of a page has no more than a Referer to tell it by.
   */
  refusalOfChange({ headers }: IncomingMessage): OwnError | undefined {
    const { host = '', origin, referer } = headers;
    if (referer !== undefined && !isSameOrigin(referer, host)) return CROSS_SITE;
    const name = hostname(host);
    const isPage = (origin ?? referer) !== undefined || headers['sec-fetch-site'] === 'same-origin';
    return isPage && !isLoopback(name) && !this.#allowedHosts.has(name) ? FOREIGN_HOST : undefined;
  }
}

/** By host and port: a TLS proxy in front changes the scheme. `null` is the origin of a sandbox. */
function isSameOrigin(origin: string, host: string): boolean {
  const url = URL.parse(origin);
  return url !== null && url.host === withoutDefaultPort(host.toLowerCase(), url.protocol);
}

function withoutDefaultPort(host: string, protocol: string): string {
  return host.replace(protocol === 'https:' ? /:443$/ : /:80$/, '');
}

/** A Host field's name, without port and brackets. */
function hostname(host: string): string {
  return host
    .toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

/** RFC 6761 6.3: `localhost` and what is below it are loopback by name. */
function isLoopback(host: string): boolean {
  const name = hostname(host.includes(':') && isIP(host) === 6 ? `[${host}]` : host);
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  return (isIP(name) === 4 && name.startsWith('127.')) || name === '::1';
}
