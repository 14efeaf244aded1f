// One try at a webhook, over a real socket: what counts as taken, as busy, and as a refusal.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { parseConfig } from '../../../src/config/config.ts';
import type { Alert } from '../../../src/policy/alert-message.ts';
import { Webhook } from '../../../src/serve/alerts/webhook.ts';

const alert: Alert = {
  event: 'upstream_gone',
  group: 'g',
  summary: 'gone',
  details: [],
  at: '2026-01-01T00:00:00.000Z',
};

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

async function tried(listener: Listener, userinfo = '') {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  try {
    return await new Webhook(
      parseConfig({ ALERT_WEBHOOK_URL: `http://${userinfo}127.0.0.1:${port}/hook` }),
    ).send(alert);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test('a plain webhook that answers 200 with a code of its own has taken it', async () => {
  const refusal = await tried((_, response) => response.end('{"code":200,"msg":"ok"}'));
  assert.equal(refusal, undefined);
});

test('429 names when to come back', async () => {
  const headers = await tried((_, response) => {
    response.writeHead(429, { 'Retry-After': '7' }).end();
  });
  assert.deepEqual(headers, { why: 'it answered 429', isFinal: false, retryAfterMs: 7_000 });
});

test('500 is tried later, 404 is not, and a redirect is not followed', async () => {
  for (const [status, isFinal] of [
    [500, false],
    [404, true],
    [302, true],
  ] as const) {
    const refusal = await tried((_, response) => {
      response.writeHead(status, { Location: '/elsewhere' }).end();
    });
    assert.equal(refusal?.isFinal, isFinal, String(status));
  }
});

test('a webhook that hangs is given up after ten seconds, and tried later', async () => {
  const startedMs = performance.now();
  const refusal = await tried(() => {});
  assert.ok(performance.now() - startedMs < 30_000);
  assert.equal(refusal?.isFinal, false);
  assert.match(refusal?.why ?? '', /no answer \((headers|total)_timeout\)/);
});

test('a name and a password in the address are sent as Basic', async () => {
  let seen: string | undefined;
  await tried((request, response) => {
    seen = request.headers.authorization;
    response.end();
  }, 'ops:p%40ss@');
  assert.equal(seen, `Basic ${Buffer.from('ops:p@ss').toString('base64')}`);
  // What is no escape is taken as it stands.
  await tried((request, response) => {
    seen = request.headers.authorization;
    response.end();
  }, 'ops:50%zz@');
  assert.equal(seen, `Basic ${Buffer.from('ops:50%zz').toString('base64')}`);
});
