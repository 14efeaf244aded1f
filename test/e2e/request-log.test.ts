// Which requests leave a line in the log when LOG_ENABLE_REQUEST is false.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

test('LOG_ENABLE_REQUEST=false logs the requests that failed, a 404 that was passed on too', async () => {
  await using upstream = await startScriptedUpstream();
  const keys = ['sk-test-good-0123456789ab'];
  const env = { LOG_ENABLE_REQUEST: 'false' };
  await using app = await startGptLoad({ keys, upstreams: [upstream.url], env });
  assert.equal((await app.ask('/v1/models')).status, 200);
  assert.equal((await app.ask('/v1/nothing')).status, 404);
  await app.waitForLog(/GET \/v1\/nothing 404/);
  assert.doesNotMatch(app.output(), /GET \/v1\/models/);
});
