// Who may ask the endpoints of our own: no page of another origin, no foreign name for loopback.

import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { OwnSite } from '../../src/front/own-site.ts';

function code(host: string, headers: Record<string, string>, allowed: readonly string[] = []) {
  const site = new OwnSite(host, allowed);
  return site.refusal({ headers } as unknown as IncomingMessage)?.message.split(' ')[0] ?? 'fine';
}

test('a loopback address is asked for by loopback names only', () => {
  for (const own of ['127.0.0.1', 'localhost', '::1', '127.5.5.5']) {
    for (const name of [
      '127.0.0.1:3000',
      'localhost',
      'LOCALHOST.:3000',
      '[::1]:3000',
      'a.localhost',
    ]) {
      assert.equal(code(own, { host: name }), 'fine', `${own} ${name}`);
    }
    for (const name of ['evil.example', '127.0.0.1.evil.example', 'localhost.evil.example:3000']) {
      assert.notEqual(code(own, { host: name }), 'fine', `${own} ${name}`);
    }
  }
  assert.equal(code('0.0.0.0', { host: 'ops.example' }), 'fine');
  assert.equal(code('unix:/run/x', { host: 'ops.example' }), 'fine');
  assert.equal(code('127.0.0.1', { host: 'ops.example:80' }, ['OPS.example']), 'fine');
});

test('an origin is the own one by host and port, whatever the scheme', () => {
  const at = (origin: string, host: string) => code('0.0.0.0', { origin, host });
  assert.equal(at('http://a.example:3000', 'a.example:3000'), 'fine');
  assert.equal(at('https://a.example', 'a.example'), 'fine');
  assert.equal(at('https://a.example', 'a.example:443'), 'fine');
  for (const origin of ['null', 'https://b.example', 'http://a.example:3001', 'nonsense']) {
    assert.notEqual(at(origin, 'a.example:3000'), 'fine', origin);
  }
});

test('without a password a page changes something only under a loopback name, or one of ours', () => {
  const refused = (host: string, headers: Record<string, string>) => {
    const request = { headers: { host, ...headers } } as unknown as IncomingMessage;
    return new OwnSite('0.0.0.0', ['ops.example']).refusalOfChange(request) !== undefined;
  };
  const rebound = { origin: 'http://evil.example:3000' };
  assert.equal(refused('evil.example:3000', rebound), true);
  assert.equal(refused('evil.example:3000', { 'sec-fetch-site': 'same-origin' }), true);
  assert.equal(refused('evil.example:3000', {}), false, 'a program names no origin');
  assert.equal(refused('localhost:3000', { origin: 'http://localhost:3000' }), false);
  assert.equal(refused('ops.example', { origin: 'http://ops.example' }), false);
  assert.equal(refused('192.0.2.7:3000', { referer: 'http://evil.example/' }), true);
  assert.equal(refused('evil.example', { referer: 'http://evil.example/' }), true);
  assert.equal(refused('localhost:3000', { referer: 'http://localhost:3000/dashboard' }), false);
  assert.equal(refused('192.0.2.7', { 'sec-fetch-site': 'none' }), false, 'typed by a person');
});
