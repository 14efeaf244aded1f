// Starts a real peer (nghttpx, tinyproxy, microsocks...) for one test and ends it afterwards.
// Where the program is not installed, the test says so and is passed over. Finds free ports too.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Debian puts servers where an ordinary user's PATH does not look. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/usr/local/sbin` };
const READY_TRIES = 600;

/** The `skip` option for a test that needs a program: a reason when it is missing. */
export function needs(program: string): { skip?: string } {
  const found = spawnSync('sh', ['-c', `command -v ${program}`], { env }).status === 0;
  return found ? {} : { skip: `${program} is not installed` };
}

/** A port that was free a moment ago. SO_REUSEPORT workers cannot share port 0. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Runs a program until disposed; resolves once its port accepts connections. */
export async function startPeer(
  program: string,
  args: readonly string[],
  port: number,
): Promise<AsyncDisposable> {
  const child: ChildProcess = spawn(program, [...args], { env, stdio: 'ignore' });
  // A test that runs out of time disposes nothing.
  const end = (): void => void child.kill('SIGKILL');
  process.once('exit', end);
  let isReady = false;
  for (let i = 0; i < READY_TRIES && !isReady; i += 1) {
    if (i > 0) await sleep(50);
    isReady = await accepts(port);
  }
  if (!isReady) {
    process.off('exit', end);
    end();
    throw new Error(`${program} never listened on port ${port}`);
  }
  return {
    [Symbol.asyncDispose]: async () => {
      process.off('exit', end);
      if (child.exitCode !== null) return;
      end();
      await once(child, 'exit');
    },
  };
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const event = await Promise.race([
    once(socket, 'connect').then(() => true),
    once(socket, 'error').then(() => false),
  ]).catch(() => false);
  socket.destroy();
  return event;
}
