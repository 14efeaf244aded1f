// An HTTP/2 peer that says exactly what a test wants, frame by frame (RFC 9113 4 and 6): for what
// no well-behaved server does.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { certificate } from './tls-fixture.ts';

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

const PREFACE_BYTES = 24;
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
    let waiting = Buffer.alloc(0);
    let offset = PREFACE_BYTES;
    socket.on('data', (chunk) => {
      waiting = Buffer.concat([waiting, chunk]);
      for (;;) {
        const end = offset + FRAME_HEADER_BYTES;
        if (waiting.length < end) return;
        const length = waiting.readUIntBE(offset, 3);
        if (waiting.length < end + length) return;
        const received: Frame = {
          type: waiting[offset + 3] as number,
          flags: waiting[offset + 4] as number,
          stream: waiting.readUInt32BE(offset + 5),
          payload: waiting.subarray(end, end + length),
        };
        offset = end + length;
        if (received.type !== SETTINGS) onFrame(received, socket);
        else if (received.flags !== ACK) socket.write(frame(SETTINGS, 0, Buffer.alloc(0), ACK));
      }
    });
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
