// Clients' limits as a client meets them: exact over workers, told with the client and the limit,
// and gone when there is room again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { type GptLoad, startGptLoad } from '../support/start-gpt-load.ts';

const key = 'sk-test-good-limits-0123456789abcdef';

function toml(url: string): string {
  return [
    `[group.one]\nbase_url = "${url}"\nkeys_file = "one.txt"\nmodels = ["gpt-*"]`,
    '[client.slow]\nkey = "client-key-slow"\nrpm = 6',
    '[client.narrow]\nkey = "client-key-narrow"\nconcurrency = 2',
    '[client.free]\nkey = "client-key-free"\n',
  ].join('\n');
}

function start(url: string): Promise<GptLoad> {
  const files = { 'gpt-load.toml': toml(url), 'one.txt': `${key}\n` };
  const env = { WORKERS: '4' };
  return startGptLoad({ keys: [key], upstreams: [], withoutKeysFile: true, files, env });
}

function ask(proxy: GptLoad, client: string): Promise<Response> {
  return proxy.fetch(`${proxy.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer client-key-${client}`, connection: 'close' },
    body: '{"model":"gpt-4o","messages":[]}',
  });
}

test('a client that may send 6 a minute sends 6, whichever workers it meets', async () => {
  await using upstream = await startScriptedUpstream();
  await using proxy = await start(upstream.url);
  const answers = await Promise.all(Array.from({ length: 40 }, () => ask(proxy, 'slow')));
  const refused = answers.filter(({ status }) => status === 429);
  assert.equal(answers.filter(({ status }) => status === 200).length, 6);
  assert.equal(refused.length, 34);
  const waitS = Number(refused[0]?.headers.get('retry-after'));
  assert.ok(waitS > 50 && waitS <= 61, `Retry-After: ${waitS}`);
  const body = (await refused[0]?.json()) as { error: Record<string, string> } | undefined;
  const error = body?.error ?? {};
  assert.equal(error.code, 'client_limit');
  assert.match(
    error.message ?? '',
    /client slow has reached its limit of 6 requests per minute \(rpm\)/,
  );
  assert.equal((await ask(proxy, 'free')).status, 200);
  await proxy.waitForLog(/client_name=slow/);
});

test('a client with two requests at once gets the third when one has ended', async () => {
  const slow = { kind: 'slow', delayMs: 6_000 } as const;
  await using upstream = await startScriptedUpstream({ script: () => slow });
  await using proxy = await start(upstream.url);
  const first = [ask(proxy, 'narrow'), ask(proxy, 'narrow')];
  await eventually('both are under way', () => upstream.received() === 2);
  const third = await ask(proxy, 'narrow');
  assert.equal(third.status, 429);
  assert.match(
    await third.text(),
    /narrow has reached its limit of 2 concurrent requests \(concurrency\)/,
  );
  for (const answer of await Promise.all(first)) assert.equal(answer.status, 200);
  // A client that leaves gives its place back too.
  const left = new AbortController();
  const gone = fetch(`${proxy.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer client-key-narrow' },
    body: '{"model":"gpt-4o"}',
    signal: left.signal,
  }).catch(() => undefined);
  await eventually('it is under way', () => upstream.received() === 3);
  left.abort();
  await gone;
  await eventually('there is room for two', async () => {
    const two = await Promise.all([ask(proxy, 'narrow'), ask(proxy, 'narrow')]);
    return two.every(({ status }) => status === 200);
  });
});
