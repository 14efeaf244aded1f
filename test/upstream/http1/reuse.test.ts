// Connections to an upstream are used again, over TCP and over TLS, whatever came over them before.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { h2Request, told } from '../../support/h2-harness.ts';
import { http1Transport, upstreamAt } from '../../support/http1-harness.ts';
import { certificate } from '../../support/tls-fixture.ts';

const REQUESTS = 20;

for (const scheme of ['http', 'https'] as const) {
  for (const bytes of [10, 100_000]) {
    test(`${REQUESTS} answers of ${bytes} bytes over ${scheme} take one connection`, async () => {
      const answer: http.RequestListener = (request, response) => {
        request.resume().on('end', () => response.end(Buffer.alloc(bytes, 65)));
      };
      const server =
        scheme === 'http'
          ? http.createServer(answer)
          : https.createServer(certificate('server'), answer);
      let connections = 0;
      server.on('connection', () => {
        connections += 1;
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const transport = http1Transport();
      const upstream = upstreamAt(`${scheme}://127.0.0.1:${port}`);
      for (let i = 0; i < REQUESTS; i += 1) {
        const chunks = [Buffer.alloc(300, 66)];
        const request = h2Request({ method: 'POST', bodyExpected: true, chunks });
        const seen = await told(transport.send(upstream, request).outcome);
        assert.match(seen, bytes === 10 ? /^200 A{10}$/ : /^200 100000 bytes$/);
      }
      transport.close();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      assert.equal(connections, 1);
    });
  }
}

/** A peer on a thread of its own, so that its answer may come before this thread turns again. */
const PEER = `
  const { parentPort, workerData } = require('node:worker_threads');
  let connections = 0;
  const server = require('node:https').createServer(workerData, (request, response) => {
    request.resume().on('end', () => response.end('ok'));
  });
  server.on('connection', () => { connections += 1; });
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
  parentPort.on('message', () => parentPort.postMessage(connections));
`;

test('a TLS connection whose answer comes before its write is told done is used again', async () => {
  const { key, cert } = certificate('server');
  const peer = new Worker(PEER, { eval: true, workerData: { key, cert } });
  const [port] = await once(peer, 'message');
  const transport = http1Transport();
  const upstream = upstreamAt(`https://127.0.0.1:${port}`);
  const client = async (): Promise<void> => {
    for (let i = 0; i < 100; i += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      const outcome = transport.send(upstream, h2Request({ isTurnOver: true })).outcome;
      assert.equal(await told(outcome), '200 ok');
    }
  };
  await Promise.all(Array.from({ length: REQUESTS }, client));
  peer.postMessage('connections?');
  const [connections] = await once(peer, 'message');
  transport.close();
  await peer.terminate();
  assert.ok(connections <= REQUESTS, `${connections} connections`);
});
