// Certificates from files: what is refused, what is added, what is noticed.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect, createServer } from 'node:tls';
import {
  loadTlsFiles,
  TlsReloader,
  trustedAuthorities,
} from '../../../src/upstream/dial/tls-files.ts';
import { certificate, fixturePath, testCa } from '../../support/tls-fixture.ts';

function directory(): { path: (name: string) => string } & Disposable {
  const dir = mkdtempSync(join(tmpdir(), 'gpt-load-tls-'));
  return {
    path: (name) => join(dir, name),
    [Symbol.dispose]: () => rmSync(dir, { recursive: true }),
  };
}

test('a certificate and its key are loaded with the date of expiry', () => {
  const material = loadTlsFiles(fixturePath('server.pem'), fixturePath('server.key'));
  assert.match(material.cert, /BEGIN CERTIFICATE/);
  assert.equal(new Date(material.expiresMs).getUTCFullYear(), 2126);
});

test('files that cannot serve TLS are named with variable and reason', () => {
  using dir = directory();
  writeFileSync(dir.path('empty'), '');
  const cert = fixturePath('server.pem');
  const key = fixturePath('server.key');
  const cases: [string, string, RegExp][] = [
    [dir.path('missing'), key, /^TLS_CERT_FILE: .*missing.*ENOENT/],
    [cert, dir.path('missing'), /^TLS_KEY_FILE: .*missing.*ENOENT/],
    [dir.path('empty'), key, /^TLS_CERT_FILE: must be a PEM certificate/],
    [cert, dir.path('empty'), /^TLS_KEY_FILE: must be a PEM private key/],
    [cert, cert, /^TLS_KEY_FILE: must be a PEM private key/],
    [cert, fixturePath('other.key'), /^TLS_KEY_FILE: must be the key of TLS_CERT_FILE/],
  ];
  for (const [certFile, keyFile, message] of cases) {
    assert.throws(() => loadTlsFiles(certFile, keyFile), { name: 'ConfigError', message });
  }
});

test('EXTRA_CA_FILE adds to the authorities of Node instead of replacing them', () => {
  assert.equal(trustedAuthorities(''), undefined);
  const authorities = trustedAuthorities(fixturePath('ca.pem'));
  assert.ok(authorities !== undefined && authorities.length > 50);
  assert.equal(authorities.at(-1), testCa.trim());
  using dir = directory();
  writeFileSync(dir.path('none'), 'no certificate here');
  assert.throws(() => trustedAuthorities(dir.path('none')), /^ConfigError: EXTRA_CA_FILE: /);
});

test('a changed certificate is served to new connections and a broken one is not', async () => {
  using dir = directory();
  const put = (name: string) => {
    copyFileSync(fixturePath(`${name}.key`), dir.path('key'));
    copyFileSync(fixturePath(`${name}.pem`), dir.path('cert'));
  };
  put('server');
  const server = createServer(certificate('server'), (socket) => socket.end()).listen(
    0,
    '127.0.0.1',
  );
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const names = async () => {
    const socket = connect({
      port,
      ca: testCa,
      servername: 'x.test',
      checkServerIdentity: () => undefined,
    });
    await once(socket, 'secureConnect');
    const name = socket.getPeerCertificate().subject.CN;
    socket.destroy();
    return name;
  };
  const reports: (string | null)[] = [];
  let reported = () => undefined as unknown;
  using reloader = new TlsReloader(
    [dir.path('cert'), dir.path('key')],
    server,
    (problem) => {
      reports.push(problem);
      reported();
    },
    20,
  );
  assert.equal(await names(), 'localhost');

  const changed = new Promise((resolve) => {
    reported = () => reports.at(-1) === null && resolve(undefined);
  });
  put('other');
  await changed;
  assert.equal(await names(), 'other.test');

  writeFileSync(dir.path('key'), 'half a file');
  reloader.reload();
  assert.match(reports.at(-1) ?? '', /TLS_KEY_FILE/);
  assert.equal(await names(), 'other.test');
  server.close();
});
