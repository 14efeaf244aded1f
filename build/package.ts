// Packs the program onto Node, one executable per platform: `node build/package.ts` for this
// machine, `--all` for the five of a release, `linux-arm64` for that one; and build/SHA256SUMS over
// them all. Where a Node comes from is in node-base.ts; archives for download are made by
// release.ts.
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle, LAUNCHER, PARTS, PROGRAM, partsOf } from './bundle.ts';
import { writeChecksums } from './checksums.ts';
import { libraryLicences } from './compiled-in.ts';
import { holdsProgram, recogniseExecutable } from './executable.ts';
import { signAdHoc, signatureFault } from './macho-sign.ts';
import { type NodeBase, nodeBase, run, strippedBinary } from './node-base.ts';
import {
  CACHE,
  generatorPackage,
  hostTarget,
  nodePackageOf,
  ROOT,
  TARGETS,
  type Target,
} from './targets.ts';

/** Flags of Node and V8 that every start gets. NODE_OPTIONS of the environment is ignored. */
export const EXEC_ARGV: readonly string[] = [
  // node:sqlite says that it is experimental, on every start.
  '--disable-warning=ExperimentalWarning',
  // Workers start from a string: with this, Node does not look whether it is a module.
  '--no-experimental-detect-module',
];

/**
 * They make a code cache the same each time: hashes that do not vary, and no thread that notes in a
 * function that it is being compiled. V8 takes it without them.
 */
const CODE_CACHE_FLAGS = ['--hash-seed=1', '--no-concurrent-sparkplug'];

const OUTPUT = join(ROOT, 'build');
// pkg names platforms in its own way.
const PKG_PLATFORM = { linux: 'linux', darwin: 'macos', win32: 'win' } as const;
const FORMAT = { linux: 'elf', darwin: 'macho', win32: 'pe' } as const;

type PackSea = (
  entry: string,
  options: {
    targets: readonly { nodeRange: string; platform: string; arch: string; output: string }[];
    seaConfig: Record<string, unknown>;
    signature: boolean;
  },
) => Promise<void>;

// pkg has no option for a Node of one's own, and its public call forwards no seaConfig; its inner
// sea() takes the latter, and takes the former from its download cache. Hence the exact pin of pkg
// in package.json.
const pkgRequire = createRequire(
  createRequire(import.meta.url).resolve('@yao-pkg/pkg/package.json'),
);
const packSea: PackSea = pkgRequire('./lib-es5/sea.js').default;
// It tells every step and its temporary paths; its warnings stay.
pkgRequire('./lib-es5/log.js').log.info = () => {};

/** Puts a Node where pkg keeps finished downloads, with the marks that say they are whole. */
function seed(home: string, target: Pick<Target, 'platform' | 'arch'>, node: string, v: string) {
  const windows = target.platform === 'win32';
  const store = join(home, '.pkg-cache', 'sea');
  const name = join(store, `node-v${v}-${windows ? 'win' : target.platform}-${target.arch}`);
  const archive = `${name}${windows ? '.zip' : '.tar.gz'}`;
  const binary = windows ? `${name}.exe` : join(name, 'bin', 'node');
  mkdirSync(dirname(binary), { recursive: true });
  copyFileSync(node, binary);
  chmodSync(binary, 0o755);
  for (const empty of [archive, `${archive}.ok`, `${binary}.ok`]) writeFileSync(empty, '');
}

/** The Node that makes blobs for this version. Throws with the cure when it does not start here. */
function blobGenerator(version: string): NodeBase {
  const generator = nodeBase(generatorPackage(version));
  try {
    // With the flags: one that this version does not know would only fail when users start it.
    run(generator.binary, [...EXEC_ARGV, '--version']);
  } catch (fault) {
    const cure = /libatomic/.test(String(fault)) ? ' (apt-get install libatomic1)' : '';
    throw new Error(`Node ${version} does not start here${cure}: ${fault}`);
  }
  return generator;
}

/** Throws unless the file is what its name says. */
function check(target: Target, image: Buffer): void {
  const expected: string = `${FORMAT[target.platform]}-${target.arch}`;
  const found = recogniseExecutable(image);
  if (found !== expected) throw new Error(`${target.file} is ${found}, not ${expected}`);
  if (!holdsProgram(image)) throw new Error(`${target.file} does not hold the program`);
  const fault = target.platform === 'darwin' ? signatureFault(image) : undefined;
  if (fault !== undefined) throw new Error(`${target.file}: signature: ${fault}`);
}

/** Runs `action` with these environment variables, and puts back what was there. */
async function withEnvironment(env: Record<string, string>, action: () => Promise<void>) {
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, env);
  try {
    await action();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/** Lets pkg work in the folder `work`; returns the file that it made there. */
async function injectProgram(
  target: Target,
  node: string,
  version: string,
  [program, work]: readonly [string, string],
): Promise<string> {
  // pkg looks under the home directory and works in a folder of the temporary directory.
  const temporary = join(work, 'tmp');
  mkdirSync(temporary);
  const home = { HOME: work, USERPROFILE: work, TMPDIR: temporary, TEMP: temporary };
  seed(work, target, node, version);
  const generator = blobGenerator(version);
  const host = hostTarget();
  if (host !== undefined && host !== target) seed(work, host, generator.binary, version);
  const output = join(work, target.file);
  // A copy, since what V8 made of one build's scripts must not be paired with those of another.
  const parts = join(work, 'parts');
  mkdirSync(parts);
  for (const name of [LAUNCHER, ...PARTS]) {
    copyFileSync(join(partsOf(program), name), join(parts, name));
  }
  const launcher = join(parts, LAUNCHER);
  const options = {
    targets: [
      {
        nodeRange: `node${version}`,
        platform: PKG_PLATFORM[target.platform],
        arch: target.arch,
        output,
      },
    ],
    signature: false,
    seaConfig: {
      // Relative to the folder that pkg works in: the path goes into the file, and must not tell
      // who built it where.
      main: relative(join(temporary, 'pkg-sea-'), launcher),
      disableExperimentalSEAWarning: true,
      useSnapshot: false,
      // Of the launcher: measured at 275 kB, 91.7 ms to the first answer without, 92.3 ms with. It
      // would also make two builds of the same sources differ. What counts is in the assets.
      useCodeCache: false,
      // Node looks for its own --env-file among all arguments (nodejs/node#54232), and
      // ends with code 9 when there is no such file. It looks no further than `--`.
      execArgv: [...EXEC_ARGV, '--'],
      execArgvExtension: 'none',
      // One version has one licence, and the package for Windows lacks the file.
      assets: {
        LICENSE: licencesOf(generator.licence, work),
        ...named(PARTS, parts),
        ...(host === target ? codeCaches(node, parts) : {}),
      },
    },
  };
  await withEnvironment(home, () => packSea(launcher, options));
  return output;
}

/** What V8 makes of the scripts in a folder, with the flags of every start: `node` starts here. */
export function codeCaches(node: string, parts: string): Record<string, string> {
  const maker = join(ROOT, 'build/code-cache.ts');
  // Without NODE_OPTIONS, whose flags V8 would not have at a start.
  run(node, [...EXEC_ARGV, ...CODE_CACHE_FLAGS, maker, parts], ROOT, {});
  return named(['server.cache', 'worker.cache'], parts);
}

function named(names: readonly string[], folder: string): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, join(folder, name)]));
}

/** Our own licence, Node's and the libraries', as one file in the folder `work`. */
function licencesOf(nodeLicence: string, work: string): string {
  const own = [join(ROOT, 'LICENSE'), nodeLicence].map((file) => readFileSync(file, 'utf8'));
  const texts = [...own, ...libraryLicences()];
  const all = join(work, 'LICENSES');
  writeFileSync(all, texts.join(`\n${'='.repeat(80)}\n\n`));
  return all;
}

/** Packs the bundle `program` for `target` into `output`, and returns its size in bytes. */
export async function packageTarget(
  target: Target,
  output: string,
  program = PROGRAM.output,
): Promise<number> {
  const base = nodeBase(nodePackageOf(target));
  const node = target.platform === 'linux' ? strippedBinary(base, target.nodePackage) : base.binary;
  mkdirSync(join(CACHE, 'pack'), { recursive: true });
  const work = mkdtempSync(join(CACHE, 'pack', `${target.file}-`));
  try {
    const draft = await injectProgram(target, node, base.version, [program, work]);
    let image: Buffer = readFileSync(draft);
    if (target.platform === 'darwin') {
      image = signAdHoc(image, 'gpt-load');
      writeFileSync(draft, image);
    }
    check(target, image);
    chmodSync(draft, 0o755);
    // A rename: a running executable cannot be written to, and nobody shall start half of one.
    renameSync(draft, output);
    return image.length;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** What the command line asks for: executables to make, and their names in build/. */
function plan(args: readonly string[]): readonly (readonly [Target, string])[] {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { all: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const named = (name: string) => {
    const found = TARGETS.find((t) => t.file.startsWith(`gpt-load-${name}`));
    if (found === undefined) throw new Error(`no target ${name}: see build/targets.ts`);
    return found;
  };
  if (values.all || positionals.length > 0) {
    const targets = values.all ? TARGETS : positionals.map(named);
    return targets.map((target) => [target, target.file]);
  }
  const host = hostTarget();
  if (host === undefined) throw new Error(`no target for ${process.platform}-${process.arch}`);
  return [[host, host.platform === 'win32' ? 'gpt-load.exe' : 'gpt-load']];
}

async function main(): Promise<void> {
  const work = plan(process.argv.slice(2));
  console.log(`dist/main.cjs: ${((await bundle()) / 1e3).toFixed(0)} kB`);
  for (const [n, [target, name]] of work.entries()) {
    const startMs = performance.now();
    const bytes = await packageTarget(target, join(OUTPUT, name));
    const size = `${(bytes / 1e6).toFixed(1)} MB`;
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    console.log(`[${n + 1}/${work.length}] build/${name}: ${size}, ${seconds} s`);
  }
  writeChecksums(
    OUTPUT,
    readdirSync(OUTPUT).filter((name) => name.startsWith('gpt-load')),
  );
}

if (import.meta.main) await main();
