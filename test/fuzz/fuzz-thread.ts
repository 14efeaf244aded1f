// Looks for inputs of one target that break its promise, until the time is up or one is found. The
// input at hand lies in shared memory, where it is found when a reader never comes back.

import { parentPort, workerData } from 'node:worker_threads';
import { knownInputs, runCase } from './cases.ts';
import { nextInput } from './mutate.ts';
import { Random } from './random.ts';
import { TARGETS } from './targets.ts';

export interface FuzzJob {
  readonly target: string;
  readonly timeMs: number;
  readonly seed: number;
  /** The input at hand: how many were tried, its length, its bytes. */
  readonly shared: SharedArrayBuffer;
}

export type FuzzResult =
  | { readonly ok: true; readonly tried: number }
  | { readonly ok: false; readonly tried: number; readonly input: Buffer; readonly why: string };

const MAX_SHRINKS = 2_000;

async function search({ target: name, timeMs, seed, shared }: FuzzJob): Promise<FuzzResult> {
  const target = TARGETS.find((each) => each.name === name);
  if (target === undefined) throw new Error(`no target ${name}`);
  const fails = async (input: Buffer): Promise<string | undefined> => {
    try {
      await runCase(target, input);
      return undefined;
    } catch (error) {
      return error instanceof Error ? (error.stack ?? error.message) : String(error);
    }
  };
  const known = knownInputs(target);
  const random = new Random(seed);
  const [tries, bytes] = [new Int32Array(shared, 0, 2), Buffer.from(shared, 8)];
  const endMs = performance.now() + timeMs;
  for (let tried = 0; performance.now() < endMs; tried += 1) {
    const input = known[tried] ?? nextInput(target, known, random);
    tries[1] = input.copy(bytes);
    Atomics.store(tries, 0, tried + 1);
    const why = await fails(input);
    if (why === undefined) continue;
    const least = await shrunk(input, fails);
    return { ok: false, tried, input: least, why: (await fails(least)) ?? why };
  }
  return { ok: true, tried: Atomics.load(tries, 0) };
}

/** A shorter input that fails too: pieces are left out as long as it does. */
async function shrunk(
  input: Buffer,
  fails: (input: Buffer) => Promise<string | undefined>,
): Promise<Buffer> {
  let least = input;
  let tries = 0;
  for (let size = Math.ceil(input.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < least.length && tries < MAX_SHRINKS; tries += 1) {
      const shorter = Buffer.concat([least.subarray(0, at), least.subarray(at + size)]);
      if ((await fails(shorter)) !== undefined) least = shorter;
      else at += size;
    }
  }
  return least;
}

if (parentPort !== null) parentPort.postMessage(await search(workerData as FuzzJob));
