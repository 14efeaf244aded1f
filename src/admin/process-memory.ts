// How much memory this process has, as far as the system tells: in a bare chroot without /proc,
// process.memoryUsage() throws.

import { getHeapStatistics } from 'node:v8';

/** The calling thread's heap, in bytes. */
export function heapUsage(): Pick<NodeJS.MemoryUsage, 'heapUsed' | 'heapTotal' | 'external'> {
  const { used_heap_size, total_heap_size, external_memory } = getHeapStatistics();
  return { heapUsed: used_heap_size, heapTotal: total_heap_size, external: external_memory };
}

/** Resident memory of the whole process, in bytes; 0: unknown. */
export function residentBytes(): number {
  try {
    return process.memoryUsage.rss();
  } catch {
    return 0;
  }
}
