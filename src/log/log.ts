// How a log line looks: text for people or one JSON object, with every string redacted and no way
// to forge a line. What is worth a line, and at which level, is the caller's decision; where lines
// go is log-sink.ts.

import { redact } from '../policy/redact.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

export interface LoggerOptions {
  readonly level: LogLevel;
  readonly format: 'text' | 'json';
  /** ANSI colours; only text has them. */
  readonly colour: boolean;
  /** Takes one whole line, newline included. */
  readonly write: (line: string) => void;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
}

type Fields = Readonly<Record<string, unknown>>;
type Line = (level: LogLevel, message: string, fields: Fields) => string;

/**
 * Longest string that one field may bring; more is cut, so that no answer of an upstream floods a
 * disk.
 */
const MAX_VALUE_CHARS = 4096;

/** Shorter than any credential that a pattern could recognise: not worth the search. */
const MIN_SECRET_CHARS = 8;

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** No shape of a key fits into this: request ids of our own do. */
const SHORT_WORD = /^[a-z0-9]{0,15}$/;

/** Fields whose whole value is a credential, whatever it looks like. */
const SECRET_FIELD =
  /^(proxy-)?authorization$|^(x-)?(goog-)?(api|auth)[-_]?key$|^password$|^cookie$/i;

/**
 * Anything that could end a line, move a cursor or reorder what is read (Unicode Cc, Cf, line
 * ends).
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

const COLOURS: Readonly<Record<LogLevel, string>> = {
  debug: '\x1b[90m',
  info: '\x1b[36m',
  warn: '\x1b[33m',
  error: '\x1b[31m',
};
const DIM = '\x1b[2m';
const PLAIN = '\x1b[0m';

/** A logger whose four methods never throw, whatever they are given. */
export function createLogger(options: LoggerOptions): Logger {
  const line = options.format === 'json' ? jsonLine(options.clock) : textLine(options);
  const at = (level: LogLevel) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(options.level)) return () => {};
    return (message: string, fields: Fields = {}) => options.write(line(level, message, fields));
  };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** `2026-01-31T12:00:00.000Z INFO  message name=value ...`, as logfmt has it. */
function textLine({ clock, colour }: LoggerOptions): Line {
  return (level, message, fields) => {
    const time = new Date(clock()).toISOString();
    const word = level.toUpperCase().padEnd(5);
    let text = colour
      ? `${DIM}${time}${PLAIN} ${COLOURS[level]}${word}${PLAIN} `
      : `${time} ${word} `;
    text += messageText(message);
    for (const [name, value] of Object.entries(fields)) {
      if (value === undefined) continue;
      const shown = textValue(safeValue(name, value));
      text += colour ? ` ${DIM}${name}=${PLAIN}${shown}` : ` ${name}=${shown}`;
    }
    return `${text}\n`;
  };
}

function jsonLine(clock: () => number): Line {
  return (level, message, fields) => {
    const record: Record<string, unknown> = {
      time: new Date(clock()).toISOString(),
      level,
      message: clean(message),
    };
    for (const [name, value] of Object.entries(fields)) {
      // A field never replaces the line's own time, level or message.
      if (value !== undefined) record[name in record ? `${name}_` : name] = safeValue(name, value);
    }
    return `${printable(JSON.stringify(record))}\n`;
  };
}

/**
 * A field's value, safe to print and to serialise: strings redacted and bounded, errors as their
 * message.
 */
function safeValue(name: string, value: unknown): unknown {
  switch (typeof value) {
    case 'string':
      return secretOr(name, value);
    case 'number':
    case 'boolean':
      return value;
    case 'object':
      return value === null ? null : safeObject(value);
    default:
      return clean(String(value));
  }
}

function safeObject(value: object): unknown {
  if (value instanceof Error) return clean(describeError(value));
  try {
    const text = JSON.stringify(value, (name, inner: unknown) => {
      if (typeof inner === 'string') return secretOr(name, inner);
      if (inner instanceof Error) return clean(describeError(inner));
      return typeof inner === 'bigint' ? String(inner) : inner;
    });
    return text.length > MAX_VALUE_CHARS ? cut(text) : JSON.parse(text);
  } catch {
    return '[not serialisable]';
  }
}

/** The message and, where it says more, the code and the message of the cause. */
function describeError(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : '';
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return `${error.message || error.name}${code}${cause}`;
}

function textValue(value: unknown): string {
  if (typeof value === 'string') {
    return value === '' || /[\s"=]/.test(value)
      ? printable(JSON.stringify(value))
      : printable(value);
  }
  return typeof value === 'object' ? printable(JSON.stringify(value)) : String(value);
}

function secretOr(name: string, text: string): string {
  return SECRET_FIELD.test(name) && text !== '' ? '****' : clean(text);
}

/** A text as it stands in a message: redacted, bounded, printable. */
export function messageText(text: string): string {
  return printable(clean(text));
}

/** The same as a field's value in a text line, quoted where it must be. */
export function fieldText(text: string): string {
  return textValue(clean(text));
}

/** The same as a string in a JSON line. */
export function jsonText(text: string): string {
  return printable(JSON.stringify(clean(text)));
}

/** What nearly every line is made of, told apart faster than by Unicode's classes. */
const PLAIN_ASCII = /^[\x20-\x7e]*$/;

/** Redacted, then cut: cut first, a halved key would no longer look like one. */
function clean(text: string): string {
  if (text.length < MIN_SECRET_CHARS || SHORT_WORD.test(text)) return text;
  return cut(redact(text.slice(0, 4 * MAX_VALUE_CHARS)));
}

function cut(text: string): string {
  return text.length > MAX_VALUE_CHARS ? `${text.slice(0, MAX_VALUE_CHARS)}...` : text;
}

function printable(text: string): string {
  if (PLAIN_ASCII.test(text)) return text;
  return text.replace(UNPRINTABLE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}
