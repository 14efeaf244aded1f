// Makes the one JavaScript file that every executable carries: the worker thread's program as a
// string inside the main program, the fleet's client packed, version and commit written in. How it
// is packed onto Node is decided in package.ts.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { build } from 'esbuild';
import { assertCompiledIn, LEFT_OUT } from './compiled-in.ts';
import { run } from './node-base.ts';
import { buildPage } from './page.ts';
import { ROOT } from './targets.ts';

/** One bundle: the entries of the main thread and of a worker thread, and the file to write. */
export interface BundlePaths {
  readonly main: string;
  readonly worker: string;
  readonly output: string;
}

/** Set for the main program; see src/store/valkey/redis-client.ts. */
const REDIS_CLIENT = join(ROOT, 'node_modules/@redis/client/dist/index.js');

/** The program of this tree. */
export const PROGRAM: BundlePaths = {
  main: join(ROOT, 'src/main.ts'),
  worker: join(ROOT, 'src/serve/worker.ts'),
  output: join(ROOT, 'dist/main.cjs'),
};

/** `package.json`'s version. */
export function version(): string {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version;
}

/**
 * Short commit, with `+` when tracked files differ from it. GPT_LOAD_COMMIT says it where git is
 * not at hand (image builds); else it is `unknown`.
 */
export function commit(): string {
  const given = process.env.GPT_LOAD_COMMIT;
  if (given !== undefined && given !== '') return given.slice(0, 12);
  try {
    const head = run('git', ['rev-parse', '--short=12', 'HEAD']).trim();
    const changed = run('git', ['status', '--porcelain', '--untracked-files=no']) !== '';
    return changed ? `${head}+` : head;
  } catch {
    return 'unknown';
  }
}

async function compile(entry: string, define: Record<string, string>): Promise<string> {
  const result = await build({
    entryPoints: [entry],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    minify: true,
    metafile: true,
    external: [...LEFT_OUT],
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    // Not the tree's tsconfig.json, which an image build does not have: modules are strict in the
    // sources, and must be in the bundle.
    tsconfigRaw: { compilerOptions: { alwaysStrict: true } },
    loader: { '.html': 'text', '.css': 'text', '.svg': 'text' },
    // A packed program has no files of its own: what reads import.meta.url is for running from
    // source only.
    define: { 'import.meta.url': '""', 'import.meta.main': 'true', ...define },
    logLevel: 'warning',
  });
  assertCompiledIn(Object.keys(result.metafile.inputs));
  const text = result.outputFiles[0]?.text;
  if (text === undefined) throw new Error(`esbuild made nothing of ${entry}`);
  assertOneByte(text, entry);
  return text;
}

/**
 * A single character beyond Latin-1 doubles the memory of a script's source, and V8 reads it more
 * slowly. esbuild escapes those in strings, but not in regular expressions.
 */
function assertOneByte(text: string, entry: string): void {
  const at = text.search(/[\u0100-\uffff]/);
  if (at < 0) return;
  const near = JSON.stringify(text.slice(Math.max(0, at - 30), at + 10));
  throw new Error(`${entry}: a character beyond Latin-1, write it as an escape: ${near}`);
}

/** Bundles, and returns the size of the written file in bytes. */
export async function bundle(paths: BundlePaths = PROGRAM): Promise<number> {
  const identity = {
    __VERSION__: JSON.stringify(version()),
    __COMMIT__: JSON.stringify(commit()),
  };
  const page = JSON.stringify(await buildPage());
  const worker = await compile(paths.worker, { ...identity, __DASHBOARD__: page });
  // As part of the program it would cost those who have no fleet 5 MB and the time to parse it.
  const client = brotliCompressSync(await compile(REDIS_CLIENT, {})).toString('base64');
  const main = await compile(paths.main, {
    ...identity,
    __REDIS_CLIENT__: JSON.stringify(client),
    __WORKER_SOURCE__: JSON.stringify(worker),
  });
  mkdirSync(dirname(paths.output), { recursive: true });
  writeFileSync(paths.output, main);
  return Buffer.byteLength(main);
}

if (import.meta.main) console.log(`dist/main.cjs: ${await bundle()} bytes`);
