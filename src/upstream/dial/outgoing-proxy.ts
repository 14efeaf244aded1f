// Which outgoing proxy, if any, a connection goes through: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and
// NO_PROXY as curl reads them (curl(1), "Environment variables" and --noproxy). Talking to the
// proxy is connect-tunnel.ts and socks.ts.

import { BlockList, isIP } from 'node:net';
import { ConfigError } from '../../errors.ts';

/** What the configuration says; '' = none. */
export interface ProxySettings {
  readonly http: string;
  readonly https: string;
  readonly all: string;
  /**
   * Hosts reached directly: names (with all below them), addresses, CIDR blocks, each with an
   * optional port; `*` = all.
   */
  readonly no: readonly string[];
  /** `HOST=PROXY_URL` or `HOST=direct`, HOST with an optional port: comes before all of these. */
  readonly upstreams: readonly string[];
}

const DIRECT = 'direct';

export type ProxyScheme = 'http' | 'https' | 'socks4' | 'socks4a' | 'socks5' | 'socks5h';

export interface OutgoingProxy {
  readonly scheme: ProxyScheme;
  readonly hostname: string;
  readonly port: number;
  /** Decoded; '' = none. */
  readonly username: string;
  readonly password: string;
  /** For people: without credentials. */
  readonly name: string;
}

/** Where a connection is to end. An IPv6 address carries no brackets. */
export interface Destination {
  readonly protocol: 'http:' | 'https:';
  readonly hostname: string;
  readonly port: number;
  /** The proxy that a key asks for, before what the configuration says. */
  readonly proxy?: string | undefined;
}

const SCHEMES: readonly string[] = ['http', 'https', 'socks4', 'socks4a', 'socks5', 'socks5h'];
/** curl's default for every kind but https. */
const DEFAULT_PORT = 1080;

/**
 * Reads a proxy URL; without a scheme it is http, as in curl.
 * @throws ConfigError that names the variable, never the value: it may hold a password.
 */
export function parseProxyUrl(text: string, variable: string): OutgoingProxy {
  const full = text.includes('://') ? text : `http://${text}`;
  const scheme = full.slice(0, full.indexOf('://')).toLowerCase();
  // A special scheme gives every kind the same parsing of host, port and escapes, and hides no port
  // but its own.
  const url = URL.parse(`ws://${full.slice(full.indexOf('://') + 3)}`);
  if (!SCHEMES.includes(scheme) || url === null || url.hostname === '') {
    throw new ConfigError([
      `${variable}: must be [scheme://][user:password@]host[:port] with scheme ${SCHEMES.join(', ')}`,
    ]);
  }
  const hostname = url.hostname.replace(/^\[|\]$/g, '');
  const explicit80 = /^[^/?#]*:80(?:[/?#]|$)/.test(full.slice(full.indexOf('://') + 3));
  const implied = explicit80 ? 80 : scheme === 'https' ? 443 : DEFAULT_PORT;
  const port = url.port === '' ? implied : Number(url.port);
  return {
    scheme: scheme as ProxyScheme,
    hostname,
    port,
    username: decoded(url.username),
    password: decoded(url.password),
    name: `${scheme}://${url.hostname}:${port}`,
  };
}

/** Chooses for each destination; everything is parsed once, here. */
export class ProxyChoice {
  readonly #http: OutgoingProxy | null;
  readonly #https: OutgoingProxy | null;
  readonly #direct: (destination: Destination) => boolean;
  readonly #own: readonly OwnWay[];

  /** @throws ConfigError for a proxy URL that does not parse. */
  constructor(settings: ProxySettings) {
    const all = parsed(settings.all, 'ALL_PROXY');
    this.#http = parsed(settings.http, 'HTTP_PROXY') ?? all;
    this.#https = parsed(settings.https, 'HTTPS_PROXY') ?? all;
    this.#direct = directRule(settings.no);
    this.#own = settings.upstreams.map(ownWay);
  }

  /** The proxy to go through; null: straight to the destination. */
  for(destination: Destination): OutgoingProxy | null {
    if (destination.proxy !== undefined) return parseProxyUrl(destination.proxy, 'proxy=');
    const own = this.#own.find(({ matches }) => matches(destination));
    if (own !== undefined) return own.proxy;
    const proxy = destination.protocol === 'https:' ? this.#https : this.#http;
    return proxy === null || this.#direct(destination) ? null : proxy;
  }
}

function parsed(text: string, variable: string): OutgoingProxy | null {
  return text === '' ? null : parseProxyUrl(text, variable);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** One upstream's own way: a proxy, or none. */
interface OwnWay {
  readonly matches: (destination: Destination) => boolean;
  readonly proxy: OutgoingProxy | null;
}

function ownWay(entry: string): OwnWay {
  const at = entry.indexOf('=');
  const way = entry.slice(at + 1);
  const proxy = way === DIRECT ? null : parseProxyUrl(way, 'UPSTREAM_PROXIES');
  return { matches: oneRule(entry.slice(0, at)), proxy };
}

/** NO_PROXY as one question. */
function directRule(entries: readonly string[]): (destination: Destination) => boolean {
  const rules = entries.flatMap((entry) => entry.split(/[\s,]+/)).filter((entry) => entry !== '');
  if (rules.includes('*')) return () => true;
  const tests = rules.map(oneRule);
  return (destination) => tests.some((test) => test(destination));
}

function oneRule(rule: string): (destination: Destination) => boolean {
  const { host, port } = splitPort(rule.toLowerCase());
  const matches = hostRule(host);
  return (destination) =>
    (port === null || port === destination.port) &&
    matches(destination.hostname.toLowerCase().replace(/\.$/, ''));
}

function hostRule(host: string): (hostname: string) => boolean {
  const [network = '', bits] = host.split('/');
  const family = isIP(network);
  if (family !== 0) {
    const type = family === 6 ? 'ipv6' : 'ipv4';
    const block = new BlockList();
    const length = bits === undefined || bits === '' ? (family === 6 ? 128 : 32) : Number(bits);
    if (!Number.isInteger(length) || length < 0 || length > (family === 6 ? 128 : 32))
      return () => false;
    block.addSubnet(network, length, type);
    return (hostname) => {
      const kind = isIP(hostname);
      return kind !== 0 && block.check(hostname, kind === 6 ? 'ipv6' : 'ipv4');
    };
  }
  const name = host.replace(/^\*?\./, '').replace(/\.$/, '');
  return (hostname) => name !== '' && (hostname === name || hostname.endsWith(`.${name}`));
}

/** `host:port`, `[v6]:port`, or a host alone; a bare IPv6 address has colons and no port. */
function splitPort(rule: string): { host: string; port: number | null } {
  const bracketed = /^\[([^\]]*)\](?::(\d+))?$/.exec(rule);
  const plain = bracketed ?? /^([^:]*)(?::(\d+))?$/.exec(rule);
  if (plain === null) return { host: rule, port: null };
  return { host: plain[1] ?? '', port: plain[2] === undefined ? null : Number(plain[2]) };
}
