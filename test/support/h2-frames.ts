// An HTTP/2 peer that says exactly what a test wants, frame by frame (RFC 9113 4 and 6): for what
// no well-behaved server does.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { eventually } from './eventually.ts';
import { certificate, testCa } from './tls-fixture.ts';

export const DATA = 0;
export const HEADERS = 1;
export const RST_STREAM = 3;
const SETTINGS = 4;
export const PING = 6;
export const GOAWAY = 7;

export const END_STREAM = 0x1;
export const END_HEADERS = 0x4;
export const ACK = 0x1;

/** `:status: 200` from HPACK's static table (RFC 7541 appendix A, index 8). */
export const STATUS_200 = Buffer.of(0x88);

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const FRAME_HEADER_BYTES = 9;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, stream: number, payload: Buffer, flags = 0): Buffer {
  const head = Buffer.alloc(FRAME_HEADER_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(...numbers: number[]): Buffer {
  const buffer = Buffer.alloc(numbers.length * 4);
  numbers.forEach((number, i) => {
    buffer.writeUInt32BE(number, i * 4);
  });
  return buffer;
}

export type OnFrame = (frame: Frame, socket: TLSSocket) => void;

export interface FrameServer extends AsyncDisposable {
  readonly port: number;
  readonly sockets: TLSSocket[];
}

/** Sends empty SETTINGS first, acknowledges the client's, and hands over every other frame. */
export async function frameServer(onFrame: OnFrame): Promise<FrameServer> {
  const sockets: TLSSocket[] = [];
  const server = createServer({ ...certificate('server'), ALPNProtocols: ['h2'] }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.write(frame(SETTINGS, 0, Buffer.alloc(0)));
    readFrames(socket, PREFACE.length, onFrame);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/**
 * Hands over every frame but SETTINGS, which are acknowledged.
 * @param skip bytes before the first one
 */
function readFrames(socket: TLSSocket, skip: number, onFrame: OnFrame): void {
  let waiting = Buffer.alloc(0);
  let toSkip = skip;
  socket.on('data', (chunk) => {
    waiting = Buffer.concat([waiting, chunk]);
    for (;;) {
      const end = toSkip + FRAME_HEADER_BYTES;
      if (waiting.length < end) return;
      const length = waiting.readUIntBE(toSkip, 3);
      if (waiting.length < end + length) return;
      const received: Frame = {
        type: waiting[toSkip + 3] as number,
        flags: waiting[toSkip + 4] as number,
        stream: waiting.readUInt32BE(toSkip + 5),
        payload: waiting.subarray(end, end + length),
      };
      waiting = waiting.subarray(end + length);
      toSkip = 0;
      if (received.type !== SETTINGS) onFrame(received, socket);
      else if (received.flags !== ACK) socket.write(frame(SETTINGS, 0, Buffer.alloc(0), ACK));
    }
  });
}

export interface FrameClient extends Disposable {
  readonly socket: TLSSocket;
  /** Every frame but SETTINGS that came, oldest first. */
  readonly frames: readonly Frame[];
  /** The first of these that has come, or comes in time. */
  readonly next: (what: string, is: (frame: Frame) => boolean) => Promise<Frame>;
}

/** A client that opens a connection and leaves all frames but SETTINGS to the test. */
export async function frameClient(port: number): Promise<FrameClient> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'localhost',
    ca: testCa,
    ALPNProtocols: ['h2'],
  });
  await once(socket, 'secureConnect');
  const frames: Frame[] = [];
  socket.on('error', () => undefined);
  socket.write(PREFACE);
  socket.write(frame(SETTINGS, 0, Buffer.alloc(0)));
  readFrames(socket, 0, (received) => void frames.push(received));
  return {
    socket,
    frames,
    next: (what, is) => eventually(what, () => frames.find(is)),
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

/** The fields of a POST, spelt by HPACK's static table without its dynamic one (RFC 7541 6.2.2). */
export function postFields(path: string, authorization: string): Buffer {
  const literal = (index: number[], value: string) =>
    Buffer.from([...index, value.length, ...Buffer.from(value)]);
  // :method POST, :scheme https, then :path, :authority and authorization with their values.
  return Buffer.concat([
    Buffer.of(0x83, 0x87),
    literal([0x04], path),
    literal([0x01], 'localhost'),
    literal([0x0f, 0x08], authorization),
  ]);
}
