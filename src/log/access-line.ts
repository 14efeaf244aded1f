// What one request leaves in the log: its fields, for people (summary first) or for machines (all
// of them named). When a line is due, and that LOG_ENABLE_REQUEST asks for one, is decided where
// requests end.

/** One attempt of a request, as it was judged. */
export interface AccessAttempt {
  readonly upstream: string;
  /** A preview, never a key. */
  readonly key: string;
  /** Verdict kind and reason: `key_dead invalid_key`. */
  readonly verdict: string;
  readonly ms: number;
}

export interface AccessFields {
  readonly id: string;
  readonly client: string;
  readonly method: string;
  /** Path and query as asked; credentials in it are masked by the logger. */
  readonly path: string;
  /** What the client was told; 0 when it left before an answer. */
  readonly status: number;
  /**
   * From the request's arrival to the first byte of the answer's body; null when there was none.
   */
  readonly firstByteMs: number | null;
  readonly totalMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly attempts: readonly AccessAttempt[];
  /** Why the answer ended early, if it did: `client_left`, `truncated`... */
  readonly ended?: string;
}

/**
 * Message and fields of one access line, to be handed to a Logger. Upstream and key are those of
 * the last attempt; attempts are listed only when there was more than one, or one that did not
 * succeed.
 */
export function accessLine(
  access: AccessFields,
  format: 'text' | 'json',
): [message: string, fields: Record<string, unknown>] {
  const last = access.attempts.at(-1);
  const told = access.attempts.length > 1 || (last !== undefined && last.verdict !== 'success');
  const common = {
    first_byte_ms: access.firstByteMs === null ? undefined : Math.round(access.firstByteMs),
    total_ms: Math.round(access.totalMs),
    bytes_in: access.bytesIn,
    bytes_out: access.bytesOut,
    upstream: last?.upstream,
    key: last?.key,
    attempts: told ? attemptsIn(format, access.attempts) : undefined,
    ended: access.ended,
    client: access.client,
    id: access.id,
  };
  if (format === 'text') return [`${access.method} ${access.path} ${access.status}`, common];
  const { method, path, status } = access;
  return ['request', { method, path, status, ...common }];
}

function attemptsIn(format: 'text' | 'json', attempts: readonly AccessAttempt[]): unknown {
  if (format === 'json') return attempts.map((each) => ({ ...each, ms: Math.round(each.ms) }));
  return attempts
    .map((each) => `${each.key}@${each.upstream} ${each.verdict} ${Math.round(each.ms)}ms`)
    .join(' -> ');
}
