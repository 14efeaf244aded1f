// Whether the machine has nothing else to do: figures taken beside other work say nothing.

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_MS = 1000;
/** Of one core. */
const MAX_BUSY = 0.2;

/** @throws Error when others use more than MAX_BUSY of a core for a second */
export async function assertQuiet(): Promise<void> {
  const before = busyTicks();
  const startMs = performance.now();
  await sleep(LOOK_MS);
  const ticksPerMs = 0.1;
  const busy = (busyTicks() - before) / ((performance.now() - startMs) * ticksPerMs);
  if (busy <= MAX_BUSY) return;
  const percent = Math.round(busy * 100);
  throw new Error(
    `the machine is busy with something else (${percent} % of a core): its figures would say ` +
      'nothing. Wait until it is quiet, or use ARGS=--anyway',
  );
}

/** Ticks of 10 ms that all cores together were not idle, proc(5). */
function busyTicks(): number {
  const [line = ''] = readFileSync('/proc/stat', 'latin1').split('\n');
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return user + nice + system + irq + softirq;
}
