// The ids of requests whose clients name none: the word of a worker, and the request's number in
// it. Written down as that number until somebody wants to read it.

/** Digits of a number in an id, to base 36; more where it needs them. */
const DIGITS = 5;

/** @param prefix begins every id of a worker, so that ids differ between workers and runs */
export function ownRequestId(prefix: string, serial: number): string {
  return prefix + serial.toString(36).padStart(DIGITS, '0');
}
