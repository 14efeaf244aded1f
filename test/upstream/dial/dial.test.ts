// Connections to real servers on this machine: what is verified, resumed, limited and blamed.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { Dialer, type DialOptions, type DialTarget } from '../../../src/upstream/dial/dial.ts';
import { connectTcp, inOrder } from '../../../src/upstream/dial/dial-tcp.ts';
import { type Address, DnsCache } from '../../../src/upstream/dial/dns-cache.ts';
import { listen } from '../../support/dial-harness.ts';
import { certificate, testCa } from '../../support/tls-fixture.ts';

const hosts: Record<string, Address[]> = {
  'upstream.test': [{ address: '127.0.0.1', family: 4 }],
  'second.test': [
    { address: '::1', family: 6 },
    { address: '127.0.0.1', family: 4 },
  ],
};

async function resolve(hostname: string): Promise<Address[]> {
  const addresses = hosts[hostname];
  if (addresses === undefined) throw new Error(`getaddrinfo ENOTFOUND ${hostname}`);
  return addresses;
}

function dialer(options: Partial<DialOptions> = {}): Dialer {
  return new Dialer({
    dns: new DnsCache(() => performance.now(), resolve),
    proxies: { http: '', https: '', all: '', no: [], upstreams: [] },
    connectTimeoutMs: 2_000,
    authorities: [testCa],
    ...options,
  });
}

const https = (port: number, hostname = 'upstream.test', alpn = ['http/1.1']): DialTarget => ({
  protocol: 'https:',
  hostname,
  port,
  alpn,
});
const http = (port: number, hostname = 'upstream.test'): DialTarget => ({
  protocol: 'http:',
  hostname,
  port,
  alpn: [],
});

test('dial connects with TLS, verifies the certificate and tells the negotiated protocol', async () => {
  const server = createTlsServer({ ...certificate('server'), ALPNProtocols: ['h2', 'http/1.1'] });
  await using upstream = await listen(server);
  const accepted = once(server, 'secureConnection');
  const dialed = await dialer().dial(https(upstream.port, 'upstream.test', ['h2', 'http/1.1']));
  assert.ok(dialed.kind === 'socket');
  assert.equal(dialed.alpn, 'h2');
  assert.equal(((await accepted)[0] as TLSSocket).servername, 'upstream.test');
  dialed.socket.destroy();
});

test('dial refuses a certificate of an authority that is not trusted', async () => {
  await using upstream = await listen(createTlsServer(certificate('server')));
  const dialed = await dialer({ authorities: undefined }).dial(https(upstream.port));
  assert.ok(dialed.kind === 'fault');
  assert.deepEqual([dialed.code, dialed.sent], ['tls', false]);
  assert.match(dialed.message, /set EXTRA_CA_FILE to its CA certificate$/);
  assert.doesNotMatch(dialed.message, /--use-system-ca/);
});

test('dial refuses a certificate for another name', async () => {
  await using upstream = await listen(createTlsServer(certificate('other')));
  const dialed = await dialer().dial(https(upstream.port));
  assert.ok(dialed.kind === 'fault');
  assert.equal(dialed.code, 'tls');
  assert.match(dialed.message, /altnames/);
});

test('dial resumes the TLS session of an earlier connection to the same peer', async () => {
  const server = createTlsServer(certificate('server'), (socket) => socket.end('x'));
  await using upstream = await listen(server);
  const client = dialer();
  const reused: boolean[] = [];
  for (let i = 0; i < 3; i += 1) {
    const dialed = await client.dial(https(upstream.port));
    assert.ok(dialed.kind === 'socket');
    reused.push((dialed.socket as TLSSocket).isSessionReused());
    dialed.socket.resume();
    await once(dialed.socket, 'end');
    dialed.socket.destroy();
  }
  assert.deepEqual(reused, [false, true, true]);
});

test('dial to a closed port is a connect fault', async () => {
  const upstream = await listen(createServer());
  await upstream[Symbol.asyncDispose]();
  const dialed = await dialer().dial(http(upstream.port));
  assert.ok(dialed.kind === 'fault');
  assert.equal(dialed.code, 'connect');
  assert.match(dialed.message, /ECONNREFUSED/);
});

test('dial of an unknown name is a dns fault', async () => {
  const dialed = await dialer().dial(http(80, 'nowhere.test'));
  assert.ok(dialed.kind === 'fault');
  assert.equal(dialed.code, 'dns');
});

test('dial gives up on a resolver that does not answer', async () => {
  const dns = new DnsCache(
    () => 0,
    () => new Promise(() => undefined),
  );
  const dialed = await dialer({ dns, connectTimeoutMs: 50 }).dial(http(80));
  assert.ok(dialed.kind === 'fault');
  assert.equal(dialed.code, 'dns');
  assert.match(dialed.message, /50 ms/);
});

test('dial gives up on a TLS handshake that stalls', async () => {
  await using upstream = await listen(createServer());
  const dialed = await dialer({ connectTimeoutMs: 1_000 }).dial(https(upstream.port));
  assert.ok(dialed.kind === 'fault');
  assert.equal(dialed.code, 'tls');
  assert.match(dialed.message, /1000 ms/);
});

test('dial that is cancelled closes its connection', async () => {
  const server = createServer();
  await using upstream = await listen(server);
  const accepted = once(server, 'connection');
  const controller = new AbortController();
  const dialing = dialer().dial(https(upstream.port), controller.signal);
  const [socket] = (await accepted) as [Socket];
  controller.abort();
  const dialed = await dialing;
  assert.ok(dialed.kind === 'fault');
  assert.equal(dialed.code, 'client_left');
  socket.resume();
  await once(socket, 'close');
});

test('dial goes on to the second address when the first refuses', async () => {
  await using upstream = await listen(createServer((socket) => socket.end('hello')));
  const dialed = await dialer().dial(http(upstream.port, 'second.test'));
  assert.ok(dialed.kind === 'socket');
  assert.equal(dialed.socket.remoteAddress, '127.0.0.1');
  dialed.socket.destroy();
});

test('connectTcp tries the next address beside one that does not answer', async () => {
  await using upstream = await listen(createServer());
  // 192.0.2.0/24 is for documentation (RFC 5737): nothing answers there, or it is unreachable at
  // once.
  const addresses = [
    { address: '192.0.2.1', family: 4 },
    { address: '127.0.0.1', family: 4 },
  ];
  const socket = await connectTcp(addresses, upstream.port, AbortSignal.timeout(2_000));
  assert.ok(!(socket instanceof Error), String(socket));
  assert.equal(socket.remoteAddress, '127.0.0.1');
  socket.destroy();
});

test('addresses are tried with families alternating, the first choice of the resolver first', () => {
  const six = (n: number) => ({ address: `2001:db8::${n}`, family: 6 });
  const four = (n: number) => ({ address: `192.0.2.${n}`, family: 4 });
  assert.deepEqual(inOrder([six(1), six(2), six(3), four(1)]), [six(1), four(1), six(2), six(3)]);
  assert.deepEqual(inOrder([]), []);
});

test('connect hands a DialError with the fault to a callback', async () => {
  const error = await new Promise((done) => dialer().connect(http(80, 'nowhere.test'), done));
  assert.equal((error as { fault: { code: string } }).fault.code, 'dns');
});
