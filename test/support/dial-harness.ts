// What the tests of connections and outgoing proxies share: a dialer that sends everything through
// one proxy, a listening server that ends with its test, and an upstream that greets and closes.

import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Dialer, type DialTarget } from '../../src/upstream/dial/dial.ts';
import { DnsCache } from '../../src/upstream/dial/dns-cache.ts';
import { certificate, testCa } from './tls-fixture.ts';

export function dialer(all: string): Dialer {
  return new Dialer({
    dns: new DnsCache(
      () => 0,
      async () => [{ address: '127.0.0.1', family: 4 }],
    ),
    proxies: { http: '', https: '', all, no: [], upstreams: [] },
    connectTimeoutMs: 3_000,
    authorities: [testCa],
  });
}

/** Listens on a free port of 127.0.0.1; disposed, it cuts off whoever is connected. */
export async function listen(server: Server): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export function tlsUpstream(): Promise<{ port: number } & AsyncDisposable> {
  return listen(createTlsServer(certificate('server'), (socket) => socket.end('hello')));
}

export const target = (port: number, protocol: 'http:' | 'https:' = 'https:'): DialTarget => ({
  protocol,
  hostname: 'localhost',
  port,
  alpn: ['http/1.1'],
});

export async function greeting(client: Dialer, to: DialTarget): Promise<string> {
  const dialed = await client.dial(to);
  if (dialed.kind === 'fault') return `${dialed.code}: ${dialed.message}`;
  let text = '';
  for await (const chunk of dialed.socket) text += chunk;
  return text;
}
