// What a connection reads, lent and given away, over real sockets.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  connectLending,
  isLending,
  type LendingSocket,
} from '../../../src/upstream/dial/lending-socket.ts';
import { eventually } from '../../support/eventually.ts';

const BULK = 3_000_000;

interface Pair extends AsyncDisposable {
  readonly socket: LendingSocket;
  readonly peer: Socket;
}

async function pair(): Promise<Pair> {
  const server = createServer({ noDelay: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const { port } = server.address() as AddressInfo;
  const socket = connectLending({ host: '127.0.0.1', port });
  const peer = await accepted;
  return {
    socket,
    peer,
    [Symbol.asyncDispose]: async () => {
      socket.destroy();
      peer.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Bytes that differ everywhere, so that memory that was used twice shows. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i += 1) bytes[i] = (i * 2_654_435_761) >>> 11;
  return bytes;
}

test('without a reader a lending socket is a stream like any other', async () => {
  await using link = await pair();
  const { socket, peer } = link;
  assert.ok(isLending(socket));
  const sent = noise(BULK);
  peer.write(sent.subarray(0, 10));
  await sleep(20);
  peer.end(sent.subarray(10));
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  assert.equal(digest(Buffer.concat(chunks)), digest(sent));
});

test('what is read in bulk is given away, and may be kept; what is short is lent', async () => {
  await using link = await pair();
  const { socket, peer } = link;
  const kept: Buffer[] = [];
  const lent: number[] = [];
  socket.reader = {
    isReading: true,
    read: (chunk, isLent) => {
      if (isLent) lent.push(chunk.length);
      kept.push(isLent ? Buffer.from(chunk) : chunk);
    },
  };
  socket.resume();
  const ended = new Promise((resolve) => socket.once('end', resolve));
  const sent = noise(BULK);
  peer.write(sent.subarray(0, 5));
  await eventually('it is read', () => lent.length === 1);
  peer.write(sent.subarray(5, BULK - 3));
  await sleep(100);
  peer.end(sent.subarray(BULK - 3));
  await ended;
  assert.equal(digest(Buffer.concat(kept)), digest(sent));
  assert.equal(lent[0], 5);
  const bulk = kept.reduce((sum, { length }) => sum + length, 0) - lent.reduce((a, b) => a + b);
  assert.ok(bulk > BULK / 2, `${bulk} bytes were read into memory of their own`);
});

test('two connections that read by turns do not see each other', async () => {
  await using first = await pair();
  await using second = await pair();
  const seen = ['', ''];
  [first, second].forEach(({ socket }, at) => {
    socket.reader = { isReading: true, read: (chunk) => (seen[at] += chunk.toString('latin1')) };
    socket.resume();
  });
  for (let i = 0; i < 20; i += 1) {
    first.peer.write(`a${i}.`);
    second.peer.write(`b${i}.`);
    await sleep(1);
  }
  await sleep(50);
  const expected = (letter: string) =>
    Array.from({ length: 20 }, (_, i) => `${letter}${i}.`).join('');
  assert.deepEqual(seen, [expected('a'), expected('b')]);
});

test('a reader that pauses gets no more, and all of it once it goes on', async () => {
  await using link = await pair();
  const { socket, peer } = link;
  let bytes = 0;
  let paused = false;
  socket.reader = {
    isReading: true,
    read: (chunk) => {
      assert.ok(!paused, 'read while paused');
      bytes += chunk.length;
      if (bytes < BULK / 2) return;
      paused = true;
      socket.pause();
    },
  };
  socket.resume();
  const ended = new Promise((resolve) => socket.once('end', resolve));
  peer.end(noise(BULK));
  const until = Date.now() + 5_000;
  while (!paused && Date.now() < until) await sleep(5);
  await sleep(50);
  const before = bytes;
  socket.reader = { isReading: true, read: (chunk) => (bytes += chunk.length) };
  paused = false;
  socket.resume();
  await ended;
  assert.ok(before < BULK);
  assert.equal(bytes, BULK);
});

test('memory of its own is given away when half of it is filled, and not kept by the idle', async () => {
  await using link = await pair();
  const { socket, peer } = link;
  const stores = new Set<ArrayBufferLike>();
  let given = 0;
  let isReading = true;
  socket.reader = {
    get isReading() {
      return isReading;
    },
    read: (chunk, isLent) => {
      stores.add(chunk.buffer);
      if (isLent) return;
      given += 1;
      assert.ok(chunk.length >= 32 * 1024, `${chunk.length} bytes were given 64 KiB`);
    },
  };
  socket.resume();
  const parts = async (bytes: number): Promise<void> => {
    for (let i = 0; i < 10; i += 1) {
      peer.write(noise(bytes));
      await sleep(10);
    }
  };
  await parts(20_000);
  assert.equal(given, 0);
  // The shared memory, and one of its own for all ten.
  assert.equal(stores.size, 2);
  isReading = false;
  await parts(20_000);
  stores.clear();
  await parts(20_000);
  assert.equal(stores.size, 1);
});
