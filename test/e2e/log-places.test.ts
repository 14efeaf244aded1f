// Wherever LOG_FILE_PATH leads, gpt-load starts, serves, logs to standard output, says once what is
// wrong, and ends when it is told to.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { hangingDirectory, needsHangingDirectory } from '../support/hanging-directory.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const keys = ['sk-test-log-places-0123456789'];

/** @param code how it ends; null: by SIGTERM itself */
async function servesWith(path: string, complaint: RegExp, code: number | null = 0) {
  await using upstream = await startScriptedUpstream();
  const env = { LOG_ENABLE_FILE: 'true', LOG_FILE_PATH: path };
  await using proxy = await startGptLoad({ keys, upstreams: [upstream.url], env });
  await proxy.waitForLog(complaint, 10_000);
  assert.equal((await proxy.ask('/v1/models')).status, 200);
  await proxy.waitForLog(/GET \/v1\/models/);
  proxy.signal('SIGHUP');
  assert.equal((await proxy.ask('/v1/models')).status, 200);
  assert.equal(proxy.output().match(/log lines are lost/g)?.length, 1);
  await proxy.stop(code);
}

const withoutPipes = process.platform === 'win32' ? { skip: 'there are no such files' } : {};

test('a log file on a file system that hangs holds up neither start nor end', {
  ...needsHangingDirectory(),
  timeout: 60_000,
}, async () => {
  using hanging = hangingDirectory();
  await servesWith(join(hanging.path, 'logs/app.log'), /log lines are lost: .*2 s/, null);
});

test('a log file that is a pipe without a reader', withoutPipes, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-pipe-'));
  try {
    spawnSync('mkfifo', [join(directory, 'pipe')]);
    await servesWith(join(directory, 'pipe'), /log lines are lost: .*ENXIO/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a log file on a full disk', { skip: !existsSync('/dev/full') }, async () => {
  await servesWith('/dev/full', /log lines are lost: .*ENOSPC/);
});

test('a log file in what is no directory, or may not be written to', withoutPipes, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-log-'));
  try {
    writeFileSync(join(directory, 'file'), '');
    await servesWith(
      join(directory, 'file/logs/app.log'),
      /log lines are lost: .*(ENOTDIR|EEXIST)/,
    );
    // Nobody may write there, root neither.
    if (process.platform === 'linux')
      await servesWith('/proc/1/logs/app.log', /log lines are lost/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
