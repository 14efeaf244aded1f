// Where the server listens: HOST and PORT, `unix:/path`, or sockets that systemd opened
// (sd_listen_fds(3)). The addresses only; listening is left to the server.

import { lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type NetConnectOpts } from 'node:net';
import { ConfigError } from '../errors.ts';

/**
 * One place to listen. `inEveryWorker`: each worker opens its own socket (SO_REUSEPORT); else
 * exactly one worker does.
 */
export type ListenAddress =
  | {
      readonly kind: 'tcp';
      readonly host: string;
      readonly port: number;
      readonly inEveryWorker: true;
    }
  | { readonly kind: 'unix'; readonly path: string; readonly inEveryWorker: false }
  | { readonly kind: 'fd'; readonly fd: number; readonly inEveryWorker: false };

/** LISTEN_FDS and LISTEN_PID as they are in the environment, and this process's id. */
export interface SocketActivation {
  readonly listenFds: string | undefined;
  readonly listenPid: string | undefined;
  readonly pid: number;
}

/** The first descriptor that systemd passes (SD_LISTEN_FDS_START). */
const FIRST_FD = 3;
const MAX_FDS = 64;
/** Bytes of a unix socket's path, without the final zero (unix(7): 108 on Linux, 104 on macOS). */
const MAX_UNIX_PATH_BYTES = process.platform === 'darwin' ? 103 : 107;
/** How long a process that may still serve a unix socket is given to accept. */
const STALE_CHECK_MS = 1_000;

/**
 * All addresses to listen on. Sockets from systemd win over HOST and PORT.
 * @throws ConfigError for a value that cannot be listened on.
 */
export function listenAddresses(
  host: string,
  port: number,
  activation: SocketActivation,
): readonly ListenAddress[] {
  const passed = passedSockets(activation);
  if (passed > 0) {
    return Array.from({ length: passed }, (_, i) => ({
      kind: 'fd',
      fd: FIRST_FD + i,
      inEveryWorker: false,
    }));
  }
  if (host.startsWith('unix:'))
    return [{ kind: 'unix', path: unixPath(host), inEveryWorker: false }];
  return [{ kind: 'tcp', host: host.replace(/^\[(.*)\]$/, '$1'), port, inEveryWorker: true }];
}

/** Whether a host stands for all addresses of the machine: to listen on, not to be connected to. */
export function isAnyAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** Names an address for people: a URL, where it has one. */
export function listenUrl(address: ListenAddress, secure: boolean): string {
  switch (address.kind) {
    case 'unix':
      return `unix:${address.path}`;
    case 'fd':
      return `systemd socket (descriptor ${address.fd})`;
    case 'tcp': {
      const host = address.host.includes(':') ? `[${address.host}]` : address.host;
      return `${secure ? 'https' : 'http'}://${host}:${address.port}`;
    }
  }
}

/**
 * Removes a unix socket that nobody serves any more, as after kill -9. Anything else at that path
 * stays, so that listening fails with EADDRINUSE.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return;
  if (!(await isServed({ path }, true))) unlinkSync(path);
}

/**
 * Whether somebody serves this port already. Workers share their port (SO_REUSEPORT), and without
 * this look a second gpt-load of the same user would share it too, unnoticed.
 */
export function isPortServed(host: string, port: number): Promise<boolean> {
  if (port === 0) return Promise.resolve(false);
  // An address to listen on at all interfaces is one to connect to on this machine.
  const local: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  // What else is wrong with the address, listening will say.
  return isServed({ host: local[host] ?? host, port }, false);
}

/**
 * Why HOST cannot be listened on from here: `EADDRNOTAVAIL` for another machine's address,
 * `ENOTFOUND` for an unknown name. Undefined when it can. Any free port is tried, for a moment.
 */
export function hostFault(host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port: 0 }, () => server.close(() => resolve(undefined)));
  });
}

/** @param inDoubt the answer when connecting fails in any other way than by refusal */
function isServed(address: NetConnectOpts, inDoubt: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(address);
    const finish = (served: boolean): void => {
      socket.destroy();
      resolve(served);
    };
    socket.setTimeout(STALE_CHECK_MS, () => finish(inDoubt));
    socket.once('connect', () => finish(true));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      finish(inDoubt && error.code !== 'ECONNREFUSED');
    });
  });
}

/** The variables may be meant for another process: LISTEN_PID says for which. */
function passedSockets({ listenFds, listenPid, pid }: SocketActivation): number {
  if (listenFds === undefined || listenFds === '' || Number(listenPid) !== pid) return 0;
  const count = Number(listenFds);
  if (!Number.isInteger(count) || count < 0 || count > MAX_FDS) {
    throw new ConfigError([
      `LISTEN_FDS: must be a number from 0 to ${MAX_FDS}, got ${JSON.stringify(listenFds)}`,
    ]);
  }
  return count;
}

function unixPath(host: string): string {
  const path = host.slice('unix:'.length);
  if (path === '' || Buffer.byteLength(path) > MAX_UNIX_PATH_BYTES) {
    throw new ConfigError([
      `HOST: must be unix:/path with a path of 1 to ${MAX_UNIX_PATH_BYTES} bytes, got ${JSON.stringify(host)}`,
    ]);
  }
  return path;
}
