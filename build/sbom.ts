// `make sbom`: what the executables are made of, as CycloneDX, from package-lock.json by npm
// itself. npm knows only dependencies of development here; which are in the file is told apart.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { version } from './bundle.ts';
import { COMPILED_IN } from './compiled-in.ts';
import { run } from './node-base.ts';
import { ROOT, TARGETS } from './targets.ts';

interface Component {
  readonly name: string;
  readonly group?: string;
  scope?: 'required' | 'optional' | 'excluded';
}

/** Writes it into `folder`; returns its name. */
export function writeSbom(folder: string): string {
  const args = [
    'sbom',
    '--sbom-format=cyclonedx',
    '--package-lock-only',
    '--sbom-type=application',
  ];
  const sbom = JSON.parse(run('npm', args, ROOT)) as { components: Component[] };
  const shipped = new Set([
    ...Object.keys(COMPILED_IN),
    ...TARGETS.map(({ nodePackage }) => nodePackage),
  ]);
  for (const component of sbom.components) {
    const { group, name } = component;
    const full = group === undefined || name.startsWith('@') ? name : `${group}/${name}`;
    component.scope = shipped.has(full) ? 'required' : 'excluded';
  }
  const name = `gpt-load-${version()}.cdx.json`;
  writeFileSync(join(folder, name), `${JSON.stringify(sbom, null, 2)}\n`);
  return name;
}

if (import.meta.main) console.log(`build/${writeSbom(join(ROOT, 'build'))}`);
