// `gpt-load health | stats | blacklist | fleet | reset-keys | usage`: asks the running instance and
// shows what it says. Finds that instance, turns answers into exit codes for scripts, and words
// errors. What is in an answer is up to admin/; how it looks as a table is client-views.ts.

import { readFileSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { type Answer, ask, type Question } from '../upstream/transport-ask.ts';
import { type ClientCommand, type JsonObject, viewOf } from './client-views.ts';
import { show, type Terminal } from './terminal.ts';

export interface ClientOptions {
  /** Base URL of the instance; undefined: where this configuration would listen. */
  readonly url: string | undefined;
  /** The answer as it came, for programs. */
  readonly json: boolean;
  /** What is asked in detail; '' for nothing. */
  readonly query?: string;
  /** The answer is no JSON, and is shown as it came. */
  readonly plain?: boolean;
}

/** Addresses to listen on that nobody can connect to, and what stands for them. */
const LOCAL: Readonly<Record<string, string>> = {
  '0.0.0.0': '127.0.0.1',
  '::': '::1',
  '': '127.0.0.1',
};

/**
 * Exit code: 0 fine; 1 answered, but health is `unhealthy`; 2 could not ask, or was not understood.
 * Errors are one line on stderr. Waits at most ASK_TIMEOUT_MS.
 */
export async function client(
  command: ClientCommand,
  options: ClientOptions,
  config: Config,
  terminal: Terminal,
): Promise<number> {
  try {
    const question = questionOf(command, options, config);
    const { status, text } = await askOrExplain(question);
    if (options.plain === true && status === 200) {
      terminal.write(text);
      return 0;
    }
    const answer = understand(question, config, { status, text });
    if (options.json) terminal.write(text.endsWith('\n') ? text : `${text}\n`);
    else show(terminal, viewOf(command, answer, Date.now(), terminal.columns));
    return command === 'health' && answer.status !== 'healthy' ? 1 : 0;
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    terminal.complain(`gpt-load ${command}: ${error.message}\n`);
    return 2;
  }
}

/** Why there is no answer to show; the message is for the person at the terminal. */
export class AskError extends Error {
  /** What the instance answered, if it did. */
  readonly status: number | undefined;

  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

type Asked = Pick<ClientOptions, 'url' | 'query'>;

/** Asks the instance for what it has at a path. Rejects with an AskError. */
export async function askInstance(
  path: string,
  options: Asked,
  config: Config,
): Promise<{ readonly text: string; readonly answer: JsonObject }> {
  const question = questionOf(path, options, config);
  const { status, text } = await askOrExplain(question);
  return { text, answer: understand(question, config, { status, text }) };
}

/** Where that is, for people. Throws an AskError when it can be nowhere. */
export function placeAsked(url: string | undefined, config: Config): string {
  return placeOf(questionOf('stats', { url }, config));
}

function questionOf(path: string, options: Asked, config: Config): Question {
  const given = options.url === undefined ? undefined : parseUrl(options.url);
  const isOurs = given === undefined || isLoopbackTls(given);
  const ownTls = config.tlsCertFile !== '' && isOurs;
  const base = given ?? new URL(`${ownTls ? 'https' : 'http'}://${authority(config)}`);
  const socketPath = config.host.startsWith('unix:')
    ? config.host.slice('unix:'.length)
    : undefined;
  const url = new URL(base);
  url.pathname = `${base.pathname.replace(/\/+$/, '')}/${path}`;
  url.search = options.query ?? '';
  return {
    method: path === 'reset-keys' ? 'POST' : 'GET',
    url,
    socketPath: given === undefined ? socketPath : undefined,
    // /health needs none, and what is not sent cannot leak.
    authKey: path === 'health' ? '' : config.authKey,
    certificate: ownTls ? readPem('TLS_CERT_FILE', config.tlsCertFile) : undefined,
    extraCa: config.extraCaFile === '' ? undefined : readPem('EXTRA_CA_FILE', config.extraCaFile),
    // A container's health check may know nothing of the certificate; nothing secret is sent.
    anyCertificate: path === 'health' && !ownTls && isLoopbackTls(base),
  };
}

function isLoopbackTls({ protocol, hostname }: URL): boolean {
  return protocol === 'https:' && /^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname);
}

function parseUrl(text: string): URL {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new AskError(`--url must be an http or https URL, got ${JSON.stringify(text)}`);
  }
  url.search = '';
  url.hash = '';
  return url;
}

function authority({ host, port }: Config): string {
  if (host.startsWith('unix:')) return 'localhost';
  const bare = host.replace(/^\[|\]$/g, '');
  const name = LOCAL[bare] ?? bare;
  return `${name.includes(':') ? `[${name}]` : name}:${port}`;
}

function readPem(variable: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new AskError(`${variable}: cannot read ${path}: ${messageOf(error)}`);
  }
}

async function askOrExplain(question: Question): Promise<Answer> {
  try {
    return await ask(question);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const at = placeOf(question);
    if (code === 'ECONNREFUSED' || code === 'ENOENT') {
      throw new AskError(
        `nothing is listening at ${at}; is gpt-load running? (see --url, HOST and PORT)`,
      );
    }
    if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
      throw new AskError(`${at}: unknown host name`);
    }
    if (code.includes('CERT')) {
      const cure = 'set EXTRA_CA_FILE to its CA certificate, or TLS_CERT_FILE to a self-signed one';
      throw new AskError(`${at}: ${messageOf(error).split('; if the root CA')[0]}; ${cure}`);
    }
    if (['ECONNRESET', 'EPROTO'].includes(code) || code.startsWith('HPE_')) {
      throw new AskError(`${at} does not speak ${question.url.protocol.slice(0, -1)}`);
    }
    throw new AskError(`${at}: ${messageOf(error)}`);
  }
}

function understand(question: Question, config: Config, { status, text }: Answer): JsonObject {
  const at = placeOf(question);
  if (status === 401) {
    const why =
      config.authKey === '' ? 'requires an AUTH_KEY, but none is set' : 'rejects this AUTH_KEY';
    throw new AskError(`${at} ${why}`);
  }
  const body = parseObject(text);
  const isHealth = question.url.pathname.endsWith('/health') && typeof body?.status === 'string';
  if (body !== undefined && (status === 200 || isHealth)) return body;
  const said = body?.error as { readonly message?: unknown } | undefined;
  if (typeof said?.message === 'string') throw new AskError(`${at}: ${said.message}`, status);
  throw new AskError(`${at} answered ${status}; is it gpt-load?`);
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as JsonObject) : undefined;
  } catch {
    return undefined;
  }
}

function placeOf({ url, socketPath }: Question): string {
  return socketPath === undefined ? url.origin : `unix:${socketPath}`;
}

function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.trim().replaceAll('\n', ' ');
}
