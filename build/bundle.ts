// Makes the one JavaScript file that every executable carries: the launcher, with the main program
// and the worker thread's as strings and the fleet's client packed, version and commit written in.
// How it is packed onto Node is decided in package.ts.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { build, type Plugin } from 'esbuild';
import { assertCompiledIn, LEFT_OUT } from './compiled-in.ts';
import { run } from './node-base.ts';
import { buildPage } from './page.ts';
import { ROOT } from './targets.ts';

/** One bundle: what starts it, the main thread's program and a worker's, and the file to write. */
export interface BundlePaths {
  readonly launch: string;
  readonly main: string;
  readonly worker: string;
  readonly output: string;
}

/** Set for the main program; see src/store/valkey/redis-client.ts. */
const REDIS_CLIENT = join(ROOT, 'node_modules/@redis/client/dist/index.js');

/** The program of this tree. */
export const PROGRAM: BundlePaths = {
  launch: join(ROOT, 'src/launch.ts'),
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

interface Options {
  readonly define: Record<string, string>;
  /** Asked for, and not in this bundle. */
  readonly external?: readonly string[];
  readonly plugins?: readonly Plugin[];
}

/**
 * For the program that only serves: serve.ts itself in place of what loads it when it is wanted,
 * and no other command. V8 then reads a fifth less, and nothing twice.
 */
const ONLY_SERVES: Plugin = {
  name: 'only-serves',
  setup(build) {
    build.onResolve({ filter: /\/lazy-serve\.ts$/ }, ({ resolveDir, path }) => ({
      path: join(resolveDir, dirname(path), 'serve.ts'),
    }));
    build.onResolve({ filter: /\/cli\// }, ({ kind, path }) =>
      kind === 'dynamic-import' ? { path, external: true } : undefined,
    );
  },
};

/** Unpacked by who needs it. */
function packed(text: string): string {
  return JSON.stringify(brotliCompressSync(Buffer.from(text, 'latin1')).toString('base64'));
}

async function compile(
  entry: string,
  { define, external = [], plugins = [] }: Options,
): Promise<string> {
  const result = await build({
    entryPoints: [entry],
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    minify: true,
    metafile: true,
    external: [...LEFT_OUT, ...external],
    plugins: [...plugins],
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
  const external = ['@redis/client'];
  const define = identity;
  const server = await compile(paths.main, { define, external, plugins: [ONLY_SERVES] });
  const commands = await compile(paths.main, { define, external });
  const worker = await compile(paths.worker, { define: { ...identity, __DASHBOARD__: page } });
  // As part of the program it would cost those who have no fleet 5 MB and the time to parse it.
  const client = await compile(REDIS_CLIENT, { define: {} });
  const program = await compile(paths.launch, {
    define: {
      __SERVER_SOURCE__: JSON.stringify(server),
      __COMMANDS_SOURCE__: packed(commands),
      __WORKER_SOURCE__: JSON.stringify(worker),
      __REDIS_CLIENT__: packed(client),
    },
  });
  mkdirSync(dirname(paths.output), { recursive: true });
  writeFileSync(paths.output, program);
  return Buffer.byteLength(program);
}

if (import.meta.main) console.log(`dist/main.cjs: ${await bundle()} bytes`);
