// The head of a relayed answer: what stands in it, and that Node still frames the message.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { RelayedResponse } from '../../../src/proxy/answer/relayed-response.ts';
import { connectRaw } from '../../support/raw-client.ts';

/** A client's connection to a server that has been asked once, and answers by `answer`. */
async function clientOf(answer: (response: RelayedResponse) => void, requestFields = '') {
  const server = createServer({ ServerResponse: RelayedResponse }, (_, response) => {
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = await connectRaw((server.address() as AddressInfo).port);
  await client.send(`GET / HTTP/1.1\r\nHost: x\r\n${requestFields}\r\n`);
  const end = (): void => {
    client.destroy();
    server.closeAllConnections();
    server.close();
  };
  return { client, [Symbol.dispose]: end };
}

/** The same for a stream, whose head is written. */
function readerOf(write: (response: RelayedResponse) => void) {
  return clientOf((response) => {
    response.writeRelayedHead(200, 'Fine', ['Content-Type', 'text/event-stream']);
    write(response);
  });
}

/** What a client reads of an answer `body` with these fields. */
async function answerWith(
  fields: readonly string[],
  more: { requestFields?: string } = {},
): Promise<{ lines: string[]; body: string }> {
  using on = await clientOf((response) => {
    response.writeRelayedHead(200, 'Fine', fields);
    response.end('body', 'latin1');
  }, more.requestFields);
  const { head, body } = await on.client.answer();
  return { lines: head.split('\r\n'), body: body.toString('latin1') };
}

test('a relayed head has every field once, with its value as it came', async () => {
  const fields = ['Date', 'Thu, 01 Jan 1970 00:00:00 GMT', 'X-Odd', 'caf\xe9 \t,;', 'x-odd', '2'];
  const { lines, body } = await answerWith([...fields, 'content-length', '4']);
  assert.deepEqual(lines, [
    'HTTP/1.1 200 Fine',
    'Date: Thu, 01 Jan 1970 00:00:00 GMT',
    'X-Odd: caf\xe9 \t,;',
    'x-odd: 2',
    'content-length: 4',
    'Connection: keep-alive',
    'Keep-Alive: timeout=5',
  ]);
  assert.equal(body, 'body');
});

test('a relayed head without a date gets one, and without a length is chunked', async () => {
  const { lines, body } = await answerWith(['Etag', '"1"']);
  assert.match(lines.join('\n'), /^Date: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$/m);
  assert.ok(lines.includes('Transfer-Encoding: chunked'));
  assert.equal(body, 'body');
});

test('a relayed head says Connection: close where the client wants it', async () => {
  const requestFields = 'Connection: close\r\n';
  const { lines } = await answerWith(['Content-Length', '4'], { requestFields });
  assert.ok(lines.includes('Connection: close'));
  assert.ok(!lines.some((line) => /keep-alive/i.test(line)));
});

test('a head that cannot be written leaves nothing in the one in its place', async () => {
  using on = await clientOf((response) => {
    const fields = ['X-Old', '1', 'Date', 'never', 'Trailer', 'x'];
    assert.throws(() => response.writeRelayedHead(200, 'Old', [...fields, 'Content-Length', '0']));
    response.writeHead(500, ['Content-Length', '0']);
    response.end();
  });
  const { head } = await on.client.answer();
  assert.match(head, /^HTTP\/1\.1 500 Internal Server Error\r\n/);
  assert.match(head, /\r\nDate: \w{3}, /);
  assert.doesNotMatch(head, /X-Old|Trailer|never/);
});

test('chunks keep their bytes, their frames and their order, long ones among short ones', async () => {
  const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const long = Buffer.alloc(40_000, 'long');
  const chunks = [every, Buffer.from('a'), long, Buffer.from('b'), Buffer.from('\r\n'), every];
  using on = await readerOf((response) => {
    for (const chunk of chunks) response.writeRelayed(chunk);
    response.writeRelayed(Buffer.alloc(0));
    response.end('the end');
  });
  const { body, chunkSizes, complete } = await on.client.answer();
  assert.deepEqual(body, Buffer.concat([...chunks, Buffer.from('the end')]));
  assert.deepEqual(chunkSizes, [...chunks.map(({ length }) => length), 7]);
  assert.ok(complete);
});

test('the chunks of one turn leave in one write, and a chunk does not wait for another turn', async () => {
  const writes: number[] = [];
  using on = await readerOf((response) => {
    const { socket } = response;
    assert.ok(socket !== null);
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
    socket.write = (...args: unknown[]) => {
      writes.push(String(args[0]).length);
      return write(...args);
    };
    for (let i = 0; i < 5; i += 1) response.writeRelayed(Buffer.from(`data: ${i}\n\n`));
    setTimeout(() => {
      assert.equal(writes.length, 1);
      response.writeRelayed(Buffer.from('data: last\n\n'));
      setImmediate(() => {
        assert.equal(writes.length, 2);
        response.end();
      });
    }, 20);
  });
  const { chunkSizes } = await on.client.answer();
  assert.deepEqual(chunkSizes, [9, 9, 9, 9, 9, 12]);
});

test('a client that does not read is said to be slow, and heard of when it has read', async () => {
  const sent = { bytes: 0 };
  const chunk = Buffer.alloc(8 * 1024, 'x');
  using on = await readerOf((response) => {
    const more = (): void => {
      // Whatever the turn: the writer must not be told to wait and then be forgotten.
      while (sent.bytes < 32 * 1024 * 1024) {
        sent.bytes += chunk.length;
        if (!response.writeRelayed(chunk)) {
          response.once('drain', more);
          return;
        }
      }
      response.end();
    };
    more();
  });
  on.client.socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(
    sent.bytes < 16 * 1024 * 1024,
    `${sent.bytes} bytes were taken of a client that sleeps`,
  );
  on.client.socket.resume();
  const { body, complete } = await on.client.answer();
  assert.equal(body.length, 32 * 1024 * 1024);
  assert.ok(complete);
});

test('a client that has ended its half and does not read is said to be slow', async () => {
  const chunk = Buffer.alloc(4 * 1024, 'x');
  let taken = 0;
  const isDone = Promise.withResolvers<boolean>();
  using on = await readerOf((response) => {
    const flood = (): void => {
      taken += chunk.length;
      if (!response.writeRelayed(chunk)) isDone.resolve(true);
      else if (taken > 64 * 1024 * 1024) isDone.resolve(false);
      else setImmediate(flood);
    };
    // Once a little waits in Node, the end of the client's half ends the socket, and it stays open.
    const fill = (): void => {
      if ((response.socket?.writableLength ?? 0) === 0) {
        response.writeRelayed(chunk);
        setImmediate(fill);
        return;
      }
      on.client.socket.end();
      setTimeout(flood, 100);
    };
    setTimeout(fill, 50);
  });
  on.client.socket.pause();
  assert.ok(await isDone.promise, `${taken} bytes were taken`);
});
