// Waiting instead of an immediate 429: a request queues for a free slot, or for a key that has
// reached a limit of its own (QUEUE_TIMEOUT). A client that disconnects leaves the queue.

import type { WaitingLine } from '../pool/limits/waiting-line.ts';
import type { Exchange } from './exchange.ts';

/** What was wanted, or when it may be free, by the clock of the wait; null: nobody knows. */
export type Look<T> = { readonly found: T } | { readonly retryAtMs: number | null };

/** How long, in which line, and who. */
export interface Wait {
  /** There is something free, if not for this one: then the next in line may look. */
  readonly isFree: () => boolean;
  readonly line: WaitingLine;
  readonly limitMs: number;
  /** Milliseconds by the steady clock. */
  readonly now: () => number;
  readonly exchange: Exchange;
}

/**
 * Looks until something is found, first in line first; undefined when the time is up, the line is
 * too long, or the client has left.
 */
export async function inLine<T>(wait: Wait, look: () => Look<T>): Promise<T | undefined> {
  const { line, limitMs, now, exchange } = wait;
  const startMs = now();
  const place = line.enter();
  if (place < 0) return undefined;
  let hasFound = false;
  const { promise: left, resolve } = Promise.withResolvers<void>();
  using _ = exchange.whenClientLeaves(resolve);
  try {
    // Whoever comes while others wait does not look before them.
    let mayLook = line.isFirst(place);
    // The time is what ends it.
    while (!exchange.clientLeft) {
      if (mayLook) {
        line.look(place);
        const seen = look();
        if ('found' in seen) {
          hasFound = true;
          return seen.found;
        }
        if (wait.isFree()) line.pass(place);
        if (seen.retryAtMs !== null) line.expect(seen.retryAtMs, now());
      }
      const nowMs = now();
      const leftMs = startMs + limitMs - nowMs;
      if (leftMs <= 0) break;
      const untilMs = line.retryAtMs > nowMs ? line.retryAtMs - nowMs : leftMs;
      await line.wait(place, Math.min(leftMs, untilMs), left);
      // Whose time has come without a call leaves it to the first one to look.
      mayLook = line.isCalled(place) || line.isFirst(place);
      if (!mayLook && wait.isFree() && !line.isCalling) line.call();
    }
    return undefined;
  } finally {
    line.leave(place);
    // Of several calls at once it may have answered more than one.
    if (hasFound && wait.isFree()) line.call();
    exchange.waitedMs += now() - startMs;
  }
}
