// How a trail stands on a page of shared memory: as numbers, each in its place, and as texts, which
// are written once for all the trails that have them. Written by trail-writer.ts, read by
// trail-reader.ts.

/** A page is a row of items. The first word of each says what it is, in its lowest bit. */
export const TEXT = 0;
export const RECORD = 1;
/** Above that bit: the bytes of a text, the attempts of a record. */
export const KIND_BITS = 1;

/**
 * The places of a record, in words of 32 bits. Texts are there by their own places; `asked` is that
 * of a record which has the next six, often an earlier one.
 */
export const HEAD = {
  number: 1,
  id: 2,
  asked: 3,
  client: 4,
  clientName: 5,
  groupName: 6,
  method: 7,
  path: 8,
  model: 9,
  bits: 10,
  status: 11,
  firstByte: 12,
  total: 13,
  waited: 14,
  ended: 15,
  refusal: 16,
  /** Two words each, up to 2^53, as far as `serial`. */
  arrival: 17,
  bytesIn: 19,
  bytesOut: 21,
  serial: 23,
  input: 25,
  cached: 26,
  cacheWrite: 27,
  output: 28,
  reasoning: 29,
} as const;
export const HEAD_PLACES = 30;

/** Those of an attempt, behind the record; `outcome` is an attempt that has the next four. */
export const ATTEMPT = {
  key: 0,
  outcome: 1,
  upstream: 2,
  verdict: 3,
  rule: 4,
  code: 5,
  status: 6,
  taken: 7,
  end: 8,
  waited: 9,
  changes: 10,
} as const;
export const ATTEMPT_PLACES = 11;

/** Bits of one place: it was streamed; its tokens are known. */
export const STREAMED = 1;
export const COUNTED = 2;
/** Stands for a text that is not there. */
export const NO_TEXT = 0;
/** Stands for a number that is not there: one that is there is written as one more. */
export const NONE = 0;
/** What counts as 1 in the second word of a number that has two. */
export const SECOND_WORD = 2 ** 32;

const WORD_BYTES = 4;

/** Words that so many bytes take. */
export function wordsOf(bytes: number): number {
  return Math.ceil(bytes / WORD_BYTES);
}

/** Where on the page the bytes of a text begin, by its place: behind its first word. */
export function bytesOf(place: number): number {
  return WORD_BYTES * (place + 1);
}
