// How a trail stands on a page of shared memory: as numbers, each in its place, and as texts, which
// are written once for all the trails that have them. Written by trail-writer.ts, read by
// trail-reader.ts.

/** A page is a row of items. The first word of each says what it is, in its lowest bits. */
export const TEXT = 0;
export const RECORD = 1;
/** Texts that trails have in common, by their own places, one word each. */
export const TEXTS = 2;
/** Above these bits: the bytes of a text, the attempts of a record, how many texts. */
export const KIND_BITS = 2;
export const KINDS = (1 << KIND_BITS) - 1;

/**
 * The places of a record, in words of 32 bits; `asked` is the place of {@link ASKED}. What nearly
 * every trail has for itself is here and stands together: it is written once and in no cache.
 */
export const HEAD = {
  number: 1,
  id: 2,
  asked: 3,
  bits: 4,
  status: 5,
  firstByte: 6,
  total: 7,
  waited: 8,
  ended: 9,
  refusal: 10,
  /** Two words each, up to 2^53, as far as `serial`. */
  arrival: 11,
  bytesIn: 13,
  bytesOut: 15,
  serial: 17,
  input: 19,
  cached: 20,
  cacheWrite: 21,
  output: 22,
  reasoning: 23,
} as const;
export const HEAD_PLACES = 24;

/** Those of an attempt, behind the record; `outcome` is the place of {@link OUTCOME}. */
export const ATTEMPT = {
  key: 0,
  outcome: 1,
  status: 2,
  taken: 3,
  end: 4,
  waited: 5,
  changes: 6,
} as const;
export const ATTEMPT_PLACES = 7;

/** The texts of requests that asked for the same. */
export const ASKED = {
  client: 1,
  clientName: 2,
  groupName: 3,
  method: 4,
  path: 5,
  model: 6,
} as const;

/** Those of attempts that ended alike. */
export const OUTCOME = { upstream: 1, verdict: 2, rule: 3, code: 4 } as const;

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
