// When the exhausted one of the rate-limit buckets in an answer's headers is full again. OpenAI and
// its followers: x-ratelimit-{remaining,reset}-{bucket}; Anthropic:
// anthropic-ratelimit-{bucket}-{remaining,reset}; IETF drafts: ratelimit-{remaining,reset}, and
// ratelimit: "name";r=0;t=1.

import { nextUtcMidnight, nextUtcMonth } from './calendar.ts';
import { durationMs, secondsMs, timestampMs, unixTimeMs } from './duration.ts';

const MINUTE_MS = 60_000;

/** How long to wait, and whether a day or a month of a quota ends then. Milliseconds. */
export interface Wait {
  readonly ms: number;
  readonly isPeriodEnd: boolean;
}

/**
 * Milliseconds until the last exhausted bucket resets; null when none is exhausted or none names a
 * time. OpenAI's resets say when a bucket is full, which is later than when the next request fits:
 * an upper bound.
 */
export function exhaustedBucket(headers: ReadonlyMap<string, string>, nowMs: number): Wait | null {
  let longest: Wait | null = null;
  for (const [name, value] of headers) {
    const wait = bucketWait(name, value, headers, nowMs);
    if (wait !== null && wait.ms > (longest?.ms ?? 0)) longest = wait;
  }
  return longest;
}

function bucketWait(
  name: string,
  value: string,
  headers: ReadonlyMap<string, string>,
  nowMs: number,
): Wait | null {
  // A subscription's windows: only a rejected one counts, and its reset is in Unix seconds.
  if (/^anthropic-ratelimit-unified-.*status$/.test(name)) {
    if (value !== 'rejected') return null;
    return atReset(headers.get(name.replace(/status$/, 'reset')), nowMs);
  }
  if (name === 'ratelimit') {
    const [, left, seconds] = /;r=(-?\d+);t=(\d+)/.exec(value.replaceAll(' ', '')) ?? [];
    return left !== undefined && Number(left) <= 0 ? atReset(seconds, nowMs) : null;
  }
  const bucket =
    /^(?:x-ratelimit-remaining(?:-|$)|ratelimit-remaining$|anthropic-ratelimit-.*-remaining$)/;
  // Azure answers -1 and below for a bucket that is overdrawn.
  if (!bucket.test(name) || !/^-?\d+$/.test(value) || Number(value) > 0) return null;
  const reset = headers.get(name.replace('remaining', 'reset'));
  return reset === undefined ? atPeriodEnd(name, nowMs) : atReset(reset, nowMs);
}

function atReset(text: string | undefined, nowMs: number): Wait | null {
  const ms = resetMs(text, nowMs);
  return ms === null ? null : { ms, isPeriodEnd: false };
}

/** A reset as any provider writes it: RFC 3339, Unix time, Go duration, or bare seconds (Azure). */
export function resetMs(text: string | undefined, nowMs: number): number | null {
  if (text === undefined) return null;
  const instant = timestampMs(text) ?? unixTimeMs(text);
  return instant === null ? (secondsMs(text) ?? durationMs(text)) : instant - nowMs;
}

/** Mistral names no reset, but the period: tokens-month, tokens-minute, req-60-second. */
function atPeriodEnd(name: string, nowMs: number): Wait | null {
  if (name.endsWith('-month')) return { ms: nextUtcMonth(nowMs) - nowMs, isPeriodEnd: true };
  if (name.endsWith('-day')) return { ms: nextUtcMidnight(nowMs) - nowMs, isPeriodEnd: true };
  const isMinute = name.endsWith('-minute') || name.endsWith('-60-second');
  return isMinute ? { ms: MINUTE_MS, isPeriodEnd: false } : null;
}
