// When the exhausted one of the rate-limit buckets in an answer's headers is full again. OpenAI and
// its followers: x-ratelimit-{remaining,reset}-{bucket}; Anthropic:
// anthropic-ratelimit-{bucket}-{remaining,reset}; IETF drafts: ratelimit-{remaining,reset}, and
// ratelimit: "name";r=0;t=1.

import { nextUtcMidnight, nextUtcMonth } from './calendar.ts';
import { durationMs, secondsMs, timestampMs, unixTimeMs } from './duration.ts';

const MINUTE_MS = 60_000;

/**
 * Milliseconds until the last exhausted bucket resets; null when none is exhausted or none names a
 * time. OpenAI's resets say when a bucket is full, which is later than when the next request fits:
 * an upper bound.
 */
export function exhaustedBucketMs(
  headers: ReadonlyMap<string, string>,
  nowMs: number,
): number | null {
  let longest: number | null = null;
  for (const [name, value] of headers) {
    const wait = bucketMs(name, value, headers, nowMs);
    if (wait !== null && wait > (longest ?? 0)) longest = wait;
  }
  return longest;
}

function bucketMs(
  name: string,
  value: string,
  headers: ReadonlyMap<string, string>,
  nowMs: number,
): number | null {
  // A subscription's windows: only a rejected one counts, and its reset is in Unix seconds.
  if (/^anthropic-ratelimit-unified-.*status$/.test(name)) {
    if (value !== 'rejected') return null;
    return resetMs(headers.get(name.replace(/status$/, 'reset')), nowMs);
  }
  if (name === 'ratelimit') {
    const [, left, seconds] = /;r=(-?\d+);t=(\d+)/.exec(value.replaceAll(' ', '')) ?? [];
    return left !== undefined && Number(left) <= 0 ? resetMs(seconds, nowMs) : null;
  }
  const bucket =
    /^(?:x-ratelimit-remaining(?:-|$)|ratelimit-remaining$|anthropic-ratelimit-.*-remaining$)/;
  // Azure answers -1 and below for a bucket that is overdrawn.
  if (!bucket.test(name) || !/^-?\d+$/.test(value) || Number(value) > 0) return null;
  const reset = headers.get(name.replace('remaining', 'reset'));
  return reset === undefined ? periodMs(name, nowMs) : resetMs(reset, nowMs);
}

/** A reset as any provider writes it: RFC 3339, Unix time, Go duration, or bare seconds (Azure). */
export function resetMs(text: string | undefined, nowMs: number): number | null {
  if (text === undefined) return null;
  const instant = timestampMs(text) ?? unixTimeMs(text);
  return instant === null ? (secondsMs(text) ?? durationMs(text)) : instant - nowMs;
}

/** Mistral names no reset, but the period: tokens-month, tokens-minute, req-60-second. */
function periodMs(name: string, nowMs: number): number | null {
  if (name.endsWith('-month')) return nextUtcMonth(nowMs) - nowMs;
  if (name.endsWith('-day')) return nextUtcMidnight(nowMs) - nowMs;
  if (name.endsWith('-minute') || name.endsWith('-60-second')) return MINUTE_MS;
  return null;
}
