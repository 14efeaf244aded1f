// The rules that a configuration value can be held to: each has its wording for people and a strict
// parser. Knows no variable by name (variables.ts does) and no combination of variables
// (config.ts does).

import { isIPv6 } from 'node:net';
import { parseServerUrl } from './server-url.ts';

/**
 * What a value must be. `parse` gets trimmed text and answers undefined for anything that breaks
 * the rule.
 */
export interface Rule<T> {
  /** Completes the sentence "NAME: must be ...". */
  readonly text: string;
  parse(text: string): T | undefined;
  /** The value in the variable's own unit, where that is not what `parse` returned. */
  show?(value: T): string | number;
}

/** Longest duration accepted, in seconds: setTimeout turns more than 2^31-1 ms into 1 ms. */
const MAX_SECONDS = 2_000_000;

const TRUE_WORDS = ['true', '1', 'yes', 'on'];
const FALSE_WORDS = ['false', '0', 'no', 'off'];

/** RFC 9110 5.6.2: what a method or a header field name is made of. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** A whole decimal number from `min` to `max`; no sign, exponent or fraction. */
export function integer(min: number, max: number): Rule<number> {
  return {
    text: `an integer from ${min} to ${max}`,
    parse: (text) => within(/^\d{1,15}$/.test(text) ? Number(text) : Number.NaN, min, max),
  };
}

/** A duration given in seconds (decimals allowed), returned in whole milliseconds. */
export function seconds(min: number): Rule<number> {
  return {
    text: `a number of seconds from ${min} to ${MAX_SECONDS}`,
    parse: (text) => {
      const value = within(
        /^\d{1,9}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN,
        min,
        MAX_SECONDS,
      );
      return value === undefined ? undefined : Math.round(value * 1000);
    },
    show: (ms) => ms / 1000,
  };
}

/** A size given in MiB (decimals allowed), returned in bytes. */
export function mebibytes(max: number): Rule<number> {
  return {
    text: `a number of MiB from 0 to ${max}`,
    parse: (text) => {
      const value = within(/^\d{1,9}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN, 0, max);
      return value === undefined ? undefined : Math.round(value * 1024 * 1024);
    },
    show: (bytes) => bytes / (1024 * 1024),
  };
}

/** A yes or no, in the spellings that shells and compose files use, in any case. */
export const flag: Rule<boolean> = {
  text: 'true or false (also 1/0, yes/no, on/off)',
  parse: (text) => {
    const word = text.toLowerCase();
    if (TRUE_WORDS.includes(word)) return true;
    return FALSE_WORDS.includes(word) ? false : undefined;
  },
};

/** One of a few words, in any case. */
export function choice<const T extends string>(words: readonly T[]): Rule<T> {
  return {
    text: `one of ${words.join(', ')}`,
    parse: (text) => words.find((word) => word === text.toLowerCase()),
  };
}

/** Permissions of a file, as chmod takes them in octal digits. */
export const fileMode: Rule<number> = {
  text: 'three octal digits, with or without a leading 0, such as 0660',
  parse: (text) => (/^0?[0-7]{3}$/.test(text) ? Number.parseInt(text, 8) : undefined),
  show: (mode) => mode.toString(8).padStart(4, '0'),
};

/** How many worker threads: a number, or `auto`, which is returned as 0. */
export function workerCount(max: number): Rule<number> {
  return {
    text: `auto or an integer from 1 to ${max}`,
    parse: (text) => (text.toLowerCase() === 'auto' ? 0 : integer(1, max).parse(text)),
    show: (count) => (count === 0 ? 'auto' : count),
  };
}

/** Any text without control characters; what it names is checked where it is opened. */
export const path: Rule<string> = {
  text: 'a path',
  parse: (text) => (hasControl(text) ? undefined : text),
};

/**
 * A host name or an address to listen on, IPv6 with or without brackets, or `unix:/path` of a
 * socket.
 */
export const listenHost: Rule<string> = {
  text: 'a host name or an IP address without a port, or unix:/path',
  parse: (text) => {
    if (/^unix:\P{Cc}+$/u.test(text)) return text;
    const bare = /^\[(.+)\]$/.exec(text)?.[1] ?? text;
    if (bare.includes(':')) return isIPv6(bare) ? bare : undefined;
    // A name that ends in a number is an address (WHATWG URL 3.5): 300.1.1.1 is neither.
    const isName = /^[0-9A-Za-z_.-]+$/.test(bare) && URL.canParse(`http://${bare}`);
    return isName ? bare : undefined;
  },
};

/** Where a Redis or Valkey server is, as its clients write it; '' for none. */
export const serverUrl: Rule<string> = {
  text:
    'a redis:// or rediss:// URL such as redis://user:password@host:6379/0, ' +
    'or redis+sentinel://host:26379,host:26379/NAME',
  parse: (text) => (text === '' || parseServerUrl(text) !== undefined ? text : undefined),
};

/** A name in which a hash tag of the server can stand. */
export const fleetName: Rule<string> = {
  text: 'up to 64 letters, digits, and . _ : -',
  parse: (text) => (/^[A-Za-z0-9._:-]{1,64}$/.test(text) ? text : undefined),
};

/** A credential that fits into a header field: visible ASCII (RFC 9110 5.5), no spaces. */
export const credential: Rule<string> = {
  text: 'visible ASCII characters without spaces',
  parse: (text) => (/^[\x21-\x7e]*$/.test(text) ? text : undefined),
};

/** Method or header names, or `*`. */
export const tokens: Rule<readonly string[]> = {
  text: 'a comma-separated list of names, or *',
  parse: (text) => all(splitList(text), (item) => (TOKEN.test(item) ? item : undefined)),
};

/**
 * Browser origins (scheme://host[:port], as in RFC 6454) or `*`. `null` is not an origin to trust.
 */
export const origins: Rule<readonly string[]> = {
  text: 'a comma-separated list of origins such as https://app.example.com, or *',
  parse: (text) =>
    all(splitList(text), (item) => {
      if (item === '*') return item;
      const url = URL.parse(item);
      const plain = url !== null && url.host !== '' && `${url.protocol}//${url.host}`;
      return plain && item.toLowerCase().replace(/\/$/, '') === plain ? plain : undefined;
    }),
};

/** One or more base URLs, without trailing slash; named twice, kept once. */
export const baseUrls: Rule<readonly string[]> = {
  text: 'a comma-separated list of http:// or https:// URLs without user, query or fragment',
  parse: (text) => {
    const urls = all(splitList(text), parseBaseUrl);
    return urls !== undefined && urls.length > 0 ? [...new Set(urls)] : undefined;
  },
};

/** The address of a webhook, which is a secret in itself. */
export const webhookUrl: Rule<string> = {
  text: 'an http or https URL',
  parse: (text) => {
    const url = text === '' ? undefined : URL.parse(text);
    if (url === null || (url !== undefined && !/^https?:$/.test(url.protocol))) return undefined;
    return text;
  },
};

/** Where an outgoing proxy is; without a scheme it is http, as curl has it. */
export const proxyUrl: Rule<string> = {
  text: 'an http, https, socks4, socks4a, socks5 or socks5h URL',
  parse: (text) => {
    if (text === '') return '';
    const full = text.includes('://') ? text : `http://${text}`;
    const url = URL.parse(full);
    const known = ['http:', 'https:', 'socks4:', 'socks4a:', 'socks5:', 'socks5h:'];
    return url !== null && url.hostname !== '' && known.includes(url.protocol) ? full : undefined;
  },
};

/** A way of its own for some upstreams: `HOST=PROXY_URL` or `HOST=direct`. */
export const upstreamProxies: Rule<readonly string[]> = {
  text: 'a comma-separated list of HOST=PROXY_URL or HOST=direct',
  parse: (text) =>
    all(splitList(text), (item) => {
      const [host = '', ...rest] = item.split('=');
      const way = rest.join('=');
      const known = way === 'direct' || (way !== '' && proxyUrl.parse(way) !== undefined);
      return host !== '' && known ? item : undefined;
    }),
};

/** IP addresses and CIDR blocks. */
export const networks: Rule<readonly string[]> = {
  text: 'a comma-separated list of IP addresses or CIDR blocks such as 10.0.0.0/8',
  parse: (text) => all(splitList(text), parseNetwork),
};

/** Comma-separated words, whatever they are. */
export const words: Rule<readonly string[]> = {
  text: 'a comma-separated list',
  parse: splitList,
};

/** Items of a comma-separated list: trimmed, empty ones dropped. */
function splitList(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

/** Every item parsed, or undefined when one of them does not parse. */
function all(items: readonly string[], parse: (item: string) => string | undefined) {
  const parsed = items.map(parse).filter((item) => item !== undefined);
  return parsed.length === items.length ? parsed : undefined;
}

/**
 * One base URL without trailing slash. Credentials belong into the key file, a query would be lost.
 */
function parseBaseUrl(text: string): string | undefined {
  const url = /^https?:\/\//i.test(text) ? URL.parse(text) : null;
  if (url === null || url.username !== '' || url.password !== '') return undefined;
  if (/[?#\s]/.test(text)) return undefined;
  return url.href.replace(/\/+$/, '');
}

function parseNetwork(text: string): string | undefined {
  const [address = '', prefix, ...rest] = text.split('/');
  const v4 = /^(\d{1,3}\.){3}\d{1,3}$/.test(address) && URL.canParse(`http://${address}`);
  const v6 = address.includes(':') && URL.canParse(`http://[${address}]`);
  if ((!v4 && !v6) || rest.length > 0) return undefined;
  if (prefix !== undefined && integer(0, v4 ? 32 : 128).parse(prefix) === undefined)
    return undefined;
  return text;
}

function within(value: number, min: number, max: number): number | undefined {
  return value >= min && value <= max ? value : undefined;
}

function hasControl(text: string): boolean {
  return /\p{Cc}/u.test(text);
}
