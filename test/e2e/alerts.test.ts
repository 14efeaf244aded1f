// ALERT_WEBHOOK_URL as an operator meets it: what dies is told, by a real webhook, without a key
// and without the webhook's own secret in the log.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { test } from 'node:test';
import { startScriptedUpstream } from '../../src/demo/scripted-upstream.ts';
import { eventually } from '../support/eventually.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const keys = ['one', 'two'].map((name) => `sk-test-dead-${name}-0123456789abcdef`);

async function startWebhook(statuses: number[]) {
  const received: Record<string, unknown>[] = [];
  const server = createServer(async (request, response) => {
    // Other tests may ask a port that was theirs a moment ago.
    if (request.url !== '/hook/s3cret-token?x=1') return void response.writeHead(404).end();
    const body = (await json(request)) as Record<string, unknown>;
    const status = statuses.shift() ?? 204;
    if (status < 300) received.push(body);
    response.writeHead(status).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    received,
    url: `http://127.0.0.1:${port}/hook/s3cret-token?x=1`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

test('keys that die are told by webhook, again when it was busy', async () => {
  await using webhook = await startWebhook([503]);
  await using upstream = await startScriptedUpstream();
  const env = { ALERT_WEBHOOK_URL: webhook.url };
  await using proxy = await startGptLoad({ keys, upstreams: [upstream.url], env });
  await proxy.ask('/v1/chat/completions', { method: 'POST', body: '{"model":"gpt-4o"}' });
  const told = () => webhook.received.map(({ event }) => event).sort();
  await eventually('both are told', () => told().length === 2);
  assert.deepEqual(told(), ['keys_blacklisted', 'no_usable_key']);
  const text = JSON.stringify(webhook.received);
  assert.match(text, /sk-t\.\.\.cdef/);
  assert.doesNotMatch(text, /0123456789/);
  await proxy.waitForLog(/alert sent/);
  const config = (await proxy.ask('/config')).body;
  assert.doesNotMatch(proxy.output() + config, /s3cret-token/);
});

test('alert-test says whether the webhook has taken it', async () => {
  await using webhook = await startWebhook([204, 404]);
  for (const [code, said] of [
    [0, /127\.0\.0\.1 accepted the message/],
    [1, /did not accept the message: it answered 404/],
  ] as const) {
    const run = await startGptLoad({
      keys,
      upstreams: ['http://127.0.0.1:1'],
      env: { ALERT_WEBHOOK_URL: webhook.url },
      args: ['alert-test'],
      waitUntilReady: false,
    });
    assert.equal(await run.exited, code);
    assert.match(run.output(), said);
    assert.doesNotMatch(run.output(), /s3cret/);
  }
  assert.equal(webhook.received[0]?.event, 'test');
});
