// A worker's look at itself: how late its event loop turns, and how large its heap is. Sampled at
// a fixed pace.

import { heapUsage } from '../admin/process-memory.ts';
import type { WorkerVitals } from '../pool/counts/worker-vitals.ts';

/**
 * A timer twice a second costs nothing and finds any stall that a client would feel, if it is
 * frequent.
 */
const DELAY_SAMPLE_MS = 500;
/** Reading the heap's size takes some ten microseconds. */
const SAMPLES_PER_HEAP_READING = 10;

/** Reports until the thread ends; keeps no thread alive. */
export function watchVitalSigns(vitals: WorkerVitals): void {
  let samples = 0;
  let dueMs = performance.now() + DELAY_SAMPLE_MS;
  vitals.setHeap(heapUsage());
  setInterval(() => {
    const nowMs = performance.now();
    vitals.addDelay(Math.max(0, nowMs - dueMs));
    dueMs = nowMs + DELAY_SAMPLE_MS;
    samples++;
    if (samples % SAMPLES_PER_HEAP_READING === 0) vitals.setHeap(heapUsage());
  }, DELAY_SAMPLE_MS).unref();
}
