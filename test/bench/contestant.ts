// What is measured: gpt-load, nginx as a plain reverse proxy, and no proxy at all. Each is a port
// to ask and the processes whose time and memory count. Starting them is all that is decided here.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/peer-process.ts';
import { BENCH_KEY } from './messages.ts';
import { nginxConfig } from './nginx-config.ts';
import { processTree } from './process-figures.ts';

export interface Contestant extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  /** Empty for direct access. */
  readonly pids: readonly number[];
}

/** How to run one tree of this program. */
export interface Program {
  readonly name: string;
  /** File and arguments before `serve`. */
  readonly command: readonly string[];
}

const READY_TRIES = 400;
const READY_PAUSE_MS = 25;
const STOP_LIMIT_MS = 10_000;
const NGINX_ENV = { PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin` };

export function direct(upstreamPort: number): Contestant {
  return { name: 'direct', port: upstreamPort, pids: [], [Symbol.asyncDispose]: async () => {} };
}

/** Variables of the environment, and how many keys there are. */
export type GptLoadOptions = { readonly keys?: number } & {
  readonly [variable: string]: string | number;
};

/** One worker, no request log unless `env` says otherwise, output to a file. */
export async function startGptLoad(
  program: Program,
  upstreamPort: number,
  directory: string,
  { keys = 1, ...env }: GptLoadOptions = {},
): Promise<Contestant> {
  const port = await freePort();
  const cwd = join(directory, `${program.name}-${port}`.replaceAll(/[^\w.-]/g, '_'));
  mkdirSync(cwd, { recursive: true });
  const lines = Array.from({ length: keys }, (_, i) => `${BENCH_KEY}${i === 0 ? '' : i}\n`);
  writeFileSync(join(cwd, 'keys.txt'), lines.join(''));
  const [file = '', ...args] = program.command;
  const output = openSync(join(cwd, 'output.log'), 'w');
  const child = spawn(file, [...args, 'serve'], {
    cwd,
    stdio: ['ignore', output, 'inherit'],
    env: {
      HOST: '127.0.0.1',
      PORT: String(port),
      OPENAI_BASE_URL: `http://127.0.0.1:${upstreamPort}`,
      WORKERS: '1',
      MAX_CONCURRENT_REQUESTS: '10000',
      LOG_ENABLE_REQUEST: 'false',
      SERVER_GRACEFUL_SHUTDOWN_TIMEOUT: '1',
      ...Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)])),
    },
  });
  closeSync(output);
  await untilListening(child, port, program.name);
  return running(program.name, child, port);
}

const YARDSTICKS = ['bare-http', 'bare-undici', 'bare-sockets'] as const;

/** Programs that forward and do nothing else: what Node and its clients cost by themselves. */
export async function startYardsticks(upstreamPort: number): Promise<Contestant[]> {
  const started: Contestant[] = [];
  for (const name of YARDSTICKS) {
    const port = await freePort();
    const file = join(import.meta.dirname, `yardsticks/${name}.ts`);
    const env = { PATH: process.env.PATH, PORT: String(port), UPSTREAM_PORT: String(upstreamPort) };
    const stdio = ['ignore', 'ignore', 'inherit'] as const;
    const child = spawn(process.execPath, [file], { env, stdio: [...stdio] });
    await untilListening(child, port, name);
    started.push(running(name, child, port));
  }
  return started;
}

/** Undefined where nginx is not installed. */
export async function startNginx(
  upstreamPort: number,
  directory: string,
): Promise<Contestant | undefined> {
  if (spawnSync('nginx', ['-v'], { env: NGINX_ENV }).status !== 0) return undefined;
  const port = await freePort();
  const path = join(directory, 'nginx.conf');
  writeFileSync(path, nginxConfig({ port, upstreamPort, directory }));
  const child = spawn('nginx', ['-p', directory, '-e', 'stderr', '-c', path], {
    env: NGINX_ENV,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await untilListening(child, port, 'nginx');
  return running('nginx', child, port);
}

function running(name: string, child: ChildProcess, port: number): Contestant {
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(kill, STOP_LIMIT_MS);
    await exited;
    clearTimeout(timer);
    process.off('exit', kill);
  };
  const pids = processTree(child.pid ?? 0);
  return { name, port, pids, [Symbol.asyncDispose]: stop };
}

async function untilListening(child: ChildProcess, port: number, name: string): Promise<void> {
  for (let i = 0; i < READY_TRIES && child.exitCode === null; i += 1) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await sleep(READY_PAUSE_MS);
  }
  child.kill('SIGKILL');
  throw new Error(`${name} does not listen on port ${port}`);
}
