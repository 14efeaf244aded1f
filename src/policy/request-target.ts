// The request target on its way through: path and query byte for byte, the client's `key` parameter
// out, the upstream's base path in front. Strings only.

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

/** A second `key` parameter is a credential as well, and goes. */
function splitAtKey(query: string): Omit<RequestTarget, 'path'> {
  const whole = { query, queryAfterKey: '', key: undefined };
  if (!query.includes('key=')) return whole;
  const pairs = query.split('&');
  const at = pairs.findIndex(isKey);
  if (at < 0) return whole;
  const after = pairs.slice(at + 1).filter((pair) => !isKey(pair));
  const key = decode((pairs[at] as string).slice('key='.length));
  return { query: pairs.slice(0, at).join('&'), queryAfterKey: after.join('&'), key };
}

function isKey(pair: string): boolean {
  return pair.startsWith('key=');
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

/** The leased key stands where the client's own stood, or last. */
function withKey(target: RequestTarget, queryKey: string | undefined): string | undefined {
  const { query, queryAfterKey, key } = target;
  if (key === undefined && queryKey === undefined) return query;
  const pair = queryKey === undefined ? '' : `key=${encodeURIComponent(queryKey)}`;
  const parts = [query ?? '', pair, queryAfterKey].filter((part) => part !== '');
  return parts.length === 0 ? undefined : parts.join('&');
}
