// The upstream of a benchmark, in a process of its own: a bare socket that answers canned bytes, so
// that it costs less than anything measured. Says its port to the parent and lives until that ends.

import { type AddressInfo, createServer, type Socket } from 'node:net';
import {
  type Deed,
  EVENT_CHUNK,
  FAULT_ANSWER,
  HEAD_END,
  LAST_CHUNK,
  PACE_MS,
  SMALL_ANSWER,
  STREAM_HEAD,
} from './messages.ts';

interface Stream {
  readonly socket: Socket;
  left: number;
}

const BACKLOG = 4096;
/** Events that one stream gets in one turn when they come back to back. */
const BURST_EVENTS = 64;
/** One in so many requests meets a server error where faults are asked for. */
const FAULT_EVERY = 100;

/** Streams that get an event every turn, a burst every turn, and one every PACE_MS. */
const streams = { turn: new Set<Stream>(), burst: new Set<Stream>(), paced: new Set<Stream>() };
let isTurning = false;
let asked = 0;

function begin(
  deed: Exclude<Deed, 'small' | 'faulty' | 'hold'>,
  socket: Socket,
  events: number,
): void {
  socket.write(STREAM_HEAD);
  streams[deed].add({ socket, left: events });
  if (deed === 'paced' || isTurning) return;
  isTurning = true;
  setImmediate(turn);
}

function turn(): void {
  for (const stream of streams.turn) advance(streams.turn, stream, 1);
  for (const stream of streams.burst) advance(streams.burst, stream, BURST_EVENTS);
  isTurning = streams.turn.size + streams.burst.size > 0;
  if (isTurning) setImmediate(turn);
}

setInterval(() => {
  for (const stream of streams.paced) advance(streams.paced, stream, 1);
}, PACE_MS);

/** Writes so many events, each by itself, unless the reader is slow. */
function advance(set: Set<Stream>, stream: Stream, events: number): void {
  const { socket } = stream;
  for (let i = 0; i < events && !socket.writableNeedDrain && stream.left > 0; i += 1) {
    socket.write(EVENT_CHUNK);
    stream.left -= 1;
  }
  if (stream.left > 0 && !socket.destroyed) return;
  set.delete(stream);
  if (!socket.destroyed) socket.write(LAST_CHUNK);
}

const TARGET = /[?&]do=(\w+)&events=(\d+)/;
const LENGTH = /\r\ncontent-length: *(\d+)/i;

function answer(socket: Socket, head: string): void {
  const [, deed = 'small', events = '0'] = TARGET.exec(head) ?? [];
  switch (deed) {
    case 'turn':
    case 'burst':
    case 'paced':
      begin(deed, socket, Number(events));
      return;
    case 'hold':
      socket.write(STREAM_HEAD);
      socket.write(EVENT_CHUNK);
      return;
    case 'faulty':
      asked += 1;
      socket.write(asked % FAULT_EVERY === 0 ? FAULT_ANSWER : SMALL_ANSWER);
      return;
    default:
      socket.write(SMALL_ANSWER);
  }
}

const server = createServer({ noDelay: true }, (socket) => {
  let pending: Buffer | undefined;
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    let bytes = pending === undefined ? chunk : Buffer.concat([pending, chunk]);
    for (;;) {
      const end = bytes.indexOf(HEAD_END, 0, 'latin1');
      if (end < 0) break;
      const head = bytes.toString('latin1', 0, end);
      const total = end + HEAD_END.length + Number(LENGTH.exec(head)?.[1] ?? 0);
      if (bytes.length < total) break;
      bytes = bytes.subarray(total);
      answer(socket, head);
    }
    pending = bytes.length === 0 ? undefined : bytes;
  });
});

server.listen({ host: '127.0.0.1', port: 0, backlog: BACKLOG }, () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
process.once('disconnect', () => process.exit());
