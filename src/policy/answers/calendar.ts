// When a day or a month ends for a quota. Pure arithmetic on epoch milliseconds: no clock and no
// time zone database.

const HOUR_MS = 3_600_000;

/** The next 00:00 UTC after `nowMs`. */
export function nextUtcMidnight(nowMs: number): number {
  const now = new Date(nowMs);
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1);
}

/** The next 1st of a month, 00:00 UTC, after `nowMs`. */
export function nextUtcMonth(nowMs: number): number {
  const now = new Date(nowMs);
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1);
}

/**
 * The next midnight in Los Angeles after `nowMs`: Gemini's daily quotas reset then (ai.google.dev,
 * rate limits).
 */
export function nextPacificMidnight(nowMs: number): number {
  const local = new Date(nowMs - pacificOffsetMs(nowMs));
  const date = Date.UTC(local.getUTCFullYear(), local.getUTCMonth(), local.getUTCDate() + 1);
  // Both changes of the year happen at 2:00, so midnight itself has one offset: daylight time's if
  // it is daylight time then.
  const summer = date + 7 * HOUR_MS;
  return pacificOffsetMs(summer) === 7 * HOUR_MS ? summer : date + 8 * HOUR_MS;
}

/**
 * How far Los Angeles is behind UTC: 7 hours from the second Sunday in March to the first Sunday in
 * November, 2:00 local time each, and 8 hours otherwise (15 U.S.C. 260a, since 2007).
 */
function pacificOffsetMs(nowMs: number): number {
  const year = new Date(nowMs).getUTCFullYear();
  const start = sunday(year, 2, 2) + 10 * HOUR_MS;
  const end = sunday(year, 10, 1) + 9 * HOUR_MS;
  return nowMs >= start && nowMs < end ? 7 * HOUR_MS : 8 * HOUR_MS;
}

/** 00:00 UTC of the `nth` Sunday of a month (0 = January). */
function sunday(year: number, month: number, nth: number): number {
  const weekday = new Date(Date.UTC(year, month, 1)).getUTCDay();
  return Date.UTC(year, month, 1 + ((7 - weekday) % 7) + (nth - 1) * 7);
}
