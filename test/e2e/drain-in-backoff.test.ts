// Shutting down while a dead worker waits to be replaced: it has nothing to finish, so nobody waits
// for it.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

/** Deaths in a row: each doubles the wait, so that the last one is longer than a drain takes. */
const DEATHS = 5;
const GRACE_SECONDS = 30;

const skip = process.env.GPT_LOAD_BINARY ? 'a packed binary takes no --import' : false;

test('a shutdown does not wait for a worker that waits to be replaced', { skip }, async () => {
  const killer = join(import.meta.dirname, '../support/worker-killer.ts');
  await using proxy = await startGptLoad({
    keys: ['sk-test-backoff-0123456789abcdef'],
    upstreams: ['http://127.0.0.1:9'],
    env: {
      NODE_OPTIONS: `--import=${killer}`,
      WORKERS: '1',
      SERVER_GRACEFUL_SHUTDOWN_TIMEOUT: String(GRACE_SECONDS),
    },
  });
  await proxy.waitForLog(/listening on/, 30_000);
  const deaths = () => proxy.output().split('worker died').length - 1;
  for (let death = 1; death <= DEATHS; death += 1) {
    writeFileSync(join(proxy.directory, 'kill-worker'), '');
    await eventually(`death ${death}`, () => deaths() === death, 30_000);
  }
  assert.equal(deaths(), DEATHS);
  const startMs = performance.now();
  proxy.signal('SIGTERM');
  assert.equal(await proxy.exited, 0);
  assert.ok(performance.now() - startMs < 10_000, `${performance.now() - startMs} ms`);
});
