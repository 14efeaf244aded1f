// Ready-made ways for an upstream to misbehave on the wire, each a handler for raw-upstream.ts.
// What a proxy should make of them is the tests' matter.

import { setTimeout as sleep } from 'node:timers/promises';
import type { RawHandler } from './raw-upstream.ts';

/** A correct JSON answer on a connection that stays open. */
export function rawOk(body = '{"ok":true}'): RawHandler {
  return async (exchange) => {
    await exchange.readBody();
    await exchange.send(
      `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
  };
}

/** Sends these bytes once the request has arrived whole, and keeps the connection. */
export function rawAnswer(bytes: string | Buffer): RawHandler {
  return async (exchange) => {
    await exchange.readBody();
    await exchange.send(bytes);
  };
}

/**
 * Sends these bytes and closes in the orderly way: half a head, half a body, a body without length.
 */
export function thenClose(bytes: string | Buffer): RawHandler {
  return async (exchange) => {
    await exchange.readBody();
    await exchange.send(bytes);
    exchange.socket.end();
  };
}

/** Sends these bytes, if any, lets them travel, and resets the connection. */
export function thenReset(bytes: string | Buffer = ''): RawHandler {
  return async (exchange) => {
    await exchange.readBody();
    if (bytes.length > 0) {
      await exchange.send(bytes);
      await sleep(300);
    }
    exchange.reset();
  };
}

/** Takes everything and says nothing. */
export const neverAnswers: RawHandler = async (exchange) => {
  await exchange.readBody();
  await new Promise((resolve) => exchange.socket.once('close', resolve));
};

/** Not HTTP at all. */
export const garbage: RawHandler = thenClose('\x15\x03\x01\x00\x02\x02\x16 hello\n');

/** A head of which only a part comes. */
export const halfHead: RawHandler = thenClose('HTTP/1.1 200 OK\r\nContent-Type: appl');

/** Announces 1000 bytes, sends 10. */
export const shortBody: RawHandler = thenClose(
  'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n0123456789',
);

/** A chunked body whose last chunk never comes. */
export const openChunks: RawHandler = thenClose(
  'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n',
);

/** Sends the bytes one piece at a time: `pieceBytes` every `everyMs` milliseconds. */
export function slowDrip(bytes: string, pieceBytes: number, everyMs: number): RawHandler {
  return async (exchange) => {
    await exchange.readBody();
    for (let at = 0; at < bytes.length && !exchange.socket.destroyed; at += pieceBytes) {
      await exchange.send(bytes.slice(at, at + pieceBytes));
      await sleep(everyMs);
    }
  };
}

/**
 * Answers the first request of each connection, and resets the connection when a second one comes.
 */
export function resetOnReuse(first: RawHandler): RawHandler {
  return (exchange) => (exchange.nth === 1 ? first(exchange) : exchange.reset());
}
