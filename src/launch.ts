// The packed program's first lines. A server's first worker thread is started before the program
// itself is compiled, since each takes some 100 ms of a slow core and now they take them at once.
// From the sources, main.ts is run without this.

import { compileFunction } from 'node:vm';
import type { Worker } from 'node:worker_threads';
import { brotliDecompressSync } from 'node:zlib';
import { packedWorkerThread } from './serve/worker-thread.ts';

/** Set by the bundler: main.ts with nothing but `serve`, and with every command (packed). */
declare const __SERVER_SOURCE__: string;
declare const __COMMANDS_SOURCE__: string;
/** Set by the bundler: what serve/worker-thread.ts and store/valkey/redis-client.ts ask for. */
declare const __WORKER_SOURCE__: string;
declare const __REDIS_CLIENT__: string;

// Named once: the bundler writes the text in wherever the name stands.
const workerSource = __WORKER_SOURCE__;

/** A thread that nobody takes over does not keep the process, and one that fails is not missed. */
function earlyWorkers(): Worker[] {
  try {
    const worker = packedWorkerThread(workerSource);
    worker.on('error', () => {});
    worker.unref();
    return [worker];
  } catch {
    return [];
  }
}

/** Whatever has options is left to the program that has every command. */
function onlyServes(words: readonly string[]): boolean {
  return words.every((word, i) => i === 0 && word === 'serve');
}

function commandsSource(): string {
  return brotliDecompressSync(Buffer.from(__COMMANDS_SOURCE__, 'base64')).toString('latin1');
}

const words = process.argv.slice(2);
const isServer = onlyServes(words);
const given = {
  require,
  __WORKER_SOURCE__: workerSource,
  __REDIS_CLIENT__,
  __EARLY_WORKERS__: isServer || words[0] === 'demo' ? earlyWorkers() : [],
};
const source = isServer ? __SERVER_SOURCE__ : commandsSource();
const program = compileFunction(source, Object.keys(given), { filename: 'gpt-load.cjs' });
program(...Object.values(given));
