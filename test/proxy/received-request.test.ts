// Bodies that are taken as they came, over real sockets: whole ones without a stream, and all
// others as the stream that they would have been.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { ReceivedRequest } from '../../src/proxy/received-request.ts';

const MAX_WAIT_MS = 5_000;

interface Serving extends AsyncDisposable {
  readonly client: Socket;
  /** What the client was answered, once there are so many answers. */
  answers(count: number): Promise<string>;
}

type Handle = (request: ReceivedRequest, response: ServerResponse) => void;

async function serving(handle: Handle): Promise<Serving> {
  const server = createServer({ IncomingMessage: ReceivedRequest }, (request, response) =>
    handle(request as ReceivedRequest, response),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await once(client, 'connect');
  let received = '';
  client.on('data', (chunk) => {
    received += chunk.toString('latin1');
  });
  return {
    client,
    answers: async (count) => {
      const until = Date.now() + MAX_WAIT_MS;
      while (received.split('HTTP/1.1 ').length <= count && Date.now() < until) await sleep(5);
      return received;
    },
    [Symbol.asyncDispose]: async () => {
      client.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function streamed(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += (chunk as Buffer).toString('latin1');
  return text;
}

const head = (length: number) => `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`;

test('a body that came with its head is taken whole, and the next one too', async () => {
  const events: string[] = [];
  await using service = await serving(async (request, response) => {
    for (const name of ['data', 'end', 'close', 'error']) {
      request.on(name, () => events.push(name));
    }
    request.hold();
    await turn();
    const taken = request.takeWhole(5);
    response.end(`taken ${taken?.toString('latin1')}`);
  });
  service.client.write(`${head(5)}first`);
  await service.answers(1);
  service.client.write(`${head(5)}again${head(5)}third`);
  const text = await service.answers(3);
  assert.deepEqual(
    [...text.matchAll(/taken (\w+?)(?=HTTP|$)/g)].map((match) => match[1]),
    ['first', 'again', 'third'],
  );
  assert.deepEqual(events, []);
});

test('a body that comes in pieces is the stream that it would have been', async () => {
  const taken: (Buffer | undefined)[] = [];
  const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
  await using service = await serving(async (request, response) => {
    request.hold();
    await turn();
    taken.push(request.takeWhole(10));
    onAsked();
    response.end(await streamed(request));
  });
  service.client.write(`${head(10)}12345`);
  await asked;
  service.client.write('67890');
  assert.match(await service.answers(1), /1234567890$/);
  // In one piece, but not of the length that was expected.
  service.client.write(`${head(4)}abcd`);
  assert.match(await service.answers(2), /abcd$/);
  assert.deepEqual(taken, [undefined, undefined]);
});

test('a body that nobody holds is a stream; one that nobody reads stops nobody', async () => {
  let count = 0;
  await using service = await serving(async (request, response) => {
    count += 1;
    if (count === 1) request.hold();
    response.end(count === 2 ? await streamed(request) : 'unread');
  });
  service.client.write(`${head(3)}one`);
  await service.answers(1);
  service.client.write(`${head(3)}two`);
  assert.match(await service.answers(2), /two$/);
});

test('a client that leaves in mid-body ends the stream with an error', async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const { promise: asked, resolve: onAsked } = Promise.withResolvers<void>();
  await using service = await serving(async (request) => {
    request.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    request.hold();
    await turn();
    assert.equal(request.takeWhole(10), undefined);
    request.resume();
    onAsked();
  });
  service.client.write(`${head(10)}12345`);
  await asked;
  service.client.destroy();
  assert.equal(await promise, 'ECONNRESET');
});
