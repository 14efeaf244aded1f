// HOST, unix sockets and systemd's descriptors as places to listen.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { listenAddresses, listenUrl, removeStaleSocket } from '../../src/front/listen-address.ts';

const alone = { listenFds: undefined, listenPid: undefined, pid: 7 };

test('HOST is an address, with or without brackets, or a unix socket', () => {
  assert.deepEqual(listenAddresses('0.0.0.0', 3000, alone), [
    { kind: 'tcp', host: '0.0.0.0', port: 3000, inEveryWorker: true },
  ]);
  const [six] = listenAddresses('[::1]', 3000, alone);
  assert.ok(six?.kind === 'tcp');
  assert.equal(six.host, '::1');
  assert.equal(listenUrl(six, true), 'https://[::1]:3000');
  const [unix] = listenAddresses('unix:/run/gpt-load.sock', 3000, alone);
  assert.ok(unix?.kind === 'unix');
  assert.deepEqual([unix.path, unix.inEveryWorker], ['/run/gpt-load.sock', false]);
  for (const host of ['unix:', `unix:/${'x'.repeat(120)}`]) {
    assert.throws(() => listenAddresses(host, 1, alone), {
      name: 'ConfigError',
      message: /^HOST: /,
    });
  }
});

test('sockets passed by systemd win when they are meant for this process', () => {
  const passed = listenAddresses('0.0.0.0', 3000, { listenFds: '2', listenPid: '7', pid: 7 });
  assert.deepEqual(
    passed.map((address) => (address.kind === 'fd' ? address.fd : 'no')),
    [3, 4],
  );
  const other = listenAddresses('0.0.0.0', 3000, { listenFds: '2', listenPid: '8', pid: 7 });
  assert.equal(other[0]?.kind, 'tcp');
  assert.throws(() => listenAddresses('', 1, { listenFds: 'x', listenPid: '7', pid: 7 }), {
    message: /^LISTEN_FDS: /,
  });
});

test('a unix socket that nobody serves is removed, a served one and a plain file are not', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'gpt-load-listen-'));
  const path = join(dir, 'socket');
  const plain = join(dir, 'plain');
  writeFileSync(plain, '');
  await removeStaleSocket(plain);
  assert.ok(existsSync(plain));
  await removeStaleSocket(path);

  const code = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`;
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  await removeStaleSocket(path);
  assert.ok(existsSync(path));
  child.kill('SIGKILL');
  await once(child, 'exit');
  assert.ok(existsSync(path));
  await removeStaleSocket(path);
  assert.ok(!existsSync(path));
  const server = createServer().listen(path);
  await once(server, 'listening');
  server.close();
  rmSync(dir, { recursive: true });
});
