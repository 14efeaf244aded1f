// The access log: one line a request, the same line that a Logger would make of accessLine's
// fields, built without the objects in between: at tens of thousands of requests a second these
// were most of its cost. Lines with something unusual to tell, and coloured ones, take the long
// way.

import { type AccessFields, accessLine } from './access-line.ts';
import {
  createLogger,
  fieldText,
  jsonText,
  type Logger,
  type LoggerOptions,
  type LogLevel,
  messageText,
} from './log.ts';

/** Paths and upstreams repeat from line to line: what became of so many of them is remembered. */
const MAX_REMEMBERED = 256;
/** Longer texts are not worth remembering. */
const MAX_REMEMBERED_CHARS = 256;

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
    const isUsual = ended === undefined && only?.verdict === 'success' && firstByteMs !== null;
    if (!isUsual || !this.#isPlain || level !== 'info') {
      this.#log[level](...accessLine(access, this.#options.format));
      return;
    }
    const isJson = this.#options.format === 'json';
    this.#options.write(isJson ? this.#json(access) : this.#text(access));
  }

  #text({ method, path, status, attempts, client, id, ...numbers }: AccessFields): string {
    const { firstByteMs, totalMs, bytesIn, bytesOut } = numbers;
    const upstream = this.#fields.of(attempts[0]?.upstream ?? '');
    return (
      `${this.#now()} INFO  ${this.#messages.of(`${method} ${path} ${status}`)}` +
      ` first_byte_ms=${Math.round(firstByteMs ?? 0)} total_ms=${Math.round(totalMs)}` +
      ` bytes_in=${bytesIn} bytes_out=${bytesOut}` +
      ` upstream=${upstream} key=${this.#fields.of(attempts[0]?.key ?? '')}` +
      ` client=${this.#fields.of(client)} id=${fieldText(id)}\n`
    );
  }

  #json({ method, path, status, attempts, client, id, ...numbers }: AccessFields): string {
    const { firstByteMs, totalMs, bytesIn, bytesOut } = numbers;
    const upstream = this.#fields.of(attempts[0]?.upstream ?? '');
    return (
      `{"time":"${this.#now()}","level":"info","message":"request"` +
      `,"method":${this.#fields.of(method)},"path":${this.#fields.of(path)},"status":${status}` +
      `,"first_byte_ms":${Math.round(firstByteMs ?? 0)},"total_ms":${Math.round(totalMs)}` +
      `,"bytes_in":${bytesIn},"bytes_out":${bytesOut}` +
      `,"upstream":${upstream},"key":${this.#fields.of(attempts[0]?.key ?? '')}` +
      `,"client":${this.#fields.of(client)},"id":${jsonText(id)}}\n`
    );
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

/** A pure function of texts that repeat. */
class Remembered {
  readonly #make: (text: string) => string;
  readonly #known = new Map<string, string>();

  constructor(make: (text: string) => string) {
    this.#make = make;
  }

  of(text: string): string {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const made = this.#make(text);
    if (text.length > MAX_REMEMBERED_CHARS) return made;
    if (this.#known.size >= MAX_REMEMBERED) this.#known.clear();
    this.#known.set(text, made);
    return made;
  }
}
