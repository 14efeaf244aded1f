// `gpt-load demo` as a person meets it: what it prints works, it shows the rotation, Ctrl-C ends it
// cleanly.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { demoKeys } from '../../src/demo/narration.ts';
import { freePort, needs } from '../support/peer-process.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const keys = demoKeys.map(({ key }) => key);

test(
  'the demo prints a curl that works and streams, and narrates the rotation',
  needs('curl'),
  async () => {
    await using demo = await startGptLoad({ args: ['demo'], keys, upstreams: [] });
    await demo.waitForLog(/Now \d of 6 keys are healthy, \d blacklisted/, 15_000);
    assert.match(demo.output(), /sk-d\.\.\.dead {2}401 {2}.*blacklisted/);
    assert.doesNotMatch(demo.output(), /the client got (?!200)/, 'its own requests all succeed');
    assert.ok(!demo.output().includes('\x1b'), 'no colours where there is no terminal');
    for (const line of demo.output().match(/^ {2}curl .* -d .*$/gm) ?? []) {
      const { stdout } = await promisify(execFile)('sh', ['-c', `${line.trim()} -s`]);
      assert.match(stdout, line.includes('"stream":true') ? /data: \[DONE\]/ : /You said: Hello/);
    }
    const { body } = await demo.ask('/blacklist');
    assert.match(body, /sk-d\.\.\.dead/);
    demo.signal('SIGINT');
    assert.equal(await demo.exited, 0);
  },
);

test('the demo does not take a port that is in use', async (t) => {
  const port = await freePort();
  const other = createServer().listen(port, '127.0.0.1');
  t.after(() => other.close());
  const env = { PORT: String(port) };
  const demo = await startGptLoad({
    args: ['demo'],
    keys,
    upstreams: [],
    env,
    waitUntilReady: false,
  });
  assert.equal(await demo.exited, 1);
  assert.match(demo.output(), new RegExp(`PORT: ${port} is already in use; set PORT`));
  await demo.stop(1);
});

test('the demo with groups shows a fallback and a client that may not', needs('curl'), async () => {
  const all = ['sk-demo-dead-00000000000000dead', 'sk-demo-good-backup-00000000paid'];
  await using demo = await startGptLoad({ args: ['demo', '--groups'], keys: all, upstreams: [] });
  await demo.waitForLog(/bob got 403 for \/v1\/models\/gpt-4o/, 15_000);
  assert.match(demo.output(), /alice got 200 for \/v1\/models\/gpt-4o/);
  assert.match(demo.output(), /openai {4,}sk-d\.\.\.dead {2}401/);
  assert.match(demo.output(), /openai {4,}sk-d\.\.\.paid {2}200/);
  assert.match(demo.output(), /claude {4,}sk-d\.\.\.fine {2}200/);
  const curls = demo.output().match(/^ {2}curl .* -d .*$/gm) ?? [];
  assert.equal(curls.length, 3);
  for (const line of curls) {
    const { stdout } = await promisify(execFile)('sh', ['-c', `${line.trim()} -s`]);
    assert.match(stdout, line.includes('of-bob') ? /"code":"not_allowed"/ : /You said: Hello/);
  }
  demo.signal('SIGINT');
  assert.equal(await demo.exited, 0);
});
