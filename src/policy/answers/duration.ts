// Reads durations and points in time as providers write them. null is the answer to everything
// else.

const UNIT_MS: readonly (readonly [string, number])[] = [
  ['ms', 1],
  ['mil', 1],
  ['s', 1_000],
  ['mi', 60_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
  ['w', 604_800_000],
];

const PART =
  /\s{0,2}(\d{1,12}(?:\.\d{1,12})?)\s{0,2}(milliseconds?|ms|seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?|s|m|h|d)(?![a-z])/iy;

/** "1d2h3m4.5s" has four. */
const MAX_PARTS = 6;

/** A float's dust above a whole millisecond is not a reason to wait one more. */
const DUST_MS = 1e-6;

/** Whole milliseconds, rounded up. */
export function roundUpMs(ms: number): number {
  return Math.ceil(ms - DUST_MS);
}

/**
 * Milliseconds of the duration at `from` in the text: "120ms", "6m0s", "2m52.8s", "38.879s", "5
 * minutes".
 */
export function durationMs(text: string, from = 0): number | null {
  let total: number | null = null;
  PART.lastIndex = from;
  for (let parts = 0; parts < MAX_PARTS; parts += 1) {
    const match = PART.exec(text);
    if (match === null) break;
    total = (total ?? 0) + Number(match[1]) * unitMs(match[2] ?? '');
  }
  return total === null ? null : roundUpMs(total);
}

function unitMs(unit: string): number {
  const name = unit.toLowerCase();
  return UNIT_MS.find(([prefix]) => name.startsWith(prefix))?.[1] ?? 0;
}

/** Milliseconds of a plain number of seconds such as "30" or "1.5". */
export function secondsMs(text: string): number | null {
  return /^\d{1,15}(?:\.\d{1,12})?$/.test(text) ? roundUpMs(Number(text) * 1_000) : null;
}

/** Epoch milliseconds of an HTTP date in any of its three forms (RFC 9110 5.6.7). */
export function httpDateMs(text: string): number | null {
  if (!/^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},? /i.test(text)) return null;
  // asctime's form names no zone and is GMT by definition.
  return finite(Date.parse(/GMT$/i.test(text) ? text : `${text} GMT`));
}

/** Epoch milliseconds of an RFC 3339 time; one without an offset is taken at `offset`. */
export function timestampMs(text: string, offset = 'Z'): number | null {
  const match =
    /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d(?:\.\d{1,9})?)?\s?(Z|UTC|[+-]\d\d:?\d\d)?$/i.exec(
      text,
    );
  if (match === null) return null;
  const [, day, minute, second = ':00', zone = offset] = match;
  const iso = /^(?:Z|UTC)$/i.test(zone) ? 'Z' : zone.replace(/^(.\d\d)(\d\d)$/, '$1:$2');
  return finite(Date.parse(`${day}T${minute}${second}${iso}`));
}

/**
 * Epoch milliseconds of a number that can only be a Unix time, in seconds or milliseconds: anything
 * from 2001 on.
 */
export function unixTimeMs(text: string): number | null {
  if (!/^\d{10,16}(?:\.\d{1,9})?$/.test(text)) return null;
  const value = Number(text);
  return roundUpMs(value >= 1e12 ? value : value * 1_000);
}

function finite(ms: number): number | null {
  return Number.isFinite(ms) ? ms : null;
}
