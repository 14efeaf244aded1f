// An upstream that asks for an hour, and an operator who grants it a few seconds: the key is tried
// by one request then, also when many come at once.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const MAX_S = 5;
const AT_ONCE = 20;
const KEY = 'sk-test-limited-always-0123456789abcdef';

for (const [where, isGroup] of [
  ['RETRY_AFTER_MAX', false],
  ['retry_after_max of a group', true],
] as const) {
  test(`${where} bounds what Retry-After names, and one request tries the key`, async () => {
    await using upstream = await startScriptedUpstream({ retryAfterS: 3_600 });
    const group = `[group.one]\nbase_url = "${upstream.url}"\nkeys_file = "one.txt"\n`;
    const files = {
      'gpt-load.toml': `${group}models = ["*"]\nretry_after_max = ${MAX_S}\n`,
      'one.txt': `${KEY}\n`,
    };
    await using own = await startGptLoad({
      keys: [KEY],
      upstreams: [upstream.url],
      ...(isGroup ? { files, withoutKeysFile: true } : {}),
      env: { WORKERS: '2', STATE_FILE: '', ...(isGroup ? {} : { RETRY_AFTER_MAX: `${MAX_S}` }) },
    });
    const ask = async () => {
      const answer = await own.fetch(`${own.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: '{"model":"gpt-4o","messages":[]}',
      });
      assert.equal(answer.status, 429);
      return (await answer.json()) as { error?: { code?: string } };
    };
    await ask();
    assert.equal(upstream.received(), 1);
    for (const tries of [2, 3]) {
      await sleep(MAX_S * 1_000 + 200);
      const answers = await Promise.all(Array.from({ length: AT_ONCE }, ask));
      assert.equal(upstream.received(), tries, 'one more request went to the upstream');
      const ours = answers.filter(({ error }) => error?.code === 'all_keys_resting');
      assert.equal(ours.length, AT_ONCE - 1);
    }
  });
}
