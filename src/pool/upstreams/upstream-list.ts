// The upstreams that keys can go to, in shared memory: those of OPENAI_BASE_URL and those that the
// key file names. Append-only and written by the coordinator alone, so an index is good for ever;
// each worker parses an address when it first needs it. Which one is chosen is upstream-pool.ts.

import { type Provider, providerOf } from '../../policy/provider.ts';
import { StatusWords } from '../table/status-word.ts';
import { MAX_PROXIES, PROXY_LIST_BYTES, ProxyList } from './proxy-list.ts';

/** Addresses that one process can learn, over all reloads of its key file. */
export const MAX_UPSTREAMS = 1024;
const MAX_UPSTREAM_BYTES = 512;

/** Where requests go. `href` has no trailing slash. */
export interface Upstream {
  readonly index: number;
  readonly href: string;
  /** Scheme, host and port: where connections lead. */
  readonly origin: string;
  readonly protocol: 'http:' | 'https:';
  /** The origin, and by which way: those of one route share connections. */
  readonly route: string;
  /** Without the brackets of an IPv6 address, as sockets want it. */
  readonly hostname: string;
  readonly port: number;
  /** Value of the Host header: the port only when it is not the scheme's own. */
  readonly host: string;
  /** Path before the client's own; '' or with a leading and no trailing slash. */
  readonly basePath: string;
  readonly provider: Provider;
  /** The outgoing proxy that the key asks for; undefined: as the configuration says. */
  readonly proxy: string | undefined;
}

const COUNT = 0;
const DEFAULTS = 1;
const CURSOR = 2;
const HEADER_BYTES = 128;
const WORDS_AT = HEADER_BYTES;
const FIELDS_AT = WORDS_AT + MAX_UPSTREAMS * 8;
const FIELD = MAX_UPSTREAMS * 4;
const TEXTS_AT = FIELDS_AT + 3 * FIELD;
const PROXIES_AT = TEXTS_AT + MAX_UPSTREAMS * MAX_UPSTREAM_BYTES;

export class UpstreamList {
  /** Breaker status of each. */
  readonly words: StatusWords;
  /** 1: every key was rejected within a minute (see suspicion.ts). */
  readonly suspect: Int32Array;
  /** Keys blacklisted by it since the last success: a hint to look closer. */
  readonly rejections: Int32Array;
  /** The ways that keys name for themselves. */
  readonly proxies: ProxyList;
  readonly #header: Int32Array;
  readonly #length: Int32Array;
  readonly #texts: Buffer;
  readonly #parsed: (Upstream | undefined)[] = [];
  readonly #byWay = new Map<number, Upstream>();

  constructor(buffer: SharedArrayBuffer) {
    const field = (n: number) => new Int32Array(buffer, FIELDS_AT + n * FIELD, MAX_UPSTREAMS);
    this.#header = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    this.words = new StatusWords(buffer, WORDS_AT, MAX_UPSTREAMS);
    this.#length = field(0);
    this.suspect = field(1);
    this.rejections = field(2);
    this.#texts = Buffer.from(buffer, TEXTS_AT, MAX_UPSTREAMS * MAX_UPSTREAM_BYTES);
    this.proxies = new ProxyList(buffer, PROXIES_AT);
  }

  /** Memory for a list whose first entries are `baseUrls`: those for keys without a pin. */
  static create(baseUrls: readonly string[]): SharedArrayBuffer {
    const buffer = new SharedArrayBuffer(PROXIES_AT + PROXY_LIST_BYTES);
    const list = new UpstreamList(buffer);
    for (const url of baseUrls) {
      const href = parseUpstreamUrl(url);
      if (href === null || list.add(href) < 0) throw new RangeError(`not an upstream: ${url}`);
    }
    Atomics.store(list.#header, DEFAULTS, list.count);
    return buffer;
  }

  get count(): number {
    return Atomics.load(this.#header, COUNT);
  }

  /** The first so many are for keys without a pin. */
  get defaults(): number {
    return Atomics.load(this.#header, DEFAULTS);
  }

  /** Whose turn it is among the defaults. */
  get cursor(): number {
    return Atomics.load(this.#header, CURSOR);
  }

  /** Gives the turn to `next`; false when another thread moved on from `from` first. */
  advance(from: number, next: number): boolean {
    return Atomics.compareExchange(this.#header, CURSOR, from, next) === from;
  }

  /**
   * Index of an address as {@link parseUpstreamUrl} gives it, added if need be. Coordinator only.
   * -1: full.
   */
  add(href: string): number {
    const { count } = this;
    for (let index = 0; index < count; index++) if (this.#href(index) === href) return index;
    if (count === MAX_UPSTREAMS || href.length > MAX_UPSTREAM_BYTES) return -1;
    this.#length[count] = this.#texts.write(href, count * MAX_UPSTREAM_BYTES, 'latin1');
    Atomics.store(this.#header, COUNT, count + 1);
    return count;
  }

  /** The same upstream by the way that a key asks for; its connections are not the others'. */
  through(index: number, proxy: number): Upstream {
    const key = index * MAX_PROXIES + proxy;
    const known = this.#byWay.get(key);
    if (known !== undefined) return known;
    const upstream = this.get(index);
    const route = `${upstream.origin} ${proxy}`;
    const way = { ...upstream, route, proxy: this.proxies.get(proxy) };
    this.#byWay.set(key, way);
    return way;
  }

  get(index: number): Upstream {
    const known = this.#parsed[index];
    if (known !== undefined) return known;
    if (index >= this.count) throw new RangeError(`no upstream ${index}`);
    const upstream = describe(index, this.#href(index));
    this.#parsed[index] = upstream;
    return upstream;
  }

  #href(index: number): string {
    const start = index * MAX_UPSTREAM_BYTES;
    return this.#texts.toString('latin1', start, start + (this.#length[index] ?? 0));
  }
}

/**
 * The one spelling of a base URL: lower-case scheme and host, no default port, no trailing slash.
 * Null when it is not plain http or https: with credentials, query or fragment, or too long.
 */
export function parseUpstreamUrl(text: string): string | null {
  // Not URL.canParse, which says yes to some hosts that the constructor then refuses.
  const url = /^https?:\/\//i.test(text) ? URL.parse(text) : null;
  if (url === null) return null;
  if (url.username !== '' || url.password !== '' || /[?#]/.test(text)) return null;
  const href = url.origin + url.pathname.replace(/\/+$/, '');
  return href.length > MAX_UPSTREAM_BYTES ? null : href;
}

function describe(index: number, href: string): Upstream {
  const url = new URL(href);
  const protocol = url.protocol === 'http:' ? 'http:' : 'https:';
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? (protocol === 'http:' ? 80 : 443) : Number(url.port);
  const basePath = url.pathname.replace(/\/+$/, '');
  const provider = providerOf(hostname);
  return {
    index,
    href,
    origin: url.origin,
    route: url.origin,
    protocol,
    hostname,
    port,
    host: url.host,
    basePath,
    provider,
    proxy: undefined,
  };
}
