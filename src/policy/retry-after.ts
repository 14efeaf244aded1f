// When to come back, as far as the upstream says so. null: it does not, and cooldown.ts's backoff decides.

import type { AnswerView } from './verdict.ts';

/** No named wait is believed beyond this: a month's reset and some, in milliseconds. */
export const MAX_RETRY_AFTER_MS = 40 * 24 * 3_600_000;

export interface AnswerContext {
  /** Host name of the upstream. */
  readonly host: string;
  readonly nowMs: number;
}

/** Milliseconds until the upstream says to come back: rounded up, above 0, at most MAX_RETRY_AFTER_MS. */
export function retryAfterMs(_answer: AnswerView, _context: AnswerContext): number | null {
  return null;
}
