// All connections of a thread read into the same memory: what one answer brought must stay as it
// was while others are read.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { UpstreamAnswer } from '../../../src/upstream/transport.ts';
import { h2Request } from '../../support/h2-harness.ts';
import { http1Transport, upstreamAt } from '../../support/http1-harness.ts';

const CALLS = 8;
const ROUNDS = 30;

const HEAD = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

/** A chunk of a letter of the call's own. */
function chunkOf(call: number, bytes: number): string {
  return `${bytes.toString(16)}\r\n${String.fromCharCode(65 + call).repeat(bytes)}\r\n`;
}

test(`${CALLS} answers that come by turns and are read at the end are not mixed`, async () => {
  const peers: Socket[] = [];
  const server = createServer({ noDelay: true }, (socket) => peers.push(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const transport = http1Transport();
  const upstream = upstreamAt(`http://127.0.0.1:${port}`);
  const calls = Array.from({ length: CALLS }, () => transport.send(upstream, h2Request({})));
  while (peers.length < CALLS) await sleep(5);
  // Head and a first chunk in one piece, cut within the head for every other one.
  for (const [at, peer] of peers.entries()) {
    const text = `${HEAD}${chunkOf(at, 10)}`;
    if (at % 2 === 0) peer.write(text);
    else {
      peer.write(text.slice(0, 20));
      await sleep(2);
      peer.write(text.slice(20));
    }
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [at, peer] of peers.entries()) peer.write(chunkOf(at, 1 + ((round * 7) % 50)));
    await sleep(1);
  }
  for (const peer of peers) peer.end('0\r\n\r\n');
  await sleep(50);
  const letters: string[] = [];
  for (const call of calls) {
    const answer = (await call.outcome) as UpstreamAnswer;
    assert.equal(answer.kind, 'answer');
    let text = '';
    for await (const chunk of answer.body) text += (chunk as Buffer).toString('latin1');
    assert.match(text, /^(.)\1+$/);
    letters.push(text.charAt(0));
  }
  assert.equal(new Set(letters).size, CALLS);
  transport.close();
  for (const peer of peers) peer.destroy();
  server.close();
});

test('chunks that come in one read are passed on as one, with the end behind them', async () => {
  const chunks = Array.from({ length: 50 }, (_, i) => chunkOf(i % 26, 1 + i)).join('');
  const { promise: isRead, resolve: onRead } = Promise.withResolvers<void>();
  const server = createServer({ noDelay: true }, async (socket) => {
    socket.write(`${HEAD}${chunkOf(25, 3)}`);
    await isRead;
    socket.end(`${chunks}0\r\nX-Last: 1\r\n\r\n`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const transport = http1Transport();
  const call = transport.send(upstreamAt(`http://127.0.0.1:${port}`), h2Request({}));
  const answer = (await call.outcome) as UpstreamAnswer;
  const parts: string[] = [];
  answer.body.on('data', (chunk: Buffer) => parts.push(chunk.toString('latin1')));
  answer.body.once('data', onRead);
  await once(answer.body, 'end');
  const sent = Array.from({ length: 50 }, (_, i) =>
    String.fromCharCode(65 + (i % 26)).repeat(1 + i),
  );
  assert.deepEqual(parts, ['ZZZ', sent.join('')]);
  assert.deepEqual(answer.trailers(), ['X-Last', '1']);
  assert.ok(answer.complete());
  transport.close();
  server.close();
});

test('a reader that gives up at the last chunk takes nobody else with it', async () => {
  const server = createServer({ noDelay: true }, async (socket) => {
    socket.on('error', () => undefined).write(HEAD);
    await sleep(30);
    socket.write(`${chunkOf(0, 5)}0\r\n\r\n`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const transport = http1Transport();
  const call = transport.send(upstreamAt(`http://127.0.0.1:${port}`), h2Request({}));
  const { body } = (await call.outcome) as UpstreamAnswer;
  body.on('data', () => body.destroy());
  await once(body, 'close');
  await sleep(20);
  transport.close();
  server.close();
});
