// CONNECT through an http or https proxy (RFC 9110 section 9.3.6), on a connection that is already
// open. Which proxy, and whose fault a refusal is, is not decided here: a failure comes back as an
// Error for people.

import type { Socket } from 'node:net';
import type { Destination, OutgoingProxy } from './outgoing-proxy.ts';
import { SocketReader } from './socket-reader.ts';

/** Bytes of the proxy's answer at most, status line and fields. */
const MAX_ANSWER_BYTES = 16 * 1024;

/** Asks for a tunnel; null: it is open. */
export async function connectTunnel(
  socket: Socket,
  proxy: OutgoingProxy,
  destination: Destination,
  signal: AbortSignal,
): Promise<Error | null> {
  const authority = authorityOf(destination);
  const credentials = proxyAuthorization(proxy);
  socket.write(
    `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n` +
      `${credentials === null ? '' : `Proxy-Authorization: ${credentials}\r\n`}\r\n`,
  );
  using reader = new SocketReader(socket, signal);
  const head = await reader.until('\r\n\r\n', MAX_ANSWER_BYTES);
  if (head instanceof Error) return head;
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(head.toString('latin1'))?.[1];
  if (status === undefined) return new Error('the answer to CONNECT is not HTTP');
  return status.startsWith('2') ? null : new Error(`CONNECT was answered with status ${status}`);
}

/** Basic credentials of a proxy URL (RFC 7617, UTF-8); null when it has none. */
export function proxyAuthorization(proxy: OutgoingProxy): string | null {
  if (proxy.username === '' && proxy.password === '') return null;
  return `Basic ${Buffer.from(`${proxy.username}:${proxy.password}`).toString('base64')}`;
}

/** `host:port` with brackets round an IPv6 address. */
export function authorityOf({ hostname, port }: Pick<Destination, 'hostname' | 'port'>): string {
  return hostname.includes(':') ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}
