// A real Redis or Valkey server on a port of its own, and what a test does to it: stops it, freezes
// it, starts it again, asks it by its command line. Nothing is written to disk. Where both are
// installed, GPT_LOAD_TEST_SERVER=valkey chooses.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';
import { freePort, needs } from './peer-process.ts';

/** Those that are installed; what depends on the server is tested with each. */
export const SERVERS = (['redis', 'valkey'] as const).filter((server) => {
  return needs(`${server}-server`).skip === undefined;
});
type Server = (typeof SERVERS)[number];
const CHOSEN = SERVERS.find((server) => server === process.env.GPT_LOAD_TEST_SERVER);

/** The `skip` option of tests that need a server. */
export const needsRedis: { skip?: string } =
  SERVERS.length > 0 ? {} : { skip: 'neither redis-server nor valkey-server is installed' };

export interface Redis extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Answers of redis-cli, as text. */
  readonly cli: (...words: string[]) => Promise<string>;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Kills it, and with it all that it knew. */
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
}

export interface RedisSetup {
  readonly server?: Server;
  /** Options of the server, as on its command line. */
  readonly args?: readonly string[];
  readonly tls?: boolean;
  readonly port?: number;
}

export async function startRedis(setup: RedisSetup = {}): Promise<Redis> {
  const { args: more = [], tls = false, port = await freePort() } = setup;
  const { server = CHOSEN ?? SERVERS[0] ?? 'redis' } = setup;
  const where = tls ? ['--port', '0', '--tls-port', String(port)] : ['--port', String(port)];
  const args = [...where, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...more];
  let child: ChildProcess | undefined;
  const end = () => child?.kill('SIGKILL');
  const start = async () => {
    child = spawn(`${server}-server`, args, { stdio: 'ignore', cwd: '/tmp' });
    process.once('exit', end);
    await eventually(`${server}-server listens`, () => accepts(port));
  };
  const kill = async () => {
    process.off('exit', end);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    end();
    await once(child, 'exit');
  };
  await start();
  return {
    port,
    url: `${tls ? 'rediss' : 'redis'}://127.0.0.1:${port}`,
    cli: async (...words) => {
      const asked = await promisify(execFile)(`${server}-cli`, ['-p', String(port), ...words]);
      return asked.stdout.trim();
    },
    signal: (signal) => void child?.kill(signal),
    start,
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

/**
 * A way to a port on which each byte takes so long, there and back together. Cut, it swallows them,
 * and nobody is told.
 */
export async function startSlowWay(to: number, delayMs: number) {
  let isCut = false;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1');
    for (const [from, onto] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => onto.destroy()).on('close', () => onto.destroy());
      from.on('data', (bytes) => {
        if (isCut) return;
        if (delayMs === 0) onto.write(bytes);
        else setTimeout(() => onto.write(bytes), delayMs / 2);
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    cut: () => {
      isCut = true;
    },
    /** What was under way is lost: those connections end. */
    mend: () => {
      isCut = false;
      for (const socket of sockets) socket.destroy();
      sockets.clear();
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const isOpen = await Promise.race([
    once(socket, 'connect').then(() => true),
    once(socket, 'error').then(() => false),
  ]);
  socket.destroy();
  return isOpen;
}
