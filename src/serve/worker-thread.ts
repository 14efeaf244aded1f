// One worker's thread, without its work: in the packed program made from the worker's own bundle,
// else from its source file. What it is to do is told in its first message (worker-fleet.ts).

import { Worker } from 'node:worker_threads';

/** A worker's bundle, and what V8 has made of it at another time, where that is at hand. */
export interface WorkerCode {
  readonly source: string;
  readonly cachedData: Uint8Array<ArrayBuffer> | undefined;
}

/** Given by the launcher (launch.ts). */
declare const __WORKER_CODE__: WorkerCode | undefined;
/** Given by the launcher: a thread that was started before this program was compiled, or none. */
declare const __EARLY_WORKERS__: Worker[] | undefined;

/**
 * A worker's young generation. Measured beside V8's default of 48 MB: 122 MiB resident under load
 * in place of 135, a third less for each idle stream, and no CPU time more. With 9 MB it is 122 as
 * well; with 6 it is 119, and an answer of 1 MiB costs 4 % more.
 */
const HEAP = { maxYoungGenerationSizeMb: 12 };

/** Without these Node tries the text as TypeScript and as a module first. */
const FLAGS = ['--no-experimental-detect-module', '--input-type=commonjs'] as const;

/**
 * Runs a {@link WorkerCode}: `eval` itself takes no code that was compiled before. Names are in
 * braces, as the script has its own, and nothing keeps the code once it runs.
 */
const RUN = `{
  const threads = require('node:worker_threads');
  const { source, cachedData } = threads.workerData;
  threads.workerData = undefined;
  const { Script } = require('node:vm');
  new Script(source, { filename: 'worker.cjs', cachedData }).runInThisContext();
}`;

/** The launcher's thread if there is one, else a new one. */
export function workerThread(): Worker {
  const early = typeof __EARLY_WORKERS__ === 'object' ? __EARLY_WORKERS__.pop() : undefined;
  if (early !== undefined && early.threadId !== -1) {
    early.ref();
    return early;
  }
  if (typeof __WORKER_CODE__ === 'object') return packedWorkerThread(__WORKER_CODE__);
  return new Worker(new URL('./worker.ts', import.meta.url), { resourceLimits: HEAP });
}

/** A new thread of the packed program, from the worker's bundle, with the process's flags. */
export function packedWorkerThread(code: WorkerCode): Worker {
  const execArgv = [...process.execArgv, ...FLAGS];
  const options = { eval: true, resourceLimits: HEAP, workerData: code };
  try {
    return new Worker(RUN, { ...options, execArgv });
  } catch (error) {
    const { code: reason, message } = error as NodeJS.ErrnoException;
    if (reason !== 'ERR_WORKER_INVALID_EXEC_ARGV') throw error;
    // V8's own flags are refused here by name, and hold for the process's threads anyway.
    const taken = execArgv.filter((flag) => !message.includes(flag));
    return new Worker(RUN, { ...options, execArgv: taken });
  }
}
