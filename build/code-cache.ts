// Lets V8 compile the scripts that the launcher compiles at every start, and keeps what it made of
// them beside them. It is good for the same V8 only, and only for the same scripts, of which V8
// compares no more than the length: package.ts runs this in the Node that the executable stands on.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';

const [parts = ''] = process.argv.slice(2);
// The scripts are run until their modules are loaded, so that what those call then is compiled too:
// the worker has nobody to tell it what to do, and the server is asked for its version.
const require = createRequire(import.meta.url);
Object.assign(globalThis, { require });
process.argv.splice(2, Infinity, '--version');

for (const name of ['server', 'worker']) {
  const script = new Script(readFileSync(join(parts, `${name}.js`), 'latin1'));
  const program: unknown = script.runInThisContext();
  if (typeof program === 'function') program(require);
  // The seed of hashes is a flag, and what a V8 with other flags has made is refused: at a start it
  // is 0.
  setFlagsFromString('--hash-seed=0');
  writeFileSync(join(parts, `${name}.cache`), script.createCachedData());
}
