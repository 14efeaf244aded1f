// SOCKS through a real server (microsocks), and through scripted ones for what it never says.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { dialer, greeting, listen, target, tlsUpstream } from '../../support/dial-harness.ts';
import { freePort, needs, startPeer } from '../../support/peer-process.ts';

test(
  'https and plain http go through microsocks, names resolved by either side',
  needs('microsocks'),
  async () => {
    await using secure = await tlsUpstream();
    await using plain = await listen(createServer((socket) => socket.end('hello')));
    const port = await freePort();
    await using _peer = await startPeer(
      'microsocks',
      ['-i', '127.0.0.1', '-p', String(port)],
      port,
    );
    for (const scheme of ['socks5', 'socks5h']) {
      const client = dialer(`${scheme}://127.0.0.1:${port}`);
      assert.equal(await greeting(client, target(secure.port)), 'hello', scheme);
      assert.equal(await greeting(client, target(plain.port, 'http:')), 'hello', scheme);
    }
  },
);

test('microsocks asks for a password and refuses a wrong one', needs('microsocks'), async () => {
  await using upstream = await tlsUpstream();
  const port = await freePort();
  const args = ['-i', '127.0.0.1', '-p', String(port), '-u', 'me', '-P', 's3cret'];
  await using _peer = await startPeer('microsocks', args, port);
  const ask = (credentials: string) =>
    greeting(dialer(`socks5h://${credentials}127.0.0.1:${port}`), target(upstream.port));
  assert.equal(await ask('me:s3cret@'), 'hello');
  assert.match(await ask('me:wr0ng@'), /^route: .*rejected$/);
  assert.match(await ask(''), /^route: .*authentication/);
});

test(
  'a destination that refuses behind a SOCKS proxy is a connect fault',
  needs('microsocks'),
  async () => {
    const closed = await freePort();
    const port = await freePort();
    await using _peer = await startPeer(
      'microsocks',
      ['-i', '127.0.0.1', '-p', String(port)],
      port,
    );
    assert.match(
      await greeting(dialer(`socks5://127.0.0.1:${port}`), target(closed)),
      /^connect: .*connection refused$/,
    );
  },
);

test('SOCKS 4 sends an address and 4a the name, and what follows the reply is kept', async () => {
  const asked: string[] = [];
  const proxy = createServer((socket) => {
    socket.once('data', (request) => {
      asked.push(request.toString('hex'));
      socket.end(Buffer.concat([Buffer.of(0, 90, 0, 0, 0, 0, 0, 0), Buffer.from('hello')]));
    });
  });
  await using listening = await listen(proxy);
  for (const scheme of ['socks4', 'socks4a']) {
    const url = `${scheme}://me@127.0.0.1:${listening.port}`;
    assert.equal(await greeting(dialer(url), target(80, 'http:')), 'hello');
  }
  const user = Buffer.from('me\0').toString('hex');
  const name = Buffer.from('localhost\0').toString('hex');
  assert.deepEqual(asked, [`040100507f000001${user}`, `0401005000000001${user}${name}`]);
});

test('SOCKS 5 replies with a name or an IPv6 address are read to their end', async () => {
  for (const bound of [
    Buffer.of(3, 4, 0x61, 0x62, 0x63, 0x64),
    Buffer.concat([Buffer.of(4), Buffer.alloc(16)]),
  ]) {
    const proxy = createServer((socket) => {
      socket.once('data', () => {
        socket.write(Buffer.of(5, 0));
        socket.once('data', () => {
          socket.end(
            Buffer.concat([Buffer.of(5, 0, 0), bound, Buffer.of(0, 80), Buffer.from('hello')]),
          );
        });
      });
    });
    await using listening = await listen(proxy);
    const url = `socks5h://127.0.0.1:${listening.port}`;
    assert.equal(await greeting(dialer(url), target(80, 'http:')), 'hello');
  }
});
