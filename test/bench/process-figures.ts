// What the kernel knows of a process: CPU time of all its threads and its resident memory. Linux
// only, as are the figures that this benchmark promises.

import { readdirSync, readFileSync } from 'node:fs';

/**
 * CPU time in milliseconds that all present threads of the processes have used, user and system.
 * schedstat counts nanoseconds where /proc/PID/stat counts ticks of 10 ms; a thread's time is lost
 * when it ends, so only ask about processes whose threads stay.
 */
export function cpuMs(pids: readonly number[]): number {
  let ns = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
    }
  }
  return ns / 1e6;
}

/** VmRSS of the processes together, in bytes. */
export function residentBytes(pids: readonly number[]): number {
  let bytes = 0;
  for (const pid of pids) {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    bytes += Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
  }
  return bytes;
}

/** A process and its children. */
export function processTree(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
  return [pid, ...children.split(' ').filter(Boolean).map(Number)];
}
