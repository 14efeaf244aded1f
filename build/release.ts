// Turns the five executables of `make build-all` into what users download, in release/: archives,
// Debian packages, npm's package, the bill of materials, checksums, install.sh and the formula.
// Same sources, same archives, on one platform: files carry the commit's time, and order and owners
// are fixed. Only the executable for the platform itself has code that V8 compiled at the build.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { PROGRAM, version } from './bundle.ts';
import { writeChecksums } from './checksums.ts';
import { debPackage } from './deb.ts';
import { documents } from './documents.ts';
import { writeFormula } from './formula.ts';
import { nodeBase, run } from './node-base.ts';
import { npmPackage } from './npm-package.ts';
import { writeSbom } from './sbom.ts';
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
    ['LICENSE-node', node.licence],
    ...documents().map((path) => [path, join(ROOT, path)] as const),
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
    mkdirSync(dirname(copy), { recursive: true });
    copyFileSync(file, copy);
    chmodSync(copy, /^gpt-load(\.exe)?$/.test(inside) ? 0o755 : 0o644);
  }
  const all = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  for (const path of [...all, '.']) utimesSync(join(folder, path), seconds, seconds);
  return folder;
}

/** Packs `release/<name>/` and returns the archive's file name. */
function archive(target: Target, name: string): string {
  if (target.platform === 'win32') {
    const all = readdirSync(join(OUTPUT, name), { recursive: true, encoding: 'utf8' });
    const paths = all.toSorted().map((path) => `${name}/${path}`);
    // It stores local times, so TZ is set in main; -D: no entries for folders.
    run('zip', ['-q', '-X', '-D', '-9', `${name}.zip`, ...paths], OUTPUT);
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
  for (const target of TARGETS.filter(({ platform }) => platform === 'linux')) {
    names.push(debPackage(target, join(ROOT, 'build', target.file), OUTPUT));
  }
  names.push(npmPackage(PROGRAM.output, OUTPUT), writeSbom(OUTPUT));
  writeChecksums(OUTPUT, names);
  writeForDownload();
}

/** What names the place of the release: it is known where GitHub runs this. */
function writeForDownload(): void {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository } = process.env;
  const script = readFileSync(join(ROOT, 'deploy/install.sh'), 'utf8');
  if (server === undefined || repository === undefined) {
    writeFileSync(join(OUTPUT, 'install.sh'), script);
    console.log(
      'no formula: GITHUB_SERVER_URL and GITHUB_REPOSITORY do not say where this will be',
    );
    return;
  }
  const base = `${server}/${repository}/releases/download/v${version()}`;
  const placed = script
    .replace(/\$\{GPT_LOAD_URL:-\}/, `\${GPT_LOAD_URL:-${base}}`)
    .replace(/\$\{GPT_LOAD_VERSION:-\}/, `\${GPT_LOAD_VERSION:-${version()}}`);
  writeFileSync(join(OUTPUT, 'install.sh'), placed);
  writeFormula(OUTPUT, base);
}

if (import.meta.main) main();
