// WebSocket handshakes on their way in: which requests are one, and a response object for them, so
// that they take the same way as every other request (auth, permit, key, retry). Once the upstream
// agrees, tunnel.ts moves the bytes.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { RelayedResponse } from '../proxy/answer/relayed-response.ts';

/**
 * Whether the protocol is to be switched. Anything else that is offered, such as h2c by Java's
 * client, is declined by answering as if it had not been (RFC 9110 7.8).
 */
export function isWebSocketRequest(request: IncomingMessage): boolean {
  const { method, headers } = request;
  return method === 'GET' && headers.upgrade?.trim().toLowerCase() === 'websocket';
}

/**
 * The response to a handshake, on the bare connection that Node hands over. Every answer but 101
 * ends the connection; until there is one, a client that leaves is noticed.
 */
export function handshakeResponse(
  request: IncomingMessage,
  connection: Duplex,
  head: Buffer,
): RelayedResponse {
  const socket = connection as Socket;
  const response = new RelayedResponse(request);
  response.shouldKeepAlive = false;
  socket.on('error', () => socket.destroy());
  if (head.length > 0) socket.unshift(head);
  // Early frames stay in the socket; reading at all is what shows that the client has left.
  const onReadable = (): void => {
    if (socket.readableLength === 0) socket.read();
  };
  const onEnd = (): void => void socket.destroy();
  socket.on('readable', onReadable).on('end', onEnd);
  response.assignSocket(socket);
  response.once('finish', () => {
    socket.off('readable', onReadable).off('end', onEnd);
    if (response.statusCode !== 101) socket.destroySoon();
  });
  return response;
}
