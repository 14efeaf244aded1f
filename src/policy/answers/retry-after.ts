// When to come back, as far as the upstream says so. null: it does not, and cooldown.ts's backoff
// decides. Order of belief: a day's quota, retry-after-ms, retry-after, RetryInfo, an exhausted
// bucket's reset, the message, the period it names.

import { providerOf } from '../provider.ts';
import type { AnswerView } from '../verdict.ts';
import { nextPacificMidnight, nextUtcMidnight, nextUtcMonth } from './calendar.ts';
import { durationMs, httpDateMs, roundUpMs, timestampMs } from './duration.ts';
import { type Facts, factsOf } from './normalise.ts';
import { exhaustedBucket, resetMs, type Wait } from './rate-limit-headers.ts';

/** No named wait is believed beyond this: a month's reset and some, in milliseconds. */
export const MAX_RETRY_AFTER_MS = 40 * 24 * 3_600_000;

export interface AnswerContext {
  /** Host name of the upstream. */
  readonly host: string;
  /** Unix time, for what ends with a day or a month of the calendar. */
  readonly nowMs: number;
}

/** When a spent allowance comes back, if only its kind is known. */
export type Period = 'day' | 'month';

/** No day of any time zone, and no month, is longer. */
export const PERIOD_MS: Readonly<Record<Period, number>> = {
  day: 25 * 3_600_000,
  month: 31 * 24 * 3_600_000,
};

/**
 * Milliseconds until the upstream says to come back: rounded up, above 0, at most
 * MAX_RETRY_AFTER_MS.
 */
export function retryAfterMs(answer: AnswerView, context: AnswerContext): number | null {
  return namedWait(answer, context)?.ms ?? null;
}

/**
 * The same, and whether it is the end of a quota's day or month. The response's own Date is the
 * clock for every point in time that it names, so a local clock that is wrong does no harm.
 */
export function namedWait(
  answer: AnswerView,
  context: AnswerContext,
  facts: Facts = factsOf(answer),
): Wait | null {
  const { headers, signs } = facts;
  const nowMs = clockMs(facts, context);
  // Gemini names a short retryDelay even for a quota that is gone until midnight, Pacific time.
  if (signs.has('quota_per_day')) return periodEnd(nextPacificMidnight(nowMs) - nowMs);
  const limited = answer.status === 429 || answer.inStream;
  return (
    moment(decimal(headers.get('retry-after-ms'))) ??
    moment(retryAfterHeaderMs(headers.get('retry-after'), nowMs)) ??
    moment(durationMs(facts.retryDelay ?? '')) ??
    moment(resetMs(facts.resetAt, nowMs)) ??
    (limited ? bounded(exhaustedBucket(headers, nowMs)) : null) ??
    wordedWait(facts.messages, nowMs, context.host)
  );
}

/** The upstream's own clock where it shows it (the Date header), else ours. */
export function clockMs(facts: Facts, context: AnswerContext): number {
  return httpDateMs(facts.headers.get('date') ?? '') ?? context.nowMs;
}

/** Milliseconds until the day or the month of a provider's quota ends. */
export function periodEndMs(period: Period, nowMs: number, host: string): number {
  if (period === 'month') return nextUtcMonth(nowMs) - nowMs;
  const provider = providerOf(host);
  const pacific = provider === 'gemini' || provider === 'vertex';
  return (pacific ? nextPacificMidnight(nowMs) : nextUtcMidnight(nowMs)) - nowMs;
}

/** A wait of nothing, or of less, is no information: the backoff knows better. */
function bounded(wait: Wait | null): Wait | null {
  if (wait === null || wait.ms <= 0) return null;
  return { ...wait, ms: Math.min(wait.ms, MAX_RETRY_AFTER_MS) };
}

function moment(ms: number | null): Wait | null {
  return ms === null ? null : bounded({ ms, isPeriodEnd: false });
}

function periodEnd(ms: number): Wait | null {
  return bounded({ ms, isPeriodEnd: true });
}

function decimal(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,15}(?:\.\d{1,9})?$/.test(text)
    ? roundUpMs(Number(text))
    : null;
}

/**
 * RFC 9110 10.2.3: seconds or an HTTP date. Some send fractions, and some a duration such as
 * "3m20s".
 */
function retryAfterHeaderMs(text: string | undefined, nowMs: number): number | null {
  if (text === undefined) return null;
  const date = httpDateMs(text);
  return date === null ? resetMs(text, nowMs) : date - nowMs;
}

const DELAY = /\b(?:try(?:ing)? again|retry|wait)(?: in| after| for)? (?=\d)/i;
const INSTANT =
  /(\d{4}-\d\d-\d\d)(?: at |[T ])(\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)( ?(?:UTC|Z|[+-]\d\d:?\d\d)\b)?/i;
// Chinese: 重置, 恢复.
const RESUMES = /regain access|reset|\u91cd\u7f6e|\u6062\u590d|try again|retry|until/i;

/** What a message says in words. */
function wordedWait(messages: readonly string[], nowMs: number, host: string): Wait | null {
  for (const message of messages) {
    const delay = DELAY.exec(message);
    const named = delay === null ? null : durationMs(message, delay.index + delay[0].length);
    const wait =
      moment(named) ?? moment(instantMs(message, nowMs, host)) ?? namedPeriod(message, nowMs, host);
    if (wait !== null) return wait;
  }
  return null;
}

/**
 * "You will regain access on 2026-09-01 at 00:00 UTC"; Zhipu's resets are Beijing time and do not
 * say so.
 */
function instantMs(message: string, nowMs: number, host: string): number | null {
  const match = RESUMES.test(message) ? INSTANT.exec(message) : null;
  if (match === null) return null;
  const zone = providerOf(host) === 'zhipu' ? '+08:00' : 'Z';
  const instant = timestampMs(`${match[1]}T${match[2]}${match[3]?.trim() ?? ''}`, zone);
  return instant === null ? null : instant - nowMs;
}

const PER_MONTH =
  /\/ ?month\b|\bper month\b|\bmonthly (?:API usage|spend|spending|quota|included)/i;
const PER_DAY =
  /\/ ?day\b|\bper[ -]day\b|\bdaily (?:limit|quota|free|request|token|usage)|\b(?:TPD|RPD)\b/i;
const PER_MINUTE = /\d (?:API )?calls \/ minute\b/i;

/**
 * A limit whose period is the only thing named (Cohere's trial keys, Moonshot's TPD, Workers AI's
 * allocation).
 */
function namedPeriod(message: string, nowMs: number, host: string): Wait | null {
  if (PER_MONTH.test(message)) return periodEnd(periodEndMs('month', nowMs, host));
  if (PER_DAY.test(message)) return periodEnd(periodEndMs('day', nowMs, host));
  return PER_MINUTE.test(message) ? moment(60_000) : null;
}
