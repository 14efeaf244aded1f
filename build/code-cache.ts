// Lets V8 compile the scripts that the launcher compiles at every start, and keeps what it made of
// them. It is good for the same V8 only, so this runs in the Node that the executable stands on:
// node --hash-seed=1 code-cache.ts PARTS FOLDER. Called by package.ts.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';

const [parts = '', folder = ''] = process.argv.slice(2);
// What the modules call when they are loaded is compiled too: so far the scripts are run. The
// worker has nobody to tell it what to do, and the server is asked for its version.
const globals = { require: createRequire(import.meta.url) };
Object.assign(globalThis, globals);
process.argv.splice(2, Infinity, '--version');

for (const name of ['server', 'worker']) {
  const script = new Script(readFileSync(join(parts, `${name}.js`), 'latin1'));
  const program: unknown = script.runInThisContext();
  if (typeof program === 'function') program(globals.require);
  // The seed of hashes makes the bytes the same each time. It is a flag, and what a V8 with other
  // flags has made is refused: at a start it is 0.
  setFlagsFromString('--hash-seed=0');
  writeFileSync(join(folder, `${name}.cache`), script.createCachedData());
}
