// The keys that one worker used lately, as texts: read from shared memory and made readable once,
// not for each request. A text is known by its row's era, which another key in the row ends.

import { previewKey } from '../policy/redact.ts';
import type { KeyTable } from './table/key-table.ts';
import { generationOf, stateOf, VACANT } from './table/status-word.ts';

/** Rows that share a slot push each other out. A power of two. */
const SLOTS = 1_024;

/** A key, whole and as people may see it. */
export interface KeyText {
  readonly key: string;
  readonly preview: string;
}

interface Known extends KeyText {
  readonly row: number;
  readonly generation: number;
  readonly edition: number;
}

export class KeyTexts {
  readonly #known: (Known | undefined)[] = new Array(SLOTS).fill(undefined);

  /** The key of a row in an era; undefined: that era is over. */
  of({ rows, account }: KeyTable, row: number, generation: number): KeyText | undefined {
    const known = this.#known[row % SLOTS];
    const { edition } = rows;
    const isKnown =
      known?.row === row && known.generation === generation && known.edition === edition;
    const text = isKnown ? known : { ...textOf(rows.key(row)), row, generation, edition };
    // The same era before the bytes were read and after: they belong together.
    const low = account.words.low(row);
    if (stateOf(low) === VACANT || generationOf(low) !== generation) return undefined;
    this.#known[row % SLOTS] = text;
    return text;
  }
}

function textOf(key: string): KeyText {
  return { key, preview: previewKey(key) };
}
