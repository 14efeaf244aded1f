// The libraries that may be compiled into the program, and the licences that they bring. Each is a
// development dependency pinned exactly; none runs in a worker's request path. bundle.ts refuses
// any other file of node_modules.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './targets.ts';

/** What each is for; a library that is not installed is not compiled in either. */
export const COMPILED_IN: Readonly<Record<string, string>> = {
  '@redis/client': 'the fleet',
  'smol-toml': 'gpt-load.toml',
  preact: 'the page',
  '@preact/signals': 'the page',
  '@preact/signals-core': 'the page',
  uplot: 'charts of the page',
};

/** What these libraries could use if it were there: it is not, and nothing here asks for it. */
export const LEFT_OUT: readonly string[] = ['@opentelemetry/api', '@node-rs/xxhash'];

/** Licences that their packages leave out. */
const LICENCE_FILES: Readonly<Record<string, string>> = {
  '@redis/client': 'build/licences/redis-client.txt',
};

/** The package that a file of a bundle comes from; undefined: it is our own code. */
function packageOf(input: string): string | undefined {
  return /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(input)?.[1];
}

/** @throws when a bundle holds a file of a library that is not on the list */
export function assertCompiledIn(inputs: readonly string[]): void {
  for (const input of inputs) {
    const name = packageOf(input);
    if (name === undefined || Object.hasOwn(COMPILED_IN, name)) continue;
    throw new Error(`${name} is not among the libraries that may be compiled in: ${input}`);
  }
}

/** The licence texts of the libraries, each under its name and version. */
export function libraryLicences(): string[] {
  return Object.keys(COMPILED_IN).map((name) => {
    const folder = join(ROOT, 'node_modules', name);
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const kept = LICENCE_FILES[name];
    const files = ['LICENSE', 'LICENSE.md', 'LICENCE'].map((text) => join(folder, text));
    const file = kept === undefined ? files.find((text) => existsSync(text)) : join(ROOT, kept);
    if (file === undefined) throw new Error(`${name} has no licence file`);
    return `${name} ${version}\n\n${readFileSync(file, 'utf8')}`;
  });
}
