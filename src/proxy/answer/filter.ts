// What stands between an answer and its client: for an error that is longer than what was held of
// it, its decoders and the mask, so that no key passes in it; and the compressor. Which answers
// need which is said here, what each does is theirs.

import type { Transform } from 'node:stream';
import { decoderOf, isDecodable } from './decoder.ts';
import { createGzip } from './gzip.ts';
import { type HeldAnswer, MAX_CODINGS } from './held-answer.ts';
import { KeyMask } from './key-mask.ts';

const NOTHING = Buffer.alloc(0);

/** Where bytes go in, and where they come out towards the client. */
export interface Filter {
  readonly first: Transform;
  readonly last: Transform;
}

/** An error that goes on beyond what was held of it: it is searched as it passes. */
export function isMaskedInPassing(held: HeldAnswer): boolean {
  return held.refusal && !held.ended;
}

/** An encoded error of which it cannot be known what the client would read in it. */
export function isUnreadable(held: HeldAnswer): boolean {
  if (!held.refusal || held.codings.length === 0) return false;
  if (!isMaskedInPassing(held)) return held.decodedWhole() === undefined;
  const { codings } = held;
  return codings.length > MAX_CODINGS || !codings.every(isDecodable);
}

/**
 * The filter of an answer; undefined: its bytes go out as they came.
 * @param onBroken what was decoded is no such coding, or ends too early
 */
export function filterFor(
  held: HeldAnswer,
  key: string,
  to: { compress: boolean; onBroken: () => void },
): Filter | undefined {
  const row: Transform[] = [];
  if (isMaskedInPassing(held)) row.push(...decodersFor(held), new KeyMask(key));
  if (to.compress) row.push(createGzip());
  const [first, last] = [row[0], row.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  for (const [i, stage] of row.entries()) {
    const next = row[i + 1];
    if (next !== undefined) stage.pipe(next);
    stage.on('error', to.onBroken);
    // Whoever ends one ends all: the client who left, or bytes that are no such coding.
    stage.on('close', () => {
      if (!stage.readableEnded) next?.destroy();
    });
  }
  return { first, last };
}

/** What undoes an answer's codings, the last one first; of readable answers. */
function decodersFor(held: HeldAnswer): Transform[] {
  return held.codings.toReversed().flatMap((coding, i) => {
    return decoderOf(coding, i === 0 ? held.raw() : NOTHING, true) ?? [];
  });
}
