// validate-keys as a person runs it: the real program, a terminal's Ctrl-C, .env, and many keys.
// GPT_LOAD_VALIDATE_KEYS sets how many (default 5,000; the full run is 100,000).

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { eventually } from '../support/eventually.ts';

const mainFile = join(import.meta.dirname, '../../src/main.ts');
const manyKeys = Number(process.env.GPT_LOAD_VALIDATE_KEYS ?? 5_000);
const keyOf = (n: number) => `sk-validate-${String(n).padStart(8, '0')}-0123456789`;

async function upstream(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer({ keepAliveTimeout: 60_000 }, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** In a directory of its own, with everything in `.env`, as a new user has it. */
function start(t: TestContext, url: string, keys: number, args: readonly string[]) {
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-validate-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, '.env'), `OPENAI_BASE_URL=${url}\nKEYS_FILE=my-keys.txt\n`);
  const lines = Array.from({ length: keys }, (_, n) => `${keyOf(n)}\n`);
  writeFileSync(join(directory, 'my-keys.txt'), lines.join(''));
  const binary = process.env.GPT_LOAD_BINARY;
  const [command = '', ...first] = binary ? [binary] : [process.execPath, mainFile];
  const env = { PATH: process.env.PATH, HOME: directory };
  const child = spawn(command, [...first, 'validate-keys', ...args], { cwd: directory, env });
  t.after(() => child.kill('SIGKILL'));
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.err += text;
  });
  const read = (name: string) => readFileSync(join(directory, name), 'utf8');
  return { child, said, read };
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  const [code] = await once(child, 'close');
  return code;
}

test('Ctrl-C ends validate-keys at once and leaves what is known in its lists', async (t) => {
  const asked = new Set<string>();
  const url = await upstream(t, (request, response) => {
    asked.add(request.headers.authorization ?? '');
    if (asked.size > 40) return;
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":[]}');
  });
  const { child, said, read } = start(t, url, 100, ['-c', '10']);
  await eventually('the upstream stalls', () => asked.size === 50, 60_000);
  const stoppedMs = performance.now();
  child.kill('SIGINT');
  assert.equal(await exitOf(child), 2);
  assert.ok(performance.now() - stoppedMs < 10_000);
  assert.match(said.out, /^valid +40 /m);
  assert.match(said.out, /^not checked +60 /m);
  assert.match(said.out, /^interrupted: /m);
  assert.equal(read('valid_keys.txt').match(/^sk-/gm)?.length, 40);
  assert.equal(read('unchecked_keys.txt').match(/^sk-/gm)?.length, 60);
  assert.equal(read('invalid_keys.txt').match(/^sk-/gm), null);
});

test(`validate-keys asks for ${manyKeys} keys once each, in bounded time and memory`, async (t) => {
  const dead = '{"error":{"code":"invalid_api_key","message":"Incorrect API key provided"}}';
  const asked = new Map<string, number>();
  const url = await upstream(t, (request, response) => {
    const credential = request.headers.authorization ?? '';
    asked.set(credential, (asked.get(credential) ?? 0) + 1);
    const isDead = /[37]-0123456789$/.test(credential);
    response.writeHead(isDead ? 401 : 200, { 'content-type': 'application/json' });
    response.end(isDead ? dead : '{"object":"list","data":[]}');
  });
  const startedMs = performance.now();
  const { child, said } = start(t, url, manyKeys, ['-c', '200']);
  let rssMiB = 0;
  const timer = setInterval(() => {
    rssMiB = Math.max(rssMiB, residentMiB(child.pid ?? 0));
  }, 50);
  assert.equal(await exitOf(child), 1);
  clearInterval(timer);
  const seconds = (performance.now() - startedMs) / 1000;
  t.diagnostic(`${manyKeys} keys: ${seconds.toFixed(1)} s, at most ${rssMiB.toFixed(0)} MiB`);
  assert.ok(seconds <= Math.max(120, (manyKeys / 100_000) * 120));
  assert.ok(rssMiB < 600);
  assert.equal(asked.size, manyKeys);
  assert.ok([...asked.values()].every((times) => times === 1));
  assert.match(said.out, new RegExp(`^dead +${(manyKeys / 5).toLocaleString('en-US')} `, 'm'));
  assert.ok(!`${said.out}${said.err}`.includes(keyOf(0)));
});

/** Linux only; elsewhere 0, so that the bound holds trivially. */
function residentMiB(pid: number): number {
  try {
    const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kib ?? 0) / 1024;
  } catch {
    return 0;
  }
}
