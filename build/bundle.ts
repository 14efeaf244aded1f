// Makes the program of its sources: the launcher and its parts, which are the server's script, the
// worker thread's, that of all commands and the fleet's client, version and commit written in. As
// one JavaScript file for any Node, and apart for executables, whose parts are assets (package.ts).
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { build, type Plugin } from 'esbuild';
import { assertCompiledIn, LEFT_OUT } from './compiled-in.ts';
import { run } from './node-base.ts';
import { buildPage } from './page.ts';
import { ROOT } from './targets.ts';

/**
 * One bundle: what starts it, the main thread's program and a worker's, and the file to write; its
 * parts are written into a folder beside that.
 */
export interface BundlePaths {
  readonly launch: string;
  readonly main: string;
  readonly worker: string;
  readonly output: string;
}

/** What src/store/valkey/redis-client.ts asks for. */
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

/** What the launcher needs: scripts, those that end in .br packed with brotli. */
export const PARTS = ['server.js', 'worker.js', 'commands.js.br', 'redis-client.js.br'] as const;
type Parts = Readonly<Record<(typeof PARTS)[number], Buffer>>;

/** The folder where a program's parts are apart, and with them the launcher of an executable. */
export function partsOf(output: string): string {
  return `${output}.parts`;
}

/** Its name in {@link partsOf}. */
export const LAUNCHER = 'launch.cjs';

/** What the launcher gives to the main program's script; see src/launch.ts. */
const GIVEN = ['require', '__WORKER_CODE__', '__REDIS_CLIENT__', '__EARLY_WORKERS__'];

function asFunction(text: string): string {
  return `(function(${GIVEN}){${text}\n})`;
}

function script(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function asText(parts: Parts): Record<string, string> {
  const texts = Object.entries(parts).map(([name, bytes]) => {
    return [name, bytes.toString(name.endsWith('.br') ? 'base64' : 'latin1')] as const;
  });
  return Object.fromEntries(texts);
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

/** A script that is run by vm.Script cannot load another one by `import()`. */
function assertNoImport(text: string, entry: string): void {
  if (/\bimport\(/.test(text)) throw new Error(`${entry}: import() in a worker, write require`);
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
  assertNoImport(worker, paths.worker);
  const parts: Parts = {
    'server.js': script(asFunction(server)),
    'worker.js': script(worker),
    'commands.js.br': brotliCompressSync(script(asFunction(commands))),
    'redis-client.js.br': brotliCompressSync(script(client)),
  };
  return await write(paths, parts);
}

async function write({ launch, output }: BundlePaths, parts: Parts): Promise<number> {
  const texts = JSON.stringify(asText(parts));
  const program = await compile(launch, { define: { __PARTS__: texts } });
  const launcher = await compile(launch, { define: { __PARTS__: 'undefined' } });
  const folder = partsOf(output);
  mkdirSync(folder, { recursive: true });
  writeFileSync(output, program);
  writeFileSync(join(folder, LAUNCHER), launcher);
  for (const [name, bytes] of Object.entries(parts)) writeFileSync(join(folder, name), bytes);
  return Buffer.byteLength(program);
}

if (import.meta.main) console.log(`dist/main.cjs: ${await bundle()} bytes`);
