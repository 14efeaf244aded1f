// `make fuzz`: every target for TIME seconds (60), two at once. An input that breaks a promise, or
// from which a reader does not come back, is kept under test/fixtures/fuzz, where the tests run it
// for good. TARGETS names some of them, SEED repeats a run.

import { Worker } from 'node:worker_threads';
import { keepCase } from './cases.ts';
import type { FuzzJob, FuzzResult } from './fuzz-thread.ts';
import { TARGETS } from './targets.ts';

const AT_ONCE = 2;
const SHARED_BYTES = 128 * 1024;
/** No input of 96 KiB takes a reader so long, on the slowest machine. */
const HANG_MS = 20_000;

const timeMs = Number(process.env.TIME || 60) * 1000;
const seed = Number(process.env.SEED || Date.now() % 1_000_000);
const chosen = process.env.TARGETS?.split(',') ?? TARGETS.map(({ name }) => name);

function search(target: string): Promise<FuzzResult> {
  const shared = new SharedArrayBuffer(SHARED_BYTES);
  const tries = new Int32Array(shared, 0, 2);
  const workerData: FuzzJob = { target, timeMs, seed, shared };
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('fuzz-thread.ts', import.meta.url), { workerData });
    let before = -1;
    const watch = setInterval(() => {
      const tried = Atomics.load(tries, 0);
      if (tried === before && tried > 0) {
        const input = Buffer.from(new Uint8Array(shared, 8, tries[1]));
        end({ ok: false, tried, input, why: `no end within ${HANG_MS} ms` });
      }
      before = tried;
    }, HANG_MS);
    const end = (result: FuzzResult): void => {
      clearInterval(watch);
      void worker.terminate();
      resolve(result);
    };
    worker.once('message', end).once('error', (error) => {
      clearInterval(watch);
      reject(error);
    });
  });
}

async function searchAll(queue: string[]): Promise<void> {
  for (let target = queue.shift(); target !== undefined; target = queue.shift()) {
    const result = await search(target);
    console.log(`${target.padEnd(18)} ${String(result.tried).padStart(9)} inputs  ${told(result)}`);
    if (result.ok) continue;
    process.exitCode = 1;
    console.error(`  kept as ${keepCase(target, result.input)}\n${result.why}`);
  }
}

function told(result: FuzzResult): string {
  return result.ok ? 'every promise held' : 'A PROMISE WAS BROKEN';
}

console.log(`fuzzing, ${timeMs / 1000} s each, SEED=${seed}`);
const queue = [...chosen];
await Promise.all(Array.from({ length: AT_ONCE }, () => searchAll(queue)));
