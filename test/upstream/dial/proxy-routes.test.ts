// Dialing through real http forward proxies (tinyproxy), and through scripted ones for what those
// never say.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { dialer, greeting, listen, target, tlsUpstream } from '../../support/dial-harness.ts';
import { freePort, needs, startPeer } from '../../support/peer-process.ts';
import { certificate } from '../../support/tls-fixture.ts';

async function tinyproxy(...lines: string[]): Promise<{ port: number } & AsyncDisposable> {
  const port = await freePort();
  const dir = mkdtempSync(join(tmpdir(), 'gpt-load-proxy-'));
  const file = join(dir, 'tinyproxy.conf');
  writeFileSync(file, [`Port ${port}`, 'Listen 127.0.0.1', 'Timeout 30', ...lines, ''].join('\n'));
  const peer = await startPeer('tinyproxy', ['-d', '-c', file], port);
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      await peer[Symbol.asyncDispose]();
      rmSync(dir, { recursive: true });
    },
  };
}

test('TLS goes through tinyproxy by CONNECT, with its password', needs('tinyproxy'), async () => {
  await using upstream = await tlsUpstream();
  await using proxy = await tinyproxy('BasicAuth me s3cret');
  const url = `http://me:s3cret@127.0.0.1:${proxy.port}`;
  assert.equal(await greeting(dialer(url), target(upstream.port)), 'hello');
  const refused = await greeting(
    dialer(`http://me:wr0ng@127.0.0.1:${proxy.port}`),
    target(upstream.port),
  );
  assert.match(refused, /^route: .*status 40[17]/);
  assert.doesNotMatch(refused, /wr0ng|me:/);
});

test('a CONNECT that tinyproxy does not allow is a route fault', needs('tinyproxy'), async () => {
  await using upstream = await tlsUpstream();
  await using proxy = await tinyproxy('ConnectPort 443');
  assert.match(
    await greeting(dialer(`http://127.0.0.1:${proxy.port}`), target(upstream.port)),
    /^route: proxy http:\/\/127\.0\.0\.1:\d+: CONNECT was answered with status 403$/,
  );
});

test(
  'plain http behind an http proxy is sent in absolute form, not tunnelled',
  needs('tinyproxy'),
  async () => {
    const web = createServer((socket) => {
      socket.once('data', (head) => {
        const line = head.toString('latin1').split('\r\n')[0];
        socket.end(`HTTP/1.0 200 OK\r\n\r\n${line}`);
      });
    });
    await using upstream = await listen(web);
    await using proxy = await tinyproxy('ConnectPort 443');
    const client = dialer(`http://127.0.0.1:${proxy.port}`);
    const to = target(upstream.port, 'http:');
    const form = client.forwarding(to);
    assert.deepEqual(form, { prefix: `http://localhost:${upstream.port}`, authorization: null });
    const dialed = await client.dial(to);
    assert.ok(dialed.kind === 'socket');
    dialed.socket.write(
      `GET ${form?.prefix}/v1/models HTTP/1.1\r\nHost: localhost:${upstream.port}\r\nConnection: close\r\n\r\n`,
    );
    let text = '';
    for await (const chunk of dialed.socket) text += chunk;
    assert.match(text, /GET \/v1\/models HTTP/);
  },
);

test('a plain http target that wants a tunnel gets one', needs('tinyproxy'), async () => {
  const web = createServer((socket) => socket.end('hello'));
  await using upstream = await listen(web);
  await using proxy = await tinyproxy();
  const client = dialer(`http://127.0.0.1:${proxy.port}`);
  const to = { ...target(upstream.port, 'http:'), tunnel: true };
  assert.equal(client.forwarding(to), null);
  assert.equal(await greeting(client, to), 'hello');
});

test('a dead proxy is a route fault, whatever it speaks', async () => {
  const closed = await freePort();
  for (const scheme of ['http', 'https', 'socks4', 'socks4a', 'socks5', 'socks5h']) {
    const url = `${scheme}://me:s3cret@127.0.0.1:${closed}`;
    const result = await greeting(dialer(url), target(443));
    assert.match(result, /^route: .*ECONNREFUSED/, scheme);
    assert.doesNotMatch(result, /s3cret/);
  }
});

test('a proxy that accepts and then closes is a route fault', async () => {
  const proxy = createServer((socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\n'));
  });
  await using listening = await listen(proxy);
  assert.match(
    await greeting(dialer(`http://127.0.0.1:${listening.port}`), target(443)),
    /^route: /,
  );
});

test('a proxy that never answers, answers without end or speaks otherwise is a route fault', async () => {
  for (const [answer, expected] of [
    ['x'.repeat(20_000), /within 16384 bytes/],
    ['SSH-2.0-OpenSSH\r\n\r\n', /not HTTP/],
    ['', /closed/],
  ] as const) {
    const proxy = createServer((socket) => socket.once('data', () => socket.end(answer)));
    await using listening = await listen(proxy);
    const result = await greeting(dialer(`http://127.0.0.1:${listening.port}`), target(443));
    assert.match(result, /^route: /);
    assert.match(result, expected);
  }
});

test('an https proxy is spoken to in TLS, and TLS goes through it', async () => {
  await using upstream = await tlsUpstream();
  const proxy = createTlsServer(certificate('server'), (socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (head) => {
      assert.match(String(head), /^CONNECT localhost:\d+ HTTP\/1\.1\r\n/);
      const onward = connect(upstream.port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n');
        socket.pipe(onward).pipe(socket);
      });
      onward.on('error', () => socket.destroy());
    });
  });
  await using listening = await listen(proxy);
  assert.equal(
    await greeting(dialer(`https://localhost:${listening.port}`), target(upstream.port)),
    'hello',
  );
});
