// How clients reach gpt-load and how it reaches upstreams: unix sockets, sockets from systemd,
// X-Forwarded-For, and outgoing proxies of which one is dead.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { freePort, needs, startPeer } from '../support/peer-process.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const KEYS = ['sk-first-0123456789abcdef', 'sk-second-0123456789abcdef'];

async function upstream(): Promise<{ url: string; server: Server } & AsyncDisposable> {
  const server = createServer((request, response) => response.end(`served ${request.url}`));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    server,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function getOver(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    httpRequest({ socketPath, path }, (response) => text(response).then(resolve))
      .on('error', reject)
      .end();
  });
}

test('HOST=unix:/path serves on that socket and takes a stale one away', async () => {
  await using behind = await upstream();
  const dir = mkdtempSync(join(tmpdir(), 'gpt-load-unix-'));
  const path = join(dir, 'gpt-load.sock');
  const stale = spawn(process.execPath, [
    '-e',
    `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
  ]);
  await once(stale, 'exit');
  assert.ok(existsSync(path));
  const options = { keys: KEYS, upstreams: [behind.url], waitUntilReady: false };
  await using app = await startGptLoad({
    ...options,
    env: {
      HOST: `unix:${path}`,
      UNIX_SOCKET_MODE: '0600',
      WORKERS: '4',
      TRUSTED_PROXIES: '127.0.0.1',
    },
  });
  const answer = await eventually('it answers', () =>
    getOver(path, '/v1/x').catch(() => undefined),
  );
  assert.equal(answer, 'served /v1/x');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await app.stop();
  assert.ok(!existsSync(path));
  rmSync(dir, { recursive: true });
});

test('a socket that systemd opened is served, and that others are not is said', async () => {
  await using behind = await upstream();
  const listener = createNetServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const { fd } = (listener as unknown as { _handle: { fd: number } })._handle;
  const dir = mkdtempSync(join(tmpdir(), 'gpt-load-fds-'));
  writeFileSync(join(dir, 'keys.txt'), KEYS.join('\n'));
  const main = join(import.meta.dirname, '../../src/main.ts');
  const child = spawn('sh', ['-c', `LISTEN_PID=$$ exec ${process.execPath} ${main} serve`], {
    cwd: dir,
    env: { PATH: process.env.PATH, LISTEN_FDS: '2', OPENAI_BASE_URL: behind.url, WORKERS: '2' },
    stdio: ['ignore', 'pipe', 'ignore', fd, fd],
  });
  const output = text(child.stdout as NodeJS.ReadableStream);
  listener.close();
  const url = `http://127.0.0.1:${port}/v1/x`;
  const answer = await eventually('it answers', async () => {
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
    return response.text();
  });
  assert.equal(answer, 'served /v1/x');
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  assert.equal(code, 0);
  assert.match(await output, /only the first is used unused=1/);
  rmSync(dir, { recursive: true });
});

test('the access log names the client that a trusted proxy vouches for', async () => {
  await using behind = await upstream();
  await using app = await startGptLoad({
    keys: KEYS,
    upstreams: [behind.url],
    env: { TRUSTED_PROXIES: '127.0.0.0/8' },
  });
  await app.ask('/v1/x', { headers: { 'x-forwarded-for': 'forged, 203.0.113.7, 127.0.0.2' } });
  await app.waitForLog(/203\.0\.113\.7/);
});

test('requests go through an http proxy and a SOCKS proxy', {
  ...needs('microsocks'),
}, async () => {
  await using behind = await upstream();
  const port = await freePort();
  await using _socks = await startPeer('microsocks', ['-i', '127.0.0.1', '-p', String(port)], port);
  for (const scheme of ['socks5', 'socks5h']) {
    await using app = await startGptLoad({
      keys: KEYS,
      upstreams: [behind.url],
      env: { ALL_PROXY: `${scheme}://127.0.0.1:${port}` },
    });
    assert.equal((await app.ask('/v1/x')).body, 'served /v1/x');
  }
});

test('a key leaves by the proxy that its line names, and no other key does', {
  ...needs('microsocks'),
}, async () => {
  await using behind = await upstream();
  const port = await freePort();
  const socks = await startPeer('microsocks', ['-i', '127.0.0.1', '-p', String(port)], port);
  await using app = await startGptLoad({
    keys: [`${KEYS[0]} proxy=socks5h://me:s3cret@127.0.0.1:${port} concurrency=1`, `${KEYS[1]}`],
    upstreams: [behind.url],
  });
  // microsocks asks for no password, and takes none.
  for (let i = 0; i < 4; i += 1) assert.equal((await app.ask('/v1/x')).status, 200);
  await socks[Symbol.asyncDispose]();
  for (let i = 0; i < 4; i += 1) assert.equal((await app.ask('/v1/x')).status, 200);
  await app.waitForLog(/sk-s\.\.\.cdef/);
  await app.waitForLog(/route/);
  const stats = (await app.ask('/stats')).body;
  assert.equal(JSON.parse(stats).keys.healthy, 2);
  assert.doesNotMatch(app.output() + stats + (await app.ask('/config')).body, /s3cret/);
});

test("a dead outgoing proxy is nobody else's fault", async () => {
  await using behind = await upstream();
  const dead = `http://me:s3cret@127.0.0.1:${await freePort()}`;
  await using app = await startGptLoad({
    keys: KEYS,
    upstreams: [behind.url],
    env: { http_proxy: dead, UPSTREAM_FAILURE_THRESHOLD: '1' },
  });
  const answer = await app.ask('/v1/x');
  assert.equal(answer.status, 502);
  const { keys } = JSON.parse((await app.ask('/stats')).body);
  assert.deepEqual([keys.healthy, keys.blacklisted, keys.resting], [2, 0, 0]);
  await app.waitForLog(/route/);
  assert.doesNotMatch(answer.body + app.output(), /s3cret/);
});
