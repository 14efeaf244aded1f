// What the heap holds that something still refers to.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes, after garbage was collected. */
export function liveHeapBytes(): number {
  collect();
  return process.memoryUsage().heapUsed;
}
