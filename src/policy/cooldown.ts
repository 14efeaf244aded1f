// How long a key rests, or a retry waits, when nobody named a time: exponential backoff with
// jitter. Times that an upstream names are read by retry-after.ts and never pass through here.

/** Doubling stops here: far beyond every cap, and still an exact power of two. */
const MAX_DOUBLINGS = 40;

/**
 * Milliseconds to wait: `base` x 2^`n`, spread by a quarter to either side so that keys or clients
 * that failed together do not return together, and never above `cap`. `n` counts the earlier
 * failures in a row: 0 for the first.
 */
export function cooldownMs(base: number, n: number, cap: number, random: () => number): number {
  const doublings = Math.min(Math.max(n, 0), MAX_DOUBLINGS);
  const spread = 0.75 + random() / 2;
  return Math.ceil(Math.min(cap, base * 2 ** doublings * spread));
}
