// `gpt-load --licenses`: the licences of all that is in the file: gpt-load's own and, in a packed
// executable, Node's with those of its parts.

import { readFileSync } from 'node:fs';

/** The text that the build put into the executable; from the sources, gpt-load's own. */
export function licences(): string {
  const sea = process.getBuiltinModule('node:sea');
  if (sea.isSea()) return sea.getAsset('LICENSE', 'utf8');
  return readFileSync(new URL('../../LICENSE', import.meta.url), 'utf8');
}
