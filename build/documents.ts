// The documents that come with the program, whichever way somebody gets it: README and what it
// links to, examples and what monitoring imports. One list, so that no link in a package is dead.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './targets.ts';

const BESIDE_README = [
  ...['README.md', 'README_CN.md', 'SECURITY.md', 'CHANGELOG.md', 'LICENSE'],
  ...['.env.example', 'gpt-load.example.toml'],
];
/** Not the pictures' sources, nor scripts that are packages' own. */
const KINDS = /\.(md|png|ya?ml|json)$/;

/** Paths from the project's folder, which are those within a package too. */
export function documents(): string[] {
  const further = ['docs', 'deploy'].flatMap((folder) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => KINDS.test(name))
      .map((name) => `${folder}/${name}`),
  );
  return [...BESIDE_README, ...further].toSorted();
}
