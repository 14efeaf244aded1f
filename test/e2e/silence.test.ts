// After a silence the first requests cost what the last ones before it did: V8 is kept from
// collecting its garbage, and the optimised code with it, because nothing happens.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

/** V8 would begin 8 s after it has collected something else. */
const silenceMs = 11_000;
/** In each thread: says what V8 collects, and collects once, after which V8 would begin to wait. */
const preload = `data:text/javascript,${encodeURIComponent(`
  import { setFlagsFromString } from 'node:v8';
  import { runInNewContext } from 'node:vm';
  for (const flag of ['--trace-gc', '--expose-gc']) setFlagsFromString(flag);
  const collect = runInNewContext('gc');
  setTimeout(() => collect(), 2_000).unref();
`)}`;

test('a silence does not make V8 collect garbage to give memory back', async () => {
  await using upstream = await startScriptedUpstream();
  await using app = await startGptLoad({
    keys: ['sk-test-silence-0123456789'],
    upstreams: [upstream.url],
    env: { NODE_OPTIONS: `--import=${preload}`, LOG_ENABLE_REQUEST: 'false' },
    fromSources: true,
  });
  for (let i = 0; i < 50; i += 1) assert.equal((await app.ask('/v1/models')).status, 200);
  await app.waitForLog(/Mark-Compact.+Mark-Compact/s);
  await sleep(silenceMs);
  assert.doesNotMatch(app.output(), /\(reduce\)/);
});
