// The bundle's launcher: the first worker's thread is there before the program is, and neither its
// end nor the flags of the process may keep the program from starting.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { bundle, PROGRAM } from '../../build/bundle.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/peer-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'gpt-load-launch-'));
const program = join(folder, 'main.cjs');
const preload = join(folder, 'preload.cjs');

before(() => bundle({ ...PROGRAM, output: program }));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Starts the bundle as `node FLAGS main.cjs`, with a script that every thread runs first. */
async function launch(flags: readonly string[], script: string, keys = 'sk-0123456789abcdef01\n') {
  writeFileSync(preload, script);
  writeFileSync(join(folder, 'keys.txt'), keys);
  const port = await freePort();
  const env = { HOST: '127.0.0.1', PORT: String(port), WORKERS: '1', STATE_FILE: '' };
  const args = [...flags, '--require', preload, program];
  const child = spawn(process.execPath, args, { cwd: folder, env });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes) => {
      output += String(bytes);
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, port, ended, output: () => output };
}

type Launched = Awaited<ReturnType<typeof launch>>;

/** Waits until it answers, and ends it. */
async function assertServes({ child, port, ended, output }: Launched): Promise<void> {
  try {
    await eventually('it answers', async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
      return answer?.status === 200;
    });
  } catch (error) {
    assert.fail(`${error}: ${output()}`);
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

test("the process's flags hold in its threads, and V8's own do not keep it from starting", async () => {
  const script = `
    const { isMainThread } = require('node:worker_threads');
    process._rawDebug(isMainThread ? 'in main' : 'in a thread');
  `;
  const launched = await launch(
    ['--max-old-space-size=300', '--dns-result-order=ipv4first'],
    script,
  );
  await assertServes(launched);
  assert.match(launched.output(), /in main/);
  assert.match(launched.output(), /in a thread/);
});

test('a first thread that fails before it is needed is replaced', async () => {
  const launched = await launch(
    [],
    `
      const { isMainThread, threadId } = require('node:worker_threads');
      if (threadId === 1) throw new Error('not this one');
      // By then it has failed.
      const files = require('node:fs/promises');
      const { readFile } = files;
      files.readFile = async (...args) => {
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        return await readFile(...args);
      };
    `,
  );
  await assertServes(launched);
});

test('a first thread that nobody needs does not keep the program from ending', async () => {
  const { ended, output } = await launch([], '', '');
  assert.equal(await ended, 1);
  assert.match(output(), /keys\.txt/);
});
