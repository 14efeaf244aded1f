// One connection to a Redis or Valkey server, every wait on which has a limit, and what is wrong
// with it in words for people. The client's code is loaded when a connection is first made. What is
// asked is fleet-store.ts; when to connect again is up to the caller.

import { readFileSync } from 'node:fs';
import { type ServerUrl, urlOf } from '../../config/server-url.ts';
import { lookupOnce } from './one-lookup.ts';
import { redisClient } from './redis-client.ts';

/** Where the server is, and who we are there. */
export interface LinkOptions {
  /** FLEET_URL. */
  readonly server: ServerUrl;
  /** Certificate authorities (PEM file) for rediss://; '': the public ones. */
  readonly caFile: string;
}

/** Why the server is of no use now. */
export type LinkTrouble =
  | 'unreachable'
  | 'silent'
  | 'credentials'
  | 'tls'
  | 'read_only'
  | 'full'
  | 'other_secret'
  | 'moved'
  | 'refused';

/** The server did not do what it was asked. The message names it without user and password. */
export class LinkError extends Error {
  readonly trouble: LinkTrouble;
  /** `host:port` of the server to go to instead (Redis Cluster). */
  readonly movedTo: string | undefined;

  constructor(trouble: LinkTrouble, message: string, movedTo?: string) {
    super(message);
    this.name = 'LinkError';
    this.trouble = trouble;
    this.movedTo = movedTo;
  }
}

/** What the server says; a map (RESP3) as an object. */
export type Reply = string | number | null | readonly Reply[] | { readonly [name: string]: Reply };

/** For TCP, TLS and the first words. */
const CONNECT_MS = 3_000;
/** A server that has not answered by then is taken for frozen. */
const ANSWER_MS = 2_000;

/** What is used of the client: its own types name every command that there is. */
interface Client {
  connect(): Promise<unknown>;
  sendCommand(words: readonly string[]): Promise<unknown>;
  subscribe(channel: string, listener: () => void): Promise<unknown>;
  destroy(): void;
  on(event: 'error', listener: (error: Error) => void): void;
}

export class ValkeyLink implements Disposable {
  readonly #client: Client;
  readonly #place: string;
  #isOpen = true;

  private constructor(client: Client, place: string) {
    this.#client = client;
    this.#place = place;
  }

  /** Connects to the server, or to the one that is the primary. Rejects with a LinkError. */
  static async open(options: LinkOptions): Promise<ValkeyLink> {
    const { places, primary } = options.server;
    if (primary === '') return ValkeyLink.#openAt(places[0] ?? '', options);
    return ValkeyLink.#openAt(await primaryPlace(options), options);
  }

  /** The same at one of several places, whatever is there. */
  static async #openAt(place: string, options: LinkOptions): Promise<ValkeyLink> {
    const { createClient } = await redisClient();
    const link = new ValkeyLink(
      createClient({
        url: urlOf(options.server, place),
        // News ring on the connection on which all else is asked.
        RESP: 3,
        maintNotifications: 'disabled',
        disableOfflineQueue: true,
        disableClientInfo: true,
        socket: {
          ...tlsOptions(options),
          connectTimeout: CONNECT_MS,
          reconnectStrategy: false,
          lookup: lookupOnce,
        },
      }) as unknown as Client,
      place,
    );
    // Whoever waits for an answer hears of it there.
    link.#client.on('error', () => {});
    try {
      await link.#within(link.#client.connect(), CONNECT_MS);
    } catch (error) {
      link[Symbol.dispose]();
      throw error;
    }
    return link;
  }

  /** Asks. Commands may be sent without waiting for earlier answers. Rejects with a LinkError. */
  async ask(words: readonly string[]): Promise<Reply> {
    return (await this.#within(this.#client.sendCommand(words), ANSWER_MS)) as Reply;
  }

  /** Calls whenever something is said on a channel. Rejects with a LinkError. */
  async listen(channel: string, onWord: () => void): Promise<void> {
    await this.#within(this.#client.subscribe(channel, onWord), ANSWER_MS);
  }

  /** Ends the connection at once. */
  [Symbol.dispose](): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    try {
      this.#client.destroy();
    } catch {
      // It was closed already.
    }
  }

  async #within<T>(work: Promise<T>, limitMs: number): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const message = `${this.#place} does not answer`;
    const timer = setTimeout(() => reject(new LinkError('silent', message)), limitMs);
    try {
      return await Promise.race([work, late]);
    } catch (error) {
      throw error instanceof LinkError ? error : explain(error, this.#place);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Where the primary is: the first Sentinel that knows is believed. */
async function primaryPlace({ server, caFile }: LinkOptions): Promise<string> {
  let trouble = new LinkError('unreachable', 'no Sentinel is named');
  for (const place of server.places) {
    // Sentinels have users of their own; where they ask for one, these are not asked.
    const sentinel = { ...server, places: [place], primary: '', credentials: '', database: '' };
    try {
      using link = await ValkeyLink.open({ server: sentinel, caFile });
      const words = ['SENTINEL', 'get-master-addr-by-name', server.primary];
      const address = await link.ask(words);
      if (Array.isArray(address)) return hostAndPort(address.map(String));
      trouble = new LinkError('refused', `Sentinel ${place} does not know "${server.primary}"`);
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
      trouble = error;
    }
  }
  throw trouble;
}

function hostAndPort([host = '', port = '']: readonly string[]): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function tlsOptions({ server, caFile }: LinkOptions) {
  if (!server.tls) return {};
  if (caFile === '') return { tls: true } as const;
  try {
    return { tls: true, ca: readFileSync(caFile, 'utf8') } as const;
  } catch (error) {
    throw new LinkError('tls', `FLEET_CA_FILE: cannot read ${caFile}: ${messageOf(error)}`);
  }
}

/** The first word of the server's errors says what is wrong. */
const TROUBLES: readonly (readonly [RegExp, LinkTrouble, string])[] = [
  [
    /^(WRONGPASS|NOAUTH|ERR AUTH|ERR invalid password)/,
    'credentials',
    'rejects the user name or password',
  ],
  [/^NOPERM/, 'credentials', 'does not allow this user to do that'],
  [/^READONLY/, 'read_only', 'is a read-only replica; FLEET_URL must name the primary'],
  [/^(OOM|MISCONF|NOREPLICAS)/, 'full', 'does not accept writes'],
  [/^OTHERSECRET/, 'other_secret', 'has instances with a different FLEET_SECRET'],
  [/^(LOADING|BUSY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN)/, 'refused', 'is not ready'],
];

/** Errors of the socket while TLS is being agreed on. */
const TLS_CODE = /^(ERR_TLS|ERR_SSL|EPROTO|CERT_|UNABLE_TO|SELF_SIGNED|DEPTH_ZERO)/;

function explain(error: unknown, place: string): LinkError {
  // Some errors name what was sent, user and password among it (HELLO, AUTH).
  const message = messageOf(error).replace(/,? with args beginning with.*/s, '');
  const moved = /^(?:MOVED|ASK) \d+ (\S+)/.exec(message)?.[1];
  if (moved !== undefined) return new LinkError('moved', `${place} redirects to ${moved}`, moved);
  for (const [pattern, trouble, words] of TROUBLES) {
    if (pattern.test(message)) return new LinkError(trouble, `${place} ${words}: ${message}`);
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (TLS_CODE.test(code)) return new LinkError('tls', `TLS with ${place} failed: ${message}`);
  if (code !== '' || /socket closed|client is closed|timeout/i.test(message)) {
    return new LinkError('unreachable', `${place} cannot be reached: ${message}`);
  }
  return new LinkError('refused', `${place} refused: ${message}`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}
