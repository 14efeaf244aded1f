// Gets a Node executable of a given platform out of the package registry, checks it against its
// pinned checksum, and strips symbols where that is safe. What is packed onto it is decided in
// package.ts.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { recogniseExecutable } from './executable.ts';
import { CACHE, type NodePackage, ROOT } from './targets.ts';

/** Files of one Node package on this disk. */
export interface NodeBase {
  readonly version: string;
  readonly binary: string;
  readonly licence: string;
}

/** Runs a tool to its end. Throws with what it said on stderr when it fails. */
export function run(
  command: string,
  args: readonly string[],
  cwd = ROOT,
  env = process.env,
): string {
  // npm is a .cmd file on Windows, and those start through a shell only.
  const shell = process.platform === 'win32' && command === 'npm';
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    env,
    shell,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args.join(' ')}: ${(error?.message ?? stderr).trim()}`);
}

function unpacked(folder: string, version: string): NodeBase | undefined {
  const manifest = join(folder, 'package.json');
  if (!existsSync(manifest)) return undefined;
  if (JSON.parse(readFileSync(manifest, 'utf8')).version !== version) return undefined;
  const binary = [join(folder, 'bin/node'), join(folder, 'bin/node.exe')].find(existsSync);
  if (binary === undefined) return undefined;
  return { version, binary, licence: join(folder, 'LICENSE') };
}

/** Checks an npm archive against a `sha512-<base64>` pin. Throws when it is another file. */
export function checkIntegrity(archive: Uint8Array, pin: string, name: string): void {
  const found = `sha512-${createHash('sha512').update(archive).digest('base64')}`;
  if (found !== pin) throw new Error(`${name}: the archive is ${found}, pinned is ${pin}`);
}

/**
 * The files of a pinned Node package: from node_modules when npm installed it there (npm checked
 * it), else from .cache, else fetched with `npm pack` and checked here.
 */
export function nodeBase({ name, version, integrity }: NodePackage): NodeBase {
  const cached = join(CACHE, 'node', `${name}-${version}`);
  const present = unpacked(join(ROOT, 'node_modules', name), version) ?? unpacked(cached, version);
  if (present !== undefined) return present;

  console.log(`  fetching ${name}@${version}`);
  mkdirSync(join(CACHE, 'node'), { recursive: true });
  const folder = mkdtempSync(join(CACHE, 'node', 'fetch-'));
  try {
    run('npm', ['pack', `${name}@${version}`, '--silent', '--pack-destination', folder]);
    const archive = join(folder, `${name}-${version}.tgz`);
    checkIntegrity(readFileSync(archive), integrity, `${name}@${version}`);
    run('tar', ['-xzf', archive, '-C', folder]);
    // The rename comes last: a folder of this name is always whole.
    renameSync(join(folder, 'package'), cached);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const fetched = unpacked(cached, version);
  if (fetched === undefined) throw new Error(`${name}@${version} holds no node executable`);
  return fetched;
}

// GNU strip reads its own architecture only, llvm-strip any ELF.
const STRIP_TOOLS = ['llvm-strip', 'strip', 'aarch64-linux-gnu-strip', 'x86_64-linux-gnu-strip'];

/**
 * A copy of a Linux Node without its symbol table: 22 % smaller, and run-time behaviour is the same
 * (packaging was measured with GNU strip and llvm-strip, x64 and arm64). It must happen before the
 * blob goes in; afterwards it breaks the file. Without a fitting tool the file is used as it is.
 */
export function strippedBinary(base: NodeBase, name: string): string {
  const output = join(CACHE, 'stripped', `${name}-${base.version}`);
  if (existsSync(output)) return output;
  mkdirSync(join(CACHE, 'stripped'), { recursive: true });
  const draft = `${output}.${process.pid}`;
  const expected = recogniseExecutable(readFileSync(base.binary));
  for (const tool of STRIP_TOOLS) {
    const { status } = spawnSync(tool, ['-s', '-o', draft, base.binary]);
    if (status !== 0 || recogniseExecutable(readFileSync(draft)) !== expected) continue;
    renameSync(draft, output);
    return output;
  }
  console.log(`  ${name} stays unstripped (40 MB more): install llvm or binutils`);
  return base.binary;
}
