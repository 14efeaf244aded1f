// AFFINITY=session as a client meets it: one conversation, one key, on every worker and after a
// restart; another key while that one rests, and back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Behaviour } from '../../src/demo/behaviour.ts';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { type GptLoad, startGptLoad } from '../support/start-gpt-load.ts';

const keys = Array.from({ length: 8 }, (_, i) => `sk-test-good-${i}-0123456789abcdef`);

async function turn(proxy: GptLoad, session: string): Promise<number> {
  const answer = await proxy.fetch(`${proxy.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { connection: 'close' },
    body: JSON.stringify({ model: 'gpt-4o', prompt_cache_key: session, messages: [] }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

test('a conversation keeps its key, on four workers and over a restart', async () => {
  await using upstream = await startScriptedUpstream();
  const chosen = new Map<string, Set<string>>();
  for (let run = 0; run < 2; run += 1) {
    const env = { AFFINITY: 'session', WORKERS: '4', STATE_FILE: '' };
    await using proxy = await startGptLoad({ keys, upstreams: [upstream.url], env });
    for (let i = 0; i < 60; i += 1) {
      upstream.forget();
      const session = `session-${i % 12}`;
      assert.equal(await turn(proxy, session), 200);
      const known = chosen.get(session) ?? new Set();
      chosen.set(session, known.add(upstream.records[0]?.request.key ?? ''));
    }
  }
  for (const [session, used] of chosen) assert.equal(used.size, 1, session);
  const different = new Set([...chosen.values()].flatMap((used) => [...used]));
  assert.ok(different.size > 3, `${different.size} keys for 12 conversations`);
});

test('while its key rests a conversation goes elsewhere, and comes back', async () => {
  let limited = '';
  const refusal: Behaviour = { kind: 'refuse', refusal: 'rate_limited', retryAfterS: 1 };
  await using upstream = await startScriptedUpstream({
    script: ({ key }) => (key === limited ? refusal : { kind: 'good' }),
  });
  const env = { AFFINITY: 'session' };
  await using proxy = await startGptLoad({ keys, upstreams: [upstream.url], env });
  const keyOf = async () => {
    upstream.forget();
    assert.equal(await turn(proxy, 'one'), 200);
    return upstream.records.at(-1)?.request.key ?? '';
  };
  const own = await keyOf();
  limited = own;
  const other = await keyOf();
  assert.notEqual(other, own);
  assert.equal(await keyOf(), other);
  limited = '';
  await eventually('it is back at its key', async () => (await keyOf()) === own);
});
