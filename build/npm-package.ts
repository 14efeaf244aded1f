// `make npm-package`: the bundle as an npm package that runs on the user's own Node 24, as in
// `npx gpt-load`. Packed here, published by nobody but a person.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { bundle, PROGRAM } from './bundle.ts';
import { libraryLicences } from './compiled-in.ts';
import { documents } from './documents.ts';
import { run } from './node-base.ts';
import { ROOT } from './targets.ts';

/**
 * Says what is missing before anything newer than the Node at hand is read. The `--` keeps Node
 * from taking the program's --env-file for its own.
 */
const START = `#!/usr/bin/env -S node --disable-warning=ExperimentalWarning --
'use strict';
if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error('gpt-load requires Node.js 24 or newer; this is ' + process.version);
  process.exit(1);
}
require('./main.cjs');
`;

/** Packs the bundle `program` into an archive in `folder`; returns the archive's name. */
export function npmPackage(program: string, folder: string): string {
  const stage = join(folder, 'npm');
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  const own = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const { name, version, description, license, engines } = own;
  const told = {
    ...{ name, version, description, license, engines },
    keywords: ['openai', 'anthropic', 'gemini', 'proxy', 'load-balancer', 'api-keys'],
    bin: { 'gpt-load': 'gpt-load.cjs' },
    files: ['gpt-load.cjs', 'main.cjs', 'LICENSES', ...documents()],
  };
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(told, null, 2)}\n`);
  writeFileSync(join(stage, 'gpt-load.cjs'), START, { mode: 0o755 });
  copyFileSync(program, join(stage, 'main.cjs'));
  for (const file of documents()) {
    mkdirSync(dirname(join(stage, file)), { recursive: true });
    copyFileSync(join(ROOT, file), join(stage, file));
  }
  const licences = [readFileSync(join(ROOT, 'LICENSE'), 'utf8'), ...libraryLicences()];
  writeFileSync(join(stage, 'LICENSES'), licences.join(`\n${'='.repeat(80)}\n\n`));
  run('npm', ['pack', '--silent', '--pack-destination', folder], stage);
  rmSync(stage, { recursive: true });
  return `${name}-${version}.tgz`;
}

if (import.meta.main) {
  await bundle();
  console.log(`build/${npmPackage(PROGRAM.output, join(ROOT, 'build'))}`);
}
