// Bodies that may not be kept for replay, short as they are: they pass through all the same.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { http1Transport } from '../support/http1-harness.ts';
import { proxyHarness } from '../support/proxy-harness.ts';

const BODY = '{"model":"m","messages":["one"]}';
const MAX_WAIT_MS = 5_000;

for (const megabytes of ['32', '0.00001', '0']) {
  test(`with MAX_REPLAY_BODY_MB=${megabytes} a short body arrives, and the next one too`, async () => {
    const server = createServer(async (request, response) => {
      let text = '';
      for await (const chunk of request) text += (chunk as Buffer).toString();
      response.end(text);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const transport = http1Transport();
    await using proxy = await proxyHarness([], {
      env: {
        MAX_REPLAY_BODY_MB: megabytes,
        OPENAI_BASE_URL: `http://127.0.0.1:${port}`,
      },
      transport: () => transport,
    });
    for (let i = 0; i < 2; i += 1) {
      const answer = await fetch(`http://127.0.0.1:${proxy.port}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: BODY,
        signal: AbortSignal.timeout(MAX_WAIT_MS),
      });
      assert.equal(answer.status, 200);
      assert.equal(await answer.text(), BODY);
    }
    transport.close();
    server.closeAllConnections();
    server.close();
  });
}
