// What CHANGELOG.md says of one version, as the text of its release.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { version } from './bundle.ts';
import { ROOT } from './targets.ts';

/** @throws when the version has no section, or an empty one: then nothing should be released */
export function releaseNotes(changelog: string, of: string): string {
  const sections = changelog.split(/^(?=## \[)/m);
  const section = sections.find((text) => text.startsWith(`## [${of}]`));
  const notes = section?.slice(section.indexOf('\n')).trim() ?? '';
  if (notes === '') throw new Error(`CHANGELOG.md has no notes for ${of}`);
  return `${notes}\n`;
}

if (import.meta.main) {
  const changelog = readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8');
  process.stdout.write(releaseNotes(changelog, process.argv[2] ?? version()));
}
