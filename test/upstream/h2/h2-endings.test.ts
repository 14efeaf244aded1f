// How streams and connections of HTTP/2 can end, frame by frame: what is opened again, what is a
// fault, and what shows as truncation.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../support/eventually.ts';
import * as h2 from '../../support/h2-frames.ts';
import { h2Client, h2Request, told } from '../../support/h2-harness.ts';

const NO_ERROR = 0;
const PROTOCOL_ERROR = 1;
const INTERNAL_ERROR = 2;
const REFUSED_STREAM = 7;
const CANCEL = 8;

const answerHead = (stream: number, flags = 0) =>
  h2.frame(h2.HEADERS, stream, h2.STATUS_200, h2.END_HEADERS | flags);
const data = (stream: number, text: string, flags = 0) =>
  h2.frame(h2.DATA, stream, Buffer.from(text), flags);
const reset = (stream: number, code: number) => h2.frame(h2.RST_STREAM, stream, h2.uint32(code));
const goaway = (last: number, code: number) => h2.frame(h2.GOAWAY, 0, h2.uint32(last, code));

test('a body that is reset before its end is cut, whatever the code', async () => {
  for (const code of [NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, CANCEL]) {
    await using server = await h2.frameServer(({ type, stream }, socket) => {
      if (type !== h2.HEADERS) return;
      socket.write(Buffer.concat([answerHead(stream), data(stream, 'half')]));
      setTimeout(() => socket.write(reset(stream, code)), 300);
    });
    using client = h2Client(server.port);
    assert.equal(await told(client.send()), '200 half cut', `code ${code}`);
  }
});

test('a body that ended and is then reset with NO_ERROR is whole', async () => {
  await using server = await h2.frameServer(({ type, stream }, socket) => {
    if (type !== h2.HEADERS) return;
    const frames = [
      answerHead(stream),
      data(stream, 'whole', h2.END_STREAM),
      reset(stream, NO_ERROR),
    ];
    socket.write(Buffer.concat(frames));
  });
  using client = h2Client(server.port);
  const chunks = [Buffer.from('request')];
  assert.equal(await told(client.send({ method: 'POST', chunks })), '200 whole');
});

test('a connection that closes in mid-body cuts it', async () => {
  await using server = await h2.frameServer(({ type, stream }, socket) => {
    if (type === h2.HEADERS) socket.end(Buffer.concat([answerHead(stream), data(stream, 'half')]));
  });
  using client = h2Client(server.port);
  assert.equal(await told(client.send()), '200 half cut');
});

test('a refused stream is opened again, and a fault when it is refused each time', async () => {
  let refusals = 1;
  let requests = 0;
  await using server = await h2.frameServer(({ type, stream }, socket) => {
    if (type !== h2.HEADERS) return;
    requests += 1;
    refusals -= 1;
    if (refusals >= 0) socket.write(reset(stream, REFUSED_STREAM));
    else socket.write(answerHead(stream, h2.END_STREAM));
  });
  using client = h2Client(server.port);
  assert.equal(await told(client.send()), '200 ');
  assert.equal(requests, 2);
  refusals = 99;
  assert.equal(await told(client.send()), 'refused_stream');
  assert.equal(requests, 5);
});

test('a refused stream whose body was streamed through is not opened again', async () => {
  let requests = 0;
  await using server = await h2.frameServer(({ type, stream }, socket) => {
    if (type !== h2.HEADERS) return;
    requests += 1;
    setTimeout(() => socket.write(reset(stream, REFUSED_STREAM)), 20);
  });
  using client = h2Client(server.port);
  const source = new PassThrough();
  source.write('part');
  assert.equal(await told(client.send({ method: 'POST', source })), 'refused_stream');
  assert.equal(requests, 1);
});

test('streams that GOAWAY leaves out are opened again elsewhere, the others are finished', async () => {
  let connections = 0;
  const served: string[] = [];
  await using server = await h2.frameServer(({ type, stream }, socket) => {
    if (type !== h2.HEADERS) return;
    const first = socket === server.sockets[0];
    connections = server.sockets.length;
    served.push(`${first ? 'first' : 'second'} ${stream}`);
    if (!first) socket.write(answerHead(stream, h2.END_STREAM));
    else if (stream === 5) {
      socket.write(goaway(3, NO_ERROR));
      setTimeout(() => {
        socket.write(Buffer.concat([answerHead(1, h2.END_STREAM), answerHead(3, h2.END_STREAM)]));
      }, 20);
    }
  });
  using client = h2Client(server.port);
  const results = await Promise.all([1, 2, 3].map(() => told(client.send())));
  assert.deepEqual(results, ['200 ', '200 ', '200 ']);
  assert.deepEqual(served, ['first 1', 'first 3', 'first 5', 'second 1']);
  assert.equal(connections, 2);
});

test('after GOAWAY with an error, what may have been processed is not sent again', async () => {
  let requests = 0;
  await using server = await h2.frameServer(({ type, stream }, socket) => {
    if (type !== h2.HEADERS) return;
    requests += 1;
    if (socket !== server.sockets[0]) socket.write(answerHead(stream, h2.END_STREAM));
    else if (stream === 3) socket.write(goaway(1, INTERNAL_ERROR));
  });
  using client = h2Client(server.port);
  const results = await Promise.all([told(client.send()), told(client.send())]);
  assert.deepEqual(results, ['reset sent', '200 ']);
  assert.equal(requests, 3);
});

test('a connection that dies under a first request is a reset, and nothing is sent again', async () => {
  let requests = 0;
  await using server = await h2.frameServer(({ type }, socket) => {
    if (type !== h2.HEADERS) return;
    requests += 1;
    socket.destroy();
  });
  using client = h2Client(server.port);
  assert.equal(await told(client.send()), 'reset sent');
  assert.equal(requests, 1);
});

test('an idle connection that dies as it is used again is replaced', async () => {
  await using server = await h2.frameServer(({ type, stream }, socket) => {
    if (type !== h2.HEADERS) return;
    if (socket === server.sockets[0] && stream > 1) socket.destroy();
    else socket.write(answerHead(stream, h2.END_STREAM));
  });
  using client = h2Client(server.port);
  assert.equal(await told(client.send()), '200 ');
  await sleep(20);
  assert.equal(await told(client.send()), '200 ');
  assert.equal(server.sockets.length, 2);
});

test('an answer that is not well-formed is a protocol fault', async () => {
  await using server = await h2.frameServer(({ type, stream }, socket) => {
    // Indexed field 62 does not exist while the dynamic table is empty.
    if (type === h2.HEADERS) {
      socket.write(h2.frame(h2.HEADERS, stream, Buffer.of(0x83), h2.END_HEADERS | h2.END_STREAM));
    }
  });
  using client = h2Client(server.port);
  assert.match(await told(client.send()), /^protocol sent/);
});

test('a client that leaves cancels the stream, before the answer and in its middle', async () => {
  const codes: number[] = [];
  let requests = 0;
  await using server = await h2.frameServer(({ type, stream, payload }, socket) => {
    if (type === h2.HEADERS) requests += 1;
    if (type === h2.HEADERS && stream === 3) {
      socket.write(Buffer.concat([answerHead(stream), data(stream, 'half')]));
    }
    if (type === h2.RST_STREAM) codes.push(payload.readUInt32BE(0));
  });
  using client = h2Client(server.port);
  const call = client.transport.send(client.upstream, h2Request());
  await eventually('the stream has begun', () => requests === 1);
  call.abort('client_left');
  assert.equal(await told(call.outcome), 'client_left sent');
  const outcome = await client.send();
  assert.ok(outcome.kind === 'answer');
  outcome.body.destroy();
  await once(outcome.body, 'close');
  await eventually('both are cancelled', () => codes.length === 2);
  assert.deepEqual(codes, [CANCEL, CANCEL]);
});

test('an upstream that insists on HTTP/1.1 is remembered', async () => {
  const HTTP_1_1_REQUIRED = 13;
  let requests = 0;
  await using server = await h2.frameServer(({ type, stream }, socket) => {
    if (type !== h2.HEADERS) return;
    requests += 1;
    socket.write(reset(stream, HTTP_1_1_REQUIRED));
  });
  using client = h2Client(server.port);
  // The server of this test has no HTTP/1.1 to offer: TLS without a common protocol fails.
  assert.equal(await told(client.send()), 'tls');
  assert.equal(await told(client.send()), 'tls');
  assert.equal(requests, 1);
});
