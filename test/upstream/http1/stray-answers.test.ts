// Upstreams that send more than they were asked for: from such a connection one client would get
// another one's answer. Scripted at the socket.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { UpstreamList } from '../../../src/pool/upstreams/upstream-list.ts';
import { Deadlines } from '../../../src/upstream/deadlines.ts';
import { Dialer } from '../../../src/upstream/dial/dial.ts';
import { DnsCache } from '../../../src/upstream/dial/dns-cache.ts';
import { Http1Transport } from '../../../src/upstream/http1/transport-http1.ts';
import { eventually } from '../../support/eventually.ts';
import { h2Request, told } from '../../support/h2-harness.ts';

/** What the upstream sends for the n-th request of the test, on whatever connection. */
type Script = (socket: Socket, nth: number) => void;

interface Peer extends AsyncDisposable {
  readonly connections: Socket[];
  /** Requests for an upstream's first bytes out of turn. */
  readonly strays: boolean[];
  ask(method?: string): Promise<string>;
  advance(ms: number): void;
}

async function peer(script: Script): Promise<Peer> {
  let requests = 0;
  let offsetMs = 0;
  const connections: Socket[] = [];
  const strays: boolean[] = [];
  const server = createServer((socket) => {
    connections.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      if (!chunk.includes('\r\n\r\n')) return;
      requests += 1;
      script(socket, requests);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const deadlines = new Deadlines(() => performance.now() + offsetMs);
  const dialer = new Dialer({
    dns: new DnsCache(() => 0),
    proxies: { http: '', https: '', all: '', no: [], upstreams: [] },
    connectTimeoutMs: 5_000,
  });
  const transport = new Http1Transport(dialer, deadlines, 60_000, (_, isNews) => {
    strays.push(isNews);
  });
  const upstream = new UpstreamList(UpstreamList.create([`http://127.0.0.1:${port}`])).get(0);
  return {
    connections,
    strays,
    advance: (ms) => {
      offsetMs += ms;
      deadlines.touch();
    },
    ask: (method = 'GET') => {
      deadlines.touch();
      return told(transport.send(upstream, h2Request({ method })).outcome);
    },
    [Symbol.asyncDispose]: async () => {
      transport.close();
      for (const socket of connections) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const answer = (text: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;

const bodiless: readonly (readonly [string, string, string])[] = [
  ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', '200 '],
  ['GET', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n', '204 '],
  ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', '304 '],
  ['GET', answer('one'), '200 one'],
];

for (const [method, first, expected] of bodiless) {
  const what = `${method} ${expected.trim()}`;
  for (const delayMs of [0, 1, 30]) {
    test(`a second answer behind ${what}, ${delayMs} ms later, reaches nobody`, async () => {
      await using upstream = await peer((socket, nth) => {
        if (nth > 1) return void socket.write(answer(`own ${nth}`));
        if (delayMs === 0) return void socket.write(first + answer('stray'));
        socket.write(first);
        setTimeout(() => socket.write(answer('stray')), delayMs);
      });
      assert.equal(await upstream.ask(method), expected);
      await eventually('the stray one is met', () => upstream.strays.length > 0);
      assert.deepEqual(upstream.strays, [true]);
      for (let nth = 2; nth < 5; nth += 1) assert.equal(await upstream.ask(), `200 own ${nth}`);
      assert.ok(upstream.connections[0]?.destroyed || upstream.connections[0]?.readableEnded);
    });
  }
}

test('an upstream that was caught gets connections for one request each, for an hour', async () => {
  await using upstream = await peer((socket, nth) => {
    socket.write(nth === 1 ? answer('one') + answer('stray') : answer(`own ${nth}`));
  });
  assert.equal(await upstream.ask(), '200 one');
  for (let nth = 2; nth < 6; nth += 1) assert.equal(await upstream.ask(), `200 own ${nth}`);
  assert.equal(upstream.connections.length, 5);
  upstream.advance(3_600_001);
  for (let nth = 6; nth < 9; nth += 1) assert.equal(await upstream.ask(), `200 own ${nth}`);
  assert.equal(upstream.connections.length, 6);
});

test('an idle connection on which bytes arrive is closed, and that is told once', async () => {
  await using upstream = await peer((socket, nth) => {
    socket.write(answer(`own ${nth}`));
    setTimeout(() => socket.write('x'), 5);
  });
  for (let nth = 1; nth < 4; nth += 1) {
    assert.equal(await upstream.ask(), `200 own ${nth}`);
    await eventually('the byte is met', () => upstream.strays.length > 0);
    await sleep(30);
  }
  assert.equal(upstream.strays[0], true);
  assert.ok(!upstream.strays.slice(1).includes(true));
});

test('half a chunk and the end is not a whole answer', async () => {
  await using upstream = await peer((socket) => {
    socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel');
  });
  assert.equal(await upstream.ask(), '200 hel cut');
});

test('a switch of protocols that was not asked for is a fault', async () => {
  await using upstream = await peer((socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nx',
    );
  });
  assert.equal(await upstream.ask(), 'protocol sent');
});
