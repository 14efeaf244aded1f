// The packed program's first lines. A server's first worker thread is started before the program
// itself is compiled, since each takes some 100 ms of a slow core and now they take them at once.
// From the sources, main.ts is run without this.

import { getRawAsset } from 'node:sea';
import { Script } from 'node:vm';
import type { Worker } from 'node:worker_threads';
import { brotliDecompressSync } from 'node:zlib';
import { packedWorkerThread } from './serve/worker-thread.ts';

/**
 * Set by the bundler: the parts of the program, packed ones in base64. Undefined in an executable,
 * which has them as assets: as texts in its first script they would cost 3 ms to read.
 */
declare const __PARTS__: Readonly<Record<string, string>> | undefined;

const NO_ASSET = 'ERR_SINGLE_EXECUTABLE_APPLICATION_ASSET_NOT_FOUND';

/** One byte a character. */
function script(name: string): string {
  if (__PARTS__ !== undefined) return __PARTS__[name] as string;
  return Buffer.from(getRawAsset(name) as ArrayBuffer).toString('latin1');
}

function unpacked(name: string): string {
  const packed =
    __PARTS__ === undefined
      ? Buffer.from(getRawAsset(name) as ArrayBuffer)
      : Buffer.from(__PARTS__[name] as string, 'base64');
  return brotliDecompressSync(packed).toString('latin1');
}

/**
 * What V8 has made of a script when the executable was built (build/code-cache.ts): 110 ms to the
 * first answer in place of 122. Another V8, or one with other flags, compiles it anew.
 */
function codeCache(name: string): Uint8Array<ArrayBuffer> | undefined {
  if (__PARTS__ !== undefined) return undefined;
  try {
    return new Uint8Array(getRawAsset(name) as ArrayBuffer);
  } catch (error) {
    // It was built on another platform.
    if ((error as NodeJS.ErrnoException).code === NO_ASSET) return undefined;
    throw error;
  }
}

/** A thread that nobody takes over does not keep the process, and one that fails is not missed. */
function earlyWorkers(): Worker[] {
  try {
    const worker = packedWorkerThread(workerCode);
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

const words = process.argv.slice(2);
const isServer = onlyServes(words);
// Read for each thread, and by commands that start none not at all.
const workerCode = {
  get source() {
    return script('worker.js');
  },
  get cachedData() {
    return codeCache('worker.cache');
  },
};
const workers = isServer || words[0] === 'demo' ? earlyWorkers() : [];
// The server's own, or that of all commands, the server among them: a function of what it needs.
const program = new Script(isServer ? script('server.js') : unpacked('commands.js.br'), {
  filename: 'gpt-load.cjs',
  cachedData: isServer ? codeCache('server.cache') : undefined,
}).runInThisContext();
program(require, workerCode, () => unpacked('redis-client.js.br'), workers);
