// What one request leaves in the log: its fields, for people (summary first) or for machines (all
// of them named). The usual line is built without the objects in between: at tens of thousands of
// requests a second these were most of its cost. Lines with something unusual to tell, and coloured
// ones, take the long way.

import {
  createLogger,
  fieldText,
  jsonText,
  type Logger,
  type LoggerOptions,
  type LogLevel,
  messageText,
} from './log.ts';
import { Remembered } from './remembered.ts';

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
  /** For a place or a busy key, where it had to wait. */
  readonly waitedMs?: number | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly attempts: readonly AccessAttempt[];
  /** Why the answer ended early, if it did: `client_left`, `truncated`... */
  readonly ended?: string | undefined;
  /** The client that the credential names, where clients are told apart. */
  readonly clientName?: string | undefined;
  /** The group whose keys served, where there are several. */
  readonly group?: string | undefined;
}

export class AccessLog {
  readonly #log: Logger;
  readonly #options: LoggerOptions;
  readonly #isPlain: boolean;
  readonly #messages = new Remembered(messageText);
  readonly #fields: Remembered;
  #timeMs = 0;
  #time = '';

  constructor(options: LoggerOptions) {
    this.#options = options;
    this.#fields = new Remembered(options.format === 'json' ? jsonText : fieldText);
    this.#log = createLogger(options);
    const isHeard = options.level === 'debug' || options.level === 'info';
    this.#isPlain = isHeard && !(options.format === 'text' && options.colour);
  }

  /** Writes a request's line. */
  write(level: Extract<LogLevel, 'info' | 'error'>, access: AccessFields): void {
    const { attempts, ended, firstByteMs } = access;
    const only = attempts.length === 1 ? attempts[0] : undefined;
    const isUsual =
      ended === undefined &&
      access.waitedMs === undefined &&
      only?.verdict === 'success' &&
      firstByteMs !== null;
    if (!isUsual || !this.#isPlain || level !== 'info') {
      this.#log[level](...accessLine(access, this.#options.format));
      return;
    }
    const isJson = this.#options.format === 'json';
    this.#options.write(isJson ? this.#json(access) : this.#text(access));
  }

  #text(access: AccessFields): string {
    const { method, path, status, attempts, client, id } = access;
    const { firstByteMs, totalMs, bytesIn, bytesOut } = access;
    const upstream = this.#fields.of(attempts[0]?.upstream ?? '');
    return (
      `${this.#now()} INFO  ${this.#messages.of(`${method} ${path} ${status}`)}` +
      ` first_byte_ms=${Math.round(firstByteMs ?? 0)} total_ms=${Math.round(totalMs)}` +
      ` bytes_in=${bytesIn} bytes_out=${bytesOut}` +
      ` upstream=${upstream} key=${this.#fields.of(attempts[0]?.key ?? '')}` +
      `${this.#named(' client_name=', access.clientName)}${this.#named(' group=', access.group)}` +
      ` client=${this.#fields.of(client)} id=${fieldText(id)}\n`
    );
  }

  #json(access: AccessFields): string {
    const { method, path, status, attempts, client, id } = access;
    const { firstByteMs, totalMs, bytesIn, bytesOut } = access;
    const upstream = this.#fields.of(attempts[0]?.upstream ?? '');
    return (
      `{"time":"${this.#now()}","level":"info","message":"request"` +
      `,"method":${this.#fields.of(method)},"path":${this.#fields.of(path)},"status":${status}` +
      `,"first_byte_ms":${Math.round(firstByteMs ?? 0)},"total_ms":${Math.round(totalMs)}` +
      `,"bytes_in":${bytesIn},"bytes_out":${bytesOut}` +
      `,"upstream":${upstream},"key":${this.#fields.of(attempts[0]?.key ?? '')}` +
      `${this.#named(',"client_name":', access.clientName)}` +
      `${this.#named(',"group":', access.group)}` +
      `,"client":${this.#fields.of(client)},"id":${jsonText(id)}}\n`
    );
  }

  #named(name: string, value: string | undefined): string {
    return value === undefined ? '' : name + this.#fields.of(value);
  }

  /** The time as ISO 8601, made once a millisecond. */
  #now(): string {
    const nowMs = this.#options.clock();
    if (nowMs !== this.#timeMs) {
      this.#timeMs = nowMs;
      this.#time = new Date(nowMs).toISOString();
    }
    return this.#time;
  }
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
    waited_ms: access.waitedMs,
    bytes_in: access.bytesIn,
    bytes_out: access.bytesOut,
    upstream: last?.upstream,
    key: last?.key,
    attempts: told ? attemptsIn(format, access.attempts) : undefined,
    ended: access.ended,
    client_name: access.clientName,
    group: access.group,
    client: access.client,
    id: access.id,
  };
  if (format === 'text') return [`${access.method} ${access.path} ${access.status}`, common];
  const { method, path, status } = access;
  return ['request', { method, path, status, ...common }];
}

function attemptsIn(format: 'text' | 'json', attempts: readonly AccessAttempt[]): unknown {
  if (format === 'json') {
    return attempts.map(({ upstream, key, verdict, ms }) => {
      return { upstream, key, verdict, ms: Math.round(ms) };
    });
  }
  return attempts
    .map((each) => `${each.key}@${each.upstream} ${each.verdict} ${Math.round(each.ms)}ms`)
    .join(' -> ');
}
