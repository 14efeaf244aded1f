// The executable where there is nothing: a read-only root that holds it, a key file and the C and
// C++ libraries, no /proc, no /dev, no /tmp, an unprivileged user. Needs bubblewrap (Debian:
// bubblewrap).
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import OpenAI from 'openai';
import { bundle, PROGRAM } from '../../build/bundle.ts';
import { packageTarget } from '../../build/package.ts';
import { hostTarget } from '../../build/targets.ts';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/peer-process.ts';

// libm, libdl and libpthread are glibc's.
const ALLOWED = /^(ld-linux-.*|libc|libm|libdl|libpthread|libstdc\+\+|libgcc_s)\.so\.\d+$/;

function confinement(): string | false {
  if (process.platform !== 'linux') return 'bubblewrap is for Linux';
  const { status } = spawnSync('bwrap', ['--unshare-user', '--ro-bind', '/', '/', 'true']);
  return status === 0 ? false : 'bubblewrap is not installed, or may not make namespaces here';
}

/** Paths of the shared libraries that an executable asks for. */
function libraries(binary: string): string[] {
  const told = execFileSync('ldd', [binary], { encoding: 'utf8' });
  return [...told.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? '');
}

function startConfined(binary: string, folder: string, env: Record<string, string>): ChildProcess {
  const binds = libraries(binary).flatMap((path) => ['--ro-bind', realpathSync(path), path]);
  const variables = Object.entries(env).flatMap(([name, value]) => ['--setenv', name, value]);
  const isolation = ['--unshare-user', '--unshare-pid', '--unshare-ipc', '--die-with-parent'];
  const user = ['--uid', '65534', '--gid', '65534'];
  const files = ['--ro-bind', binary, '/gpt-load', '--ro-bind', folder, '/work'];
  const start = ['--remount-ro', '/', '--chdir', '/work', '--clearenv', ...variables, '/gpt-load'];
  return spawn('bwrap', [...isolation, ...user, ...binds, ...files, ...start]);
}

test('the executable serves the OpenAI SDK from a read-only root with nothing else in it', {
  skip: confinement(),
}, async () => {
  const host = hostTarget();
  assert.ok(host);
  const folder = mkdtempSync(join(tmpdir(), 'gpt-load-confined-'));
  const work = mkdtempSync(join(folder, 'work-'));
  const binary = join(folder, 'gpt-load');
  const program = join(folder, 'main.cjs');
  const key = 'sk-test-good-000000000000';
  writeFileSync(join(work, 'keys.txt'), `${key}\n`);
  await bundle({ ...PROGRAM, output: program });
  await packageTarget(host, binary, program);
  for (const path of libraries(binary)) assert.match(basename(path), ALLOWED);

  const upstream = await startScriptedUpstream();
  const port = await freePort();
  const env = { HOST: '127.0.0.1', PORT: String(port), OPENAI_BASE_URL: upstream.url };
  const child = startConfined(binary, work, env);
  const closed = once(child, 'close');
  let told = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => {
      told += chunk;
    });
  }
  try {
    const outcome = await eventually('it answers', async () => {
      if (child.exitCode !== null) return 'ended';
      return (await fetch(`http://127.0.0.1:${port}/health`)).ok ? 'serves' : undefined;
    });
    assert.equal(outcome, 'serves', told);
    const baseURL = `http://127.0.0.1:${port}/v1`;
    const sdk = new OpenAI({ baseURL, apiKey: 'client', maxRetries: 0 });
    const messages = [{ role: 'user' as const, content: 'Say hello, please.' }];
    const answer = await sdk.chat.completions.create({ model: 'gpt-5', messages });
    assert.match(answer.choices[0]?.message.content ?? '', /Say hello, please/);
    const stream = await sdk.chat.completions.create({ model: 'gpt-5', messages, stream: true });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    assert.match(text, /Say hello, please/);
    const stats = await fetch(`http://127.0.0.1:${port}/stats`);
    assert.equal(stats.status, 200, told);
    assert.ok(upstream.records.every(({ request }) => request.key === key));
    const workers = new RegExp(`listening on .* workers=${availableParallelism()}\\b`);
    await eventually('all workers are up', () => workers.test(told) || undefined);
  } finally {
    child.kill('SIGKILL');
    await closed;
    await upstream.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
