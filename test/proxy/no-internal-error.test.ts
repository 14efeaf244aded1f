// Whatever a client or an upstream sends, gpt-load has an answer of its own or passes theirs on: no
// field, trailer, status or framing makes it fail inside. Fuzzed over real sockets on both sides.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { Dialer } from '../../src/upstream/dial/dial.ts';
import { DnsCache } from '../../src/upstream/dial/dns-cache.ts';
import { Http1Transport } from '../../src/upstream/http1/transport-http1.ts';
import { proxyHarness } from '../support/proxy-harness.ts';

const RUNS = Number(process.env.GPT_LOAD_FUZZ_RUNS ?? 150);

const name = fc.constantFrom(
  'Trailer',
  'Content-Length',
  'Transfer-Encoding',
  'Connection',
  'Keep-Alive',
  'Upgrade',
  'Expect',
  'Content-Encoding',
  'Accept-Encoding',
  'Content-Type',
  'Vary',
  'ETag',
  'Location',
  'Set-Cookie',
  'Access-Control-Allow-Origin',
  'X-Request-Id',
  'Retry-After',
  'X-A',
);
const value = fc.oneof(
  fc.constantFrom('chunked', 'close', 'X-A', '0', '2', '7', 'gzip', '100-continue', 'websocket'),
  fc.constantFrom('', '*', 'text/event-stream', 'application/json', 'timeout=1', 'Upgrade, X-A'),
  fc.stringMatching(/^[ -~\x80-\xff]{0,12}$/),
);
const lines = fc
  .array(fc.tuple(name, value), { maxLength: 5 })
  .map((pairs) => pairs.map(([n, v]) => `${n}: ${v}\r\n`).join(''));
const body = fc.constantFrom(
  '',
  '{}',
  '2\r\n{}\r\n0\r\n\r\n',
  '2\r\n{}\r\n0\r\nX-A: 1\r\nHost: b\r\n\r\n',
);
const request = fc
  .tuple(fc.constantFrom('GET', 'POST', 'HEAD', 'PUT', 'OPTIONS', 'FOO'), lines, body)
  .map(([method, fields, text]) => `${method} /v1/x HTTP/1.1\r\nHost: a\r\n${fields}\r\n${text}`);
const status = fc.constantFrom(
  '200 OK',
  '204 X',
  '304 X',
  '101 X',
  '103 X',
  '400 \xe9',
  '401',
  '503 X',
  '999 X',
);
const answer = fc.tuple(status, lines, body, fc.boolean()).map(([line, fields, text, early]) => {
  return `${early ? `HTTP/1.1 103 E\r\n${fields}\r\n` : ''}HTTP/1.1 ${line}\r\n${fields}\r\n${text}`;
});

let script = '';
const sockets = new Set<Socket>();
const upstream = createServer((socket) => {
  sockets.add(socket);
  socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  socket.once('data', () => socket.end(script, 'latin1'));
});
after(() => {
  for (const socket of sockets) socket.destroy();
  upstream.close();
});

/** All that comes back until the connection ends, or nothing more comes. */
function exchange(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let seen = '';
    const client = connect(port, '127.0.0.1');
    const end = (): void => {
      client.destroy();
      resolve(seen);
    };
    client.setTimeout(60, end);
    client.on('error', end).on('close', end);
    client.on('data', (chunk) => {
      seen += chunk.toString('latin1');
    });
    client.write(bytes, 'latin1');
  });
}

test('nothing that a client or an upstream sends ends in internal_error', async () => {
  upstream.listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const { port } = upstream.address() as AddressInfo;
  const dialer = new Dialer({
    dns: new DnsCache(() => 0),
    proxies: { http: '', https: '', all: '', no: [], upstreams: [] },
    connectTimeoutMs: 1_000,
  });
  await using proxy = await proxyHarness([], {
    env: { OPENAI_BASE_URL: `http://127.0.0.1:${port}`, MAX_RETRIES: '1', ENABLE_GZIP: 'true' },
    transport: (deadlines) => new Http1Transport(dialer, deadlines, 1_000),
  });
  await fc.assert(
    fc.asyncProperty(request, answer, async (asked, answered) => {
      script = answered;
      const seen = await exchange(proxy.port, asked);
      assert.ok(!seen.includes('internal_error'), JSON.stringify({ asked, answered, seen }));
      const failed = proxy.lines.find(({ message }) => message === 'internal error');
      assert.equal(failed, undefined, JSON.stringify({ asked, answered, failed }));
    }),
    { numRuns: RUNS },
  );
});
