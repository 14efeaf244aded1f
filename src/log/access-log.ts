// What one request leaves in the log: its fields, for machines (all of them named) or for people
// (short: a request that succeeds stays under 160 columns). On a terminal, each attempt of a failed
// request gets a line of its own; files and pipes keep one line per request. The usual line is
// built without intermediate objects: at tens of thousands of requests per second these were most
// of its cost. Lines with something unusual in them, and coloured ones, take the slow path.

import {
  createLogger,
  fieldText,
  jsonText,
  type Logger,
  type LoggerOptions,
  type LogLevel,
  messageText,
} from './log.ts';
import { MAX_REMEMBERED_CHARS, Remembered } from './remembered.ts';

/** Upstreams whose keys' texts are kept as they are written. */
const MAX_UPSTREAMS = 64;

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
  /** The number in an id that its worker made; -1: the id is the client's. */
  readonly serial?: number;
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
  /** Lines below the next one. */
  #below = '';
  readonly #options: LoggerOptions;
  readonly #isPlain: boolean;
  readonly #plainPaths = new Remembered(plainPath);
  readonly #fields: Remembered;
  /** By upstream: a key and where it was asked. */
  readonly #places = new Map<string, Remembered>();
  #timeMs = 0;
  #time = '';

  constructor(options: LoggerOptions) {
    this.#options = options;
    this.#fields = new Remembered(options.format === 'json' ? jsonText : fieldText);
    const write = (line: string) => options.write(line + this.#below);
    this.#log = createLogger({ ...options, write });
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
      this.#writeLong(level, access);
      return;
    }
    const isJson = this.#options.format === 'json';
    this.#options.write(isJson ? this.#json(access) : this.#text(access));
  }

  #writeLong(level: Extract<LogLevel, 'info' | 'error'>, access: AccessFields): void {
    const { format, colour } = this.#options;
    const [message, fields] = accessLine(access, format);
    const isBroken = format === 'text' && colour && access.attempts.length > 1;
    this.#below = isBroken ? trailLines(access.attempts) : '';
    this.#log[level](message, isBroken ? { ...fields, attempts: undefined } : fields);
  }

  #text(access: AccessFields): string {
    const { client, id, attempts } = access;
    const shownId = isOwnId(access) ? id : fieldText(id);
    return (
      `${this.#now()} INFO  ${this.#message(access)}` +
      ` ms=${timesText(access)} bytes=${sizesText(access)}` +
      ` key=${this.#place(attempts[0])}` +
      `${this.#named(' client_name=', access.clientName)}${this.#named(' group=', access.group)}` +
      ` client=${this.#fields.of(client)} id=${shownId}\n`
    );
  }

  #message({ method, path, status }: AccessFields): string {
    const message = `${method} ${path} ${status}`;
    const isPlain = path.length <= MAX_REMEMBERED_CHARS && this.#plainPaths.of(path) === path;
    return isPlain ? message : messageText(message);
  }

  /** Looked up twice, since joining key and upstream for one look-up would cost more. */
  #place(attempt: AccessAttempt | undefined): string {
    const { upstream = '', key = '' } = attempt ?? {};
    let places = this.#places.get(upstream);
    if (places === undefined) {
      if (this.#places.size >= MAX_UPSTREAMS) this.#places.clear();
      places = new Remembered((asked) => fieldText(placeText({ key: asked, upstream })));
      this.#places.set(upstream, places);
    }
    return places.of(key);
  }

  #json(access: AccessFields): string {
    const { method, path, status, attempts, client, id } = access;
    const { firstByteMs, totalMs, bytesIn, bytesOut } = access;
    const shownId = isOwnId(access) ? `"${id}"` : jsonText(id);
    const upstream = this.#fields.of(attempts[0]?.upstream ?? '');
    return (
      `{"time":"${this.#now()}","level":"info","message":"request"` +
      `,"method":${this.#fields.of(method)},"path":${this.#fields.of(path)},"status":${status}` +
      `,"first_byte_ms":${Math.round(firstByteMs ?? 0)},"total_ms":${Math.round(totalMs)}` +
      `,"bytes_in":${bytesIn},"bytes_out":${bytesOut}` +
      `,"upstream":${upstream},"key":${this.#fields.of(attempts[0]?.key ?? '')}` +
      `${this.#named(',"client_name":', access.clientName)}` +
      `${this.#named(',"group":', access.group)}` +
      `,"client":${this.#fields.of(client)},"id":${shownId}}\n`
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

/** Message and fields of one access line, to be handed to a Logger. */
export function accessLine(
  access: AccessFields,
  format: 'text' | 'json',
): [message: string, fields: Record<string, unknown>] {
  const { method, path, status } = access;
  return format === 'text'
    ? [`${method} ${path} ${status}`, textFields(access)]
    : ['request', { method, path, status, ...jsonFields(access) }];
}

/**
 * Upstream and key are those of the last attempt; attempts are listed only when there was more than
 * one, or one that did not succeed.
 */
function jsonFields(access: AccessFields): Record<string, unknown> {
  const last = access.attempts.at(-1);
  const told = access.attempts.length > 1 || (last !== undefined && last.verdict !== 'success');
  return {
    first_byte_ms: access.firstByteMs === null ? undefined : Math.round(access.firstByteMs),
    total_ms: Math.round(access.totalMs),
    waited_ms: access.waitedMs,
    bytes_in: access.bytesIn,
    bytes_out: access.bytesOut,
    upstream: last?.upstream,
    key: last?.key,
    attempts: told
      ? access.attempts.map(({ upstream, key, verdict, ms }) => {
          return { upstream, key, verdict, ms: Math.round(ms) };
        })
      : undefined,
    ended: access.ended,
    client_name: access.clientName,
    group: access.group,
    client: access.client,
    id: access.id,
  };
}

function textFields(access: AccessFields): Record<string, unknown> {
  const { attempts } = access;
  const only = attempts.length === 1 ? attempts[0]?.verdict : undefined;
  return {
    ms: timesText(access),
    waited_ms: access.waitedMs,
    bytes: sizesText(access),
    key: keyText(access),
    verdict: only === 'success' ? undefined : only,
    attempts: attempts.length > 1 ? attempts.map(attemptText).join(' -> ') : undefined,
    ended: access.ended,
    client_name: access.clientName,
    group: access.group,
    client: access.client,
    id: access.id,
  };
}

/** Until the first byte of the answer, and until its end. */
function timesText({ firstByteMs, totalMs }: AccessFields): string {
  return `${firstByteMs === null ? '-' : Math.round(firstByteMs)}/${Math.round(totalMs)}`;
}

/** What came from the client, and what went to it. */
function sizesText({ bytesIn, bytesOut }: AccessFields): string {
  return `${sizeText(bytesIn)}/${sizeText(bytesOut)}`;
}

/** `999`, `1.2k`, `12k`, `1.2M`: at most four characters below a terabyte. */
function sizeText(bytes: number): string {
  if (bytes < 1_000) return String(bytes);
  let size = bytes / 1_000;
  let unit = 0;
  // What would be rounded to 1000 belongs to the next unit.
  for (; size >= 999.5 && unit < SIZE_UNITS.length - 1; unit++) size /= 1_000;
  return `${size < 9.95 ? size.toFixed(1) : Math.round(size)}${SIZE_UNITS[unit]}`;
}

const SIZE_UNITS = ['k', 'M', 'G', 'T'] as const;

/** The key that was asked last, and where. */
function keyText({ attempts }: AccessFields): string | undefined {
  const last = attempts.at(-1);
  return last === undefined ? undefined : placeText(last);
}

/** The path, if it stands in a message as it is; '': something in it does not. */
function plainPath(path: string): string {
  const message = `GET ${path} 200`;
  return messageText(message) === message ? path : '';
}

/** It needs no look: letters and digits, and no key. */
function isOwnId({ serial = -1 }: AccessFields): boolean {
  return serial >= 0;
}

function placeText({ key, upstream }: Pick<AccessAttempt, 'key' | 'upstream'>): string {
  return `${key}@${upstream.replace(/^https?:\/\//, '')}`;
}

function attemptText(attempt: AccessAttempt): string {
  return `${placeText(attempt)} ${attempt.verdict} ${Math.round(attempt.ms)}ms`;
}

/** Attempts below each other, in columns. */
function trailLines(attempts: readonly AccessAttempt[]): string {
  const rows = attempts.map((attempt) => ({
    place: messageText(placeText(attempt)),
    verdict: messageText(attempt.verdict),
    ms: `${Math.round(attempt.ms)}ms`,
  }));
  const width = Math.max(...rows.map(({ place }) => place.length));
  const timeWidth = Math.max(...rows.map(({ ms }) => ms.length));
  return rows
    .map(({ place, verdict, ms }, at) => {
      return `    ${at + 1}. ${place.padEnd(width)}  ${ms.padStart(timeWidth)}  ${verdict}\n`;
    })
    .join('');
}
