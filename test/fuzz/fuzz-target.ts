// What is fuzzed: a reader of what strangers send, with inputs that get far into it and the promise
// that must hold for any bytes whatever. How inputs are made of those is mutate.ts's.

import type { Random } from './random.ts';

export interface FuzzTarget {
  /** Its folder under test/fixtures/fuzz. */
  readonly name: string;
  readonly seeds: readonly (string | Buffer)[];
  /** Pieces that mean something to the reader. */
  readonly words: readonly string[];
  /**
   * Throws when the promise does not hold.
   * @param random seeded by the input, so that its bytes alone repeat a case
   */
  readonly check: (input: Buffer, random: Random) => void | Promise<void>;
}
