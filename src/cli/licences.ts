// `gpt-load --licenses`: the licences of all that is in the file: gpt-load's own and, in a packed
// executable, Node's with those of its parts; npm's package has them beside the program.

import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * The text that the build put into the executable; from the sources, gpt-load's own.
 *
 * @param script the file that Node was given; '' in an executable
 */
export function licences(script: string): string {
  const sea = process.getBuiltinModule('node:sea');
  if (sea.isSea()) return sea.getAsset('LICENSE', 'utf8');
  const program = realpathSync(script);
  const beside = join(dirname(program), 'LICENSES');
  if (existsSync(beside)) return readFileSync(beside, 'utf8');
  // A bundle does not know where its sources are.
  if (import.meta.url === '') return 'See the LICENSE file of the source code.\n';
  return readFileSync(new URL('../../LICENSE', import.meta.url), 'utf8');
}
