// A real Redis (or Valkey) server on a port of its own, and what a test does to it: stops it,
// freezes it, starts it again, asks it by redis-cli. Nothing is written to disk.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';
import { freePort, needs } from './peer-process.ts';

/** The `skip` option of tests that need a server. */
export const needsRedis = needs('redis-server');

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
  /** Options of redis-server, as on its command line. */
  readonly args?: readonly string[];
  readonly tls?: boolean;
  readonly port?: number;
}

export async function startRedis(setup: RedisSetup = {}): Promise<Redis> {
  const { args: more = [], tls = false, port = await freePort() } = setup;
  const where = tls ? ['--port', '0', '--tls-port', String(port)] : ['--port', String(port)];
  const args = [...where, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...more];
  let child: ChildProcess | undefined;
  const end = () => child?.kill('SIGKILL');
  const start = async () => {
    child = spawn('redis-server', args, { stdio: 'ignore', cwd: '/tmp' });
    process.once('exit', end);
    await eventually('redis-server listens', () => accepts(port));
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
      const asked = await promisify(execFile)('redis-cli', ['-p', String(port), ...words]);
      return asked.stdout.trim();
    },
    signal: (signal) => void child?.kill(signal),
    start,
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

/** A way to a port on which each byte takes so long, there and back together. */
export async function startSlowWay(to: number, delayMs: number) {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(to, '127.0.0.1');
    for (const [from, onto] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => onto.destroy()).on('close', () => onto.destroy());
      from.on('data', (bytes) => setTimeout(() => onto.write(bytes), delayMs / 2));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
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
