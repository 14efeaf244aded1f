// A server on bare sockets that does exactly what a test says, right or wrong by HTTP: for faults
// and for exact bytes. It reads requests as bytes and leaves every byte of the answer to the
// handler; ready-made faults are in raw-faults.ts.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { ByteReader } from './byte-reader.ts';

export interface RawExchange {
  /** 1 for the first connection that was accepted. */
  readonly connection: number;
  /** 1 for the first request on this connection. */
  readonly nth: number;
  /** Request line and header fields as received, without the empty line, as latin1. */
  readonly head: string;
  readonly socket: Socket;
  /**
   * Reads the body to its end (content-length or chunked); called by the server if the handler does
   * not.
   */
  readonly readBody: () => Promise<Buffer>;
  /** Resolves when the bytes were taken; does nothing on a closed connection. */
  readonly send: (bytes: string | Buffer) => Promise<void>;
  /** RST instead of FIN. */
  readonly reset: () => void;
}

export type RawHandler = (exchange: RawExchange) => Promise<void> | void;

export interface RawUpstream {
  readonly port: number;
  readonly url: string;
  /** Heads of the requests received, oldest first. */
  readonly heads: readonly string[];
  /** Connections accepted so far, and open now. */
  readonly accepted: () => number;
  readonly open: () => number;
  readonly close: () => Promise<void>;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

/** Value of a header field in a raw head; undefined when absent. */
export function fieldOf(head: string, name: string): string | undefined {
  return new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'im').exec(head.replaceAll('\r', ''))?.[1];
}

/** Starts on 127.0.0.1, any free port or the given one. */
export async function startRawUpstream(handler: RawHandler, port = 0): Promise<RawUpstream> {
  const sockets = new Set<Socket>();
  const heads: string[] = [];
  let accepted = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // Faults are what this server is for.
    socket.on('error', () => {});
    converse(socket, accepted, heads, handler).catch(() => socket.destroy());
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  const close = async () => {
    if (!server.listening) return;
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, 'close');
  };
  return {
    port: address.port,
    url: `http://127.0.0.1:${address.port}`,
    heads,
    accepted: () => accepted,
    open: () => sockets.size,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function converse(
  socket: Socket,
  connection: number,
  heads: string[],
  handler: RawHandler,
): Promise<void> {
  const reader = new ByteReader(socket);
  for (let nth = 1; ; nth += 1) {
    const bytes = await reader.until('\r\n\r\n');
    if (bytes === undefined) return;
    const head = bytes.subarray(0, -4).toString('latin1');
    heads.push(head);
    let body: Promise<Buffer> | undefined;
    const readBody = () => (body ??= readRequestBody(reader, head));
    await handler({
      connection,
      nth,
      head,
      socket,
      readBody,
      send: (data) => sendBytes(socket, data),
      reset: () => socket.resetAndDestroy(),
    });
    if (socket.destroyed) return;
    await readBody();
  }
}

async function readRequestBody(reader: ByteReader, head: string): Promise<Buffer> {
  if (/chunked/i.test(fieldOf(head, 'transfer-encoding') ?? '')) {
    return (await reader.chunked()).body;
  }
  return reader.exactly(Number(fieldOf(head, 'content-length') ?? 0));
}

/** Resolves once the bytes left or the connection ended, whichever is first. */
export function sendBytes(socket: Socket, data: string | Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed || socket.writableEnded) return resolve();
    const done = () => {
      socket.off('close', done);
      resolve();
    };
    socket.once('close', done);
    socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data, done);
  });
}
