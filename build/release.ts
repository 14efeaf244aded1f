// Turns the five executables of `make build-all` into the archives that users download, with
// checksums, in release/. Same sources, same bytes: every file carries the commit's time, and the
// order and owners are fixed.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
} from 'node:fs';
import { join } from 'node:path';
import { version } from './bundle.ts';
import { writeChecksums } from './checksums.ts';
import { nodeBase, run } from './node-base.ts';
import { generatorPackage, nodePackageOf, ROOT, TARGETS, type Target } from './targets.ts';

const OUTPUT = join(ROOT, 'release');

/** Seconds since 1970: SOURCE_DATE_EPOCH (reproducible-builds.org), else the time of the commit. */
function sourceTime(): number {
  const given = process.env.SOURCE_DATE_EPOCH;
  return Number(given ?? run('git', ['log', '-1', '--format=%ct']).trim());
}

/** What a user gets beside the executable: name in the archive, and the file that it is. */
function contents(target: Target): Map<string, string> {
  const windows = target.platform === 'win32';
  const node = nodeBase(generatorPackage(nodePackageOf(target).version));
  const files = new Map([
    [windows ? 'gpt-load.exe' : 'gpt-load', join(ROOT, 'build', target.file)],
    ['LICENSE', join(ROOT, 'LICENSE')],
    ['LICENSE-node', node.licence],
    ['README.md', join(ROOT, 'README.md')],
    ['README_CN.md', join(ROOT, 'README_CN.md')],
    ['.env.example', join(ROOT, '.env.example')],
  ]);
  if (target.platform === 'linux') {
    files.set('gpt-load.service', join(ROOT, 'deploy/gpt-load.service'));
  }
  return files;
}

/** A folder with the release's files; its name is what users see when they unpack it. */
function stage(target: Target, name: string, seconds: number): string {
  const folder = join(OUTPUT, name);
  mkdirSync(folder);
  for (const [inside, file] of contents(target)) {
    if (!existsSync(file)) throw new Error(`${file} is missing (executables: make build-all)`);
    const copy = join(folder, inside);
    copyFileSync(file, copy);
    chmodSync(copy, inside.startsWith('gpt-load') && !inside.includes('.service') ? 0o755 : 0o644);
    utimesSync(copy, seconds, seconds);
  }
  utimesSync(folder, seconds, seconds);
  return folder;
}

/** Packs `release/<name>/` and returns the archive's file name. */
function archive(target: Target, name: string): string {
  if (target.platform === 'win32') {
    const files = readdirSync(join(OUTPUT, name)).toSorted();
    // It stores local times, so TZ is set in main; -D: no entries for folders.
    run(
      'zip',
      ['-q', '-X', '-D', '-9', `${name}.zip`, ...files.map((f) => `${name}/${f}`)],
      OUTPUT,
    );
    return `${name}.zip`;
  }
  const tar = `${name}.tar`;
  const owner = ['--owner=0', '--group=0', '--numeric-owner', '--format=ustar', '--sort=name'];
  run('tar', [...owner, '-cf', tar, name], OUTPUT);
  // The filter for x86 jumps: 26.1 MB in 37 s, against 27.0 MB in 41 s without and 26.7 MB with -9.
  const filter = target.arch === 'x64' ? ['--x86', '--lzma2=preset=6'] : ['-6'];
  run('xz', ['-f', ...filter, tar], OUTPUT);
  return `${tar}.xz`;
}

function main(): void {
  const seconds = sourceTime();
  process.env.TZ = 'UTC';
  rmSync(OUTPUT, { recursive: true, force: true });
  mkdirSync(OUTPUT);
  const names: string[] = [];
  for (const target of TARGETS) {
    const name = target.file.replace('gpt-load', `gpt-load-${version()}`).replace('.exe', '');
    const folder = stage(target, name, seconds);
    const file = archive(target, name);
    rmSync(folder, { recursive: true });
    names.push(file);
    const bytes = statSync(join(OUTPUT, file)).size;
    console.log(
      `[${names.length}/${TARGETS.length}] release/${file}: ${(bytes / 1e6).toFixed(1)} MB`,
    );
  }
  writeChecksums(OUTPUT, names);
}

if (import.meta.main) main();
