// The request target on its way through: path and query byte for byte, the client's `key` parameter out,
// the upstream's base path in front. Decides strings only.

/** A client's request target, taken apart once per request. */
export interface RequestTarget {
  /** Begins with `/`; percent-encoding as it came. */
  readonly path: string;
  /** What follows `?`, without any `key` parameter; undefined without a `?`. */
  readonly query: string | undefined;
  /** The client's credential in the query, percent-decoded; undefined when it sent none. */
  readonly key: string | undefined;
}

/** Splits an origin-form or absolute-form target (RFC 9112 3.2); undefined for any other form. */
export function parseTarget(url: string): RequestTarget | undefined {
  const target = url.charCodeAt(0) === 47 ? url : originForm(url);
  if (target === undefined) return undefined;
  const mark = target.indexOf('?');
  if (mark < 0) return { path: target, query: undefined, key: undefined };
  const path = target.slice(0, mark);
  const query = target.slice(mark + 1);
  if (!query.includes('key=')) return { path, query, key: undefined };
  return { path, ...withoutKey(query) };
}

function originForm(url: string): string | undefined {
  const match = /^https?:\/\/[^/?#]*(.*)$/i.exec(url);
  if (match === null) return undefined;
  const rest = match[1] ?? '';
  return rest.startsWith('/') ? rest : `/${rest}`;
}

function withoutKey(query: string): { query: string | undefined; key: string | undefined } {
  const kept: string[] = [];
  let key: string | undefined;
  for (const pair of query.split('&')) {
    if (pair.startsWith('key=')) key ??= decode(pair.slice(4));
    else kept.push(pair);
  }
  if (key === undefined) return { query, key };
  return { query: kept.length === 0 ? undefined : kept.join('&'), key };
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
 * The target for an upstream: base path + client's path + query. A version segment that ends the base
 * path and also begins the client's path is sent once.
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
  path = basePath + path;
  if (queryKey === undefined) return target.query === undefined ? path : `${path}?${target.query}`;
  const pair = `key=${encodeURIComponent(queryKey)}`;
  return target.query === undefined ? `${path}?${pair}` : `${path}?${target.query}&${pair}`;
}
