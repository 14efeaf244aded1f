// The program on a machine whose wall clock is set while it serves: what rests goes on resting, and
// no longer; what people are shown follows the clock.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const REST_S = 4;
const HOUR_S = 3_600;
const SHIFTER = join(import.meta.dirname, '../support/clock-shifter.ts');
const OPTIONS = {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: '{"model":"gpt-4o","messages":[]}',
};

for (const setS of [-HOUR_S, HOUR_S]) {
  test(`a wall clock that is set by ${setS} s lengthens no rest and ends none`, async () => {
    // It is limited at its first request, and for the next eight it would work.
    const keys = ['sk-test-limited9-clock-0123456789abcdef'];
    await using upstream = await startScriptedUpstream({ retryAfterS: REST_S });
    await using own = await startGptLoad({
      keys,
      upstreams: [upstream.url],
      env: { WORKERS: '2', NODE_OPTIONS: `--import=${SHIFTER}` },
      fromSources: true,
    });
    const status = async () => (await own.fetch(`${own.url}/v1/chat/completions`, OPTIONS)).status;
    assert.equal(await status(), 429);
    const restsSinceMs = performance.now();
    writeFileSync(join(own.directory, 'clock-shift'), String(setS * 1_000));
    await own.waitForLog(
      new RegExp(`wall clock was changed.*by_ms=${setS < 0 ? '-' : ''}(36|35)\\d+`),
    );
    const { resting_keys: resting } = JSON.parse((await own.ask('/blacklist')).body);
    const shownS = Date.parse(resting[0]?.until) / 1_000 - setS - Date.now() / 1_000;
    assert.ok(shownS > 0 && shownS < REST_S + 1, `${shownS} s to go, as it is shown`);
    for (;;) {
      const found = await status();
      const afterS = (performance.now() - restsSinceMs) / 1_000;
      if (found === 200) {
        assert.ok(afterS > REST_S - 0.5, `back after ${afterS} s of ${REST_S}`);
        break;
      }
      assert.equal(found, 429);
      assert.ok(afterS < REST_S + 3, `not back after ${afterS} s of ${REST_S}`);
      await sleep(100);
    }
  });
}
