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
    await demo.waitForLog(/By now \d of 6 keys are healthy, \d blacklisted/, 15_000);
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
  assert.match(demo.output(), new RegExp(`port ${port}: address already in use; set PORT`));
  await demo.stop(1);
});
