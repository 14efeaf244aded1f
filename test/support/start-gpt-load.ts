// Starts the real program as a user does, in a directory of its own, and stops it by SIGTERM. Every
// run's output and files pass through the leak check when it stops; a whole key anywhere fails the
// test.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { createLeakCheck, type LeakCheck } from './leak-check.ts';
import { freePort } from './peer-process.ts';

const mainFile = join(import.meta.dirname, '../../src/main.ts');
const startTimeoutMs = 30_000;
const stopTimeoutMs = 15_000;
const portTries = 3;
const portTaken = /PORT: \d+ is already in use/;

export interface StartOptions {
  /** One a line of the key file; also the secrets that must not leak. */
  readonly keys: readonly string[];
  /** Base URLs, joined into OPENAI_BASE_URL. */
  readonly upstreams: readonly string[];
  /** Everything else. WORKERS is 1 unless set here. */
  readonly env?: Readonly<Record<string, string>>;
  /** Further files of its directory, by name; such as gpt-load.toml and the key files of groups. */
  readonly files?: Readonly<Record<string, string>>;
  /** No keys.txt: the keys are those of `files`. */
  readonly withoutKeysFile?: boolean;
  /** The limit of open files, where it is not to be the machine's. */
  readonly openFiles?: number;
  /** The same, which the program may raise. */
  readonly softOpenFiles?: number;
  /** Not the packed binary, which loads nothing else: for preloads by NODE_OPTIONS. */
  readonly fromSources?: boolean;
  /** Default `['serve']`. */
  readonly args?: readonly string[];
  /** False: do not wait until it answers, for tests of a failing start. */
  readonly waitUntilReady?: boolean;
}

export interface GptLoad {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  readonly directory: string;
  readonly leaks: LeakCheck;
  /** Standard output and standard error so far, as one text. */
  readonly output: () => string;
  readonly waitForLog: (pattern: RegExp, timeoutMs?: number) => Promise<string>;
  readonly writeKeys: (keys: readonly string[]) => void;
  readonly signal: (signal: NodeJS.Signals) => void;
  /** Asks an endpoint of its own; the answer passes through the leak check. */
  readonly ask: (path: string, init?: RequestInit) => Promise<{ status: number; body: string }>;
  /** Like fetch; every answer's body passes through the leak check. Hand it to an SDK. */
  readonly fetch: typeof fetch;
  /** Resident memory of the process in bytes (Linux). */
  readonly rssBytes: () => number;
  /** The exit code, once it has ended; null when a signal ended it. */
  readonly exited: Promise<number | null>;
  /**
   * SIGTERM, then the exit code, which must be the expected one (0; null: a signal ended it), then
   * the leak check.
   */
  readonly stop: (expectedCode?: number | null) => Promise<void>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

/**
 * Starts it and resolves once it answers. Set GPT_LOAD_BINARY to test a packed binary. A free port
 * that somebody else has taken meanwhile is exchanged for another one.
 */
export async function startGptLoad(options: StartOptions): Promise<GptLoad> {
  const given = options.env?.PORT;
  if (given !== undefined) return await startAt(Number(given), options);
  for (let tries = 1; ; tries += 1) {
    try {
      return await startAt(await freePort(), options);
    } catch (error) {
      if (tries === portTries || !portTaken.test(String(error))) throw error;
    }
  }
}

async function startAt(port: number, options: StartOptions): Promise<GptLoad> {
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-test-'));
  const keysFile = join(directory, 'keys.txt');
  const leaks = createLeakCheck();
  leaks.watch([options.env?.AUTH_KEY ?? '']);
  const writeKeys = (keys: readonly string[]) => {
    leaks.watch(keys.map((line) => line.split(/\s/)[0] ?? ''));
    writeFileSync(keysFile, `${keys.join('\n')}\n`, { mode: 0o600 });
  };
  if (options.withoutKeysFile === true) leaks.watch(options.keys);
  else writeKeys(options.keys);
  const files = Object.entries(options.files ?? {});
  for (const [name, text] of files) writeFileSync(join(directory, name), text, { mode: 0o600 });
  const own = options.withoutKeysFile === true ? {} : { KEYS_FILE: keysFile };
  const child = launch(options, directory, { PORT: String(port), ...own });
  const read = capture(child);
  const exited = once(child, 'close').then(([code]) => code as number | null);
  const url = `http://127.0.0.1:${port}`;
  const leakFetch = checkedFetch(leaks);

  const stop = async (expectedCode: number | null = 0) => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    const code = await exited;
    clearTimeout(timer);
    try {
      assert.equal(code, expectedCode, `exit code; it said:\n${read().slice(-4_000)}`);
      leaks.add('output of gpt-load', read());
      leaks.addFiles(directory, [keysFile, ...files.map(([name]) => join(directory, name))]);
      leaks.assertClean();
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };
  let stopped: Promise<void> | undefined;

  if (options.waitUntilReady !== false) {
    await untilReady(child, url, read).catch((error: unknown) => {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    });
  }
  return {
    port,
    url,
    pid: child.pid ?? 0,
    directory,
    leaks,
    output: read,
    waitForLog: (pattern, timeoutMs) =>
      eventually(`log ${pattern}`, () => pattern.exec(read())?.[0], timeoutMs),
    writeKeys,
    signal: (signal) => {
      child.kill(signal);
    },
    ask: async (path, init) => {
      const answer = await leakFetch(`${url}${path}`, init);
      return { status: answer.status, body: await answer.text() };
    },
    fetch: leakFetch,
    rssBytes: () => residentBytes(child.pid ?? 0),
    exited,
    stop: (code) => (stopped ??= stop(code)),
    [Symbol.asyncDispose]: () => (stopped ??= stop()),
  };
}

/** A clean environment: what the machine exports must not decide a test. */
function launch(options: StartOptions, directory: string, own: Record<string, string>) {
  const binary = options.fromSources === true ? undefined : process.env.GPT_LOAD_BINARY;
  const [command, ...first] = binary ? [binary] : [process.execPath, mainFile];
  const whole = [command ?? '', ...first, ...(options.args ?? ['serve'])];
  const { openFiles, softOpenFiles } = options;
  const limit = softOpenFiles ?? openFiles;
  const soft = softOpenFiles === undefined ? '-' : '-S';
  const limited = ['sh', '-c', `ulimit ${soft}n ${limit}; exec "$@"`, 'sh', ...whole];
  const [program = '', ...args] = limit === undefined ? whole : limited;
  const child = spawn(program, args, {
    cwd: directory,
    env: {
      PATH: process.env.PATH,
      // Set under `make coverage`, whose report is to count what runs in there.
      NODE_V8_COVERAGE: process.env.NODE_V8_COVERAGE,
      HOME: directory,
      HOST: '127.0.0.1',
      WORKERS: '1',
      OPENAI_BASE_URL: options.upstreams.join(','),
      SERVER_GRACEFUL_SHUTDOWN_TIMEOUT: '5',
      ...options.env,
      ...own,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // A test that ends early leaves neither process nor keys behind.
  const kill = () => {
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', kill);
  child.once('close', () => process.off('exit', kill));
  return child;
}

function capture(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
  }
  return () => text;
}

/** 200 and 503 both mean that it serves; an end before that is shown with what it said. */
async function untilReady(child: ChildProcess, url: string, read: () => string): Promise<void> {
  const answered = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return 'ended';
    const { status } = await fetch(`${url}/health`, { signal: AbortSignal.timeout(2_000) });
    return status === 200 || status === 503 ? 'serves' : undefined;
  };
  const outcome = await eventually('gpt-load answers /health', answered, startTimeoutMs).catch(
    (error: unknown) => {
      child.kill('SIGKILL');
      throw new Error(`gpt-load did not start; it said:\n${read()}`, { cause: error });
    },
  );
  if (outcome === 'ended') throw new Error(`gpt-load ended at the start; it said:\n${read()}`);
}

/** Linux only; elsewhere 0, so that a bound on growth holds trivially. */
function residentBytes(pid: number): number {
  try {
    const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kib ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** fetch whose answers are copied into the leak check, headers included. */
function checkedFetch(leaks: LeakCheck): typeof fetch {
  return async (input, init) => {
    const answer = await fetch(input, init);
    const where = input instanceof Request ? input.url : String(input);
    leaks.add(`headers of ${where}`, JSON.stringify([...answer.headers]));
    if (answer.body === null) return answer;
    const decoder = new TextDecoder('latin1');
    let text = '';
    const copy = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        text += decoder.decode(chunk, { stream: true });
        controller.enqueue(chunk);
      },
      flush() {
        leaks.add(`answer of ${where}`, text);
      },
    });
    return new Response(answer.body.pipeThrough(copy), answer);
  };
}
