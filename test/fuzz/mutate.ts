// Makes new inputs from old ones: bytes flipped, pieces left out, doubled, exchanged, put in.

import type { FuzzTarget } from './fuzz-target.ts';
import type { Random } from './random.ts';

/** Readers see no more than this at once: what they must bound is bounded far below. */
const MAX_INPUT_BYTES = 96 * 1024;
const MAX_STEPS = 6;

/** The next input for a target. @param known its seeds and the cases that were found before */
export function nextInput(target: FuzzTarget, known: readonly Buffer[], random: Random): Buffer {
  let bytes = random.of(known);
  for (let steps = random.below(MAX_STEPS) + 1; steps > 0; steps -= 1) {
    bytes = mutated(bytes, target, known, random);
  }
  return bytes.subarray(0, MAX_INPUT_BYTES);
}

function mutated(
  bytes: Buffer,
  target: FuzzTarget,
  known: readonly Buffer[],
  random: Random,
): Buffer {
  const from = random.below(bytes.length + 1);
  const end = Math.min(bytes.length, from + random.below(random.of([2, 8, 64, 1024])));
  const [before, piece, after] = [
    bytes.subarray(0, from),
    bytes.subarray(from, end),
    bytes.subarray(end),
  ];
  switch (random.below(8)) {
    case 0: {
      const copy = Buffer.from(bytes);
      if (from < copy.length) copy[from] = random.below(256);
      return copy;
    }
    case 1:
      return Buffer.concat([before, after]);
    case 2:
      return Buffer.concat([before, piece, piece, after]);
    case 3:
    case 4:
      return Buffer.concat([before, Buffer.from(random.of(target.words), 'latin1'), after]);
    case 5: {
      const other = random.of(known);
      return Buffer.concat([before, other.subarray(random.below(other.length + 1))]);
    }
    case 6: {
      const times = random.of([2, 10, 100, 3_000]);
      const word = random.of(target.words);
      return Buffer.concat([before, Buffer.from(word.repeat(times), 'latin1'), after]);
    }
    default: {
      const copy = Buffer.from(bytes);
      if (from < copy.length) copy[from] = (copy[from] as number) ^ (1 << random.below(8));
      return copy;
    }
  }
}
