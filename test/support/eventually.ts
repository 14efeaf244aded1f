// Waits for something that another process or the next event loop turn brings about, with a limit.

import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks `check` every 10 ms until it returns something truthy, and returns that. Throws with `what`
 * in its message after `timeoutMs` milliseconds; an exception of `check` counts as "not yet" until
 * then and is the cause.
 */
export async function eventually<T>(
  what: string,
  check: () => T | Promise<T>,
  timeoutMs = 15_000,
): Promise<NonNullable<T>> {
  const deadlineMs = performance.now() + timeoutMs;
  let cause: unknown;
  for (;;) {
    try {
      const value = await check();
      if (value) return value as NonNullable<T>;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadlineMs) {
      throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause });
    }
    await sleep(10);
  }
}
