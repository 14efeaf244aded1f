// The request target on its way through: path and query byte for byte, the client's `key` parameter
// out, the upstream's base path in front. Strings only.

import { rememberLast } from './remember-last.ts';

/** A client's request target, taken apart once per request. */
export interface RequestTarget {
  /** Begins with `/`; percent-encoding as it came. */
  readonly path: string;
  /**
   * What follows `?`, up to the client's `key` parameter if there is one; undefined without a `?`.
   */
  readonly query: string | undefined;
  /** What follows that parameter. */
  readonly queryAfterKey: string;
  /** The client's credential in the query, percent-decoded; undefined when it sent none. */
  readonly key: string | undefined;
}

/** Splits an origin-form or absolute-form target (RFC 9112 3.2); undefined for any other form. */
export function parseTarget(url: string): RequestTarget | undefined {
  const target = url.charCodeAt(0) === 47 ? url : originForm(url);
  if (target === undefined) return undefined;
  const mark = target.indexOf('?');
  if (mark < 0) return { path: target, query: undefined, queryAfterKey: '', key: undefined };
  const query = target.slice(mark + 1);
  return { path: target.slice(0, mark), ...splitAtKey(query) };
}

function originForm(url: string): string | undefined {
  const match = /^https?:\/\/[^/?#]*(.*)$/i.exec(url);
  if (match === null) return undefined;
  const rest = match[1] ?? '';
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** Whether `key` may stand in a query, in any spelling: most queries are done here. */
const MAY_HAVE_KEY = /k|%(?:25)*[46]b/i;

/**
 * A second `key` parameter is a credential as well, and goes; so does one that only some servers
 * would read as such: in capitals, percent-encoded, or after a semicolon.
 */
function splitAtKey(query: string): Omit<RequestTarget, 'path'> {
  const whole = { query, queryAfterKey: '', key: undefined };
  if (!MAY_HAVE_KEY.test(query)) return whole;
  // Pairs at even places, what separates them at odd ones.
  const parts = query.split(/([&;])/);
  let key: string | undefined;
  let before = '';
  let after = '';
  for (let i = 0; i < parts.length; i += 2) {
    const pair = parts[i] as string;
    if (isKey(pair)) key ??= decode(pair.slice(pair.indexOf('=') + 1));
    else if (key === undefined) before += `${i === 0 ? '' : parts[i - 1]}${pair}`;
    else after += `${after === '' ? '' : parts[i - 1]}${pair}`;
  }
  return key === undefined ? whole : { query: before, queryAfterKey: after, key };
}

function isKey(pair: string): boolean {
  const end = pair.indexOf('=');
  return (
    end >= 3 &&
    decode(decode(pair.slice(0, end)))
      .trim()
      .toLowerCase() === 'key'
  );
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value.replaceAll('+', ' '));
  } catch {
    return value;
  }
}

/** A base path's last segment that is a version, as in `/v1` or `/openai/v1beta`. */
const VERSION_SEGMENT = /\/v\d[^/]*$/;

/**
 * The target for an upstream: base path + client's path + query. A version segment that ends the
 * base path and also begins the client's path is sent once.
 * @param queryKey the leased key when it travels in the query, else undefined
 */
export function upstreamTarget(
  basePath: string,
  target: RequestTarget,
  queryKey: string | undefined,
): string {
  let path = target.path;
  const version = basePath === '' ? undefined : VERSION_SEGMENT.exec(basePath)?.[0];
  if (version !== undefined && path.startsWith(version)) {
    const next = path.charCodeAt(version.length);
    if (next === 47 || Number.isNaN(next)) path = path.slice(version.length);
  }
  const query = withKey(target, queryKey);
  return query === undefined ? basePath + path : `${basePath}${path}?${query}`;
}

/** Dots and slashes in any of their spellings, or a percent sign that may hide one. */
const MAY_CLIMB = /\.\.|%2e|%25/i;
const mayClimb = rememberLast((path) => MAY_CLIMB.test(path));

/**
 * Whether the target would leave the upstream's base path, by dot segments (RFC 3986 5.2.4) in any
 * spelling that a server may undo: encoded once or twice, between backslashes, with parameters or
 * before a fragment, which no target has (RFC 9112 3.2).
 */
export function leavesBase(basePath: string, target: RequestTarget): boolean {
  if (!mayClimb(target.path)) return false;
  const sent = upstreamTarget(basePath, { ...target, query: undefined, key: undefined }, undefined);
  const own = sent
    .slice(basePath.length)
    .replace(/%(?:25)+/gi, '%')
    .replace(/%2e/gi, '.');
  let depth = 0;
  for (const segment of own.split('/')) {
    // Some servers take these for slashes, others for a part of the name: each `..` between them
    // climbs, and all their names together lead down once.
    const names = segment.split(/%2f|%5c|\\/i).map((part) => part.split(/;|%3b|#/i, 1)[0]);
    depth -= names.filter((name) => name === '..').length;
    if (depth < 0) return true;
    if (names.some((name) => name !== '' && name !== '.' && name !== '..')) depth += 1;
  }
  return false;
}

/** The target as it may be logged: without the value of the client's key. */
export function loggedTarget({ path, query, queryAfterKey, key }: RequestTarget): string {
  if (query === undefined) return path;
  const parts = [query, key === undefined ? '' : 'key=****', queryAfterKey];
  return `${path}?${parts.filter((part) => part !== '').join('&')}`;
}

/** The leased key stands where the client's own stood, or last. */
function withKey(target: RequestTarget, queryKey: string | undefined): string | undefined {
  const { query, queryAfterKey, key } = target;
  if (key === undefined && queryKey === undefined) return query;
  const pair = queryKey === undefined ? '' : `key=${encodeURIComponent(queryKey)}`;
  const parts = [query ?? '', pair, queryAfterKey].filter((part) => part !== '');
  return parts.length === 0 ? undefined : parts.join('&');
}
