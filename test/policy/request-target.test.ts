// The request target's way through: what stays byte for byte, what goes, and where the leased key
// is put.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTarget, upstreamTarget } from '../../src/policy/request-target.ts';

function through(base: string, url: string, key?: string): string {
  const target = parseTarget(url);
  assert.ok(target !== undefined);
  return upstreamTarget(base, target, key);
}

describe('request target', () => {
  it('goes on byte for byte, percent-encoding and odd queries included', () => {
    const url = '/v1/files/a%2Fb%20c/../d//e?x=%zz&&y=1+2&z=%C3%A4#no';
    assert.equal(through('', url), url);
    assert.equal(through('/base', url), `/base${url}`);
  });

  it('sends a version once when base and client both give it', () => {
    assert.equal(through('/v1', '/v1/models'), '/v1/models');
    assert.equal(through('/v1', '/v1'), '/v1');
    assert.equal(
      through('/openai/v1', '/v1/chat/completions?a=b'),
      '/openai/v1/chat/completions?a=b',
    );
    assert.equal(through('/v1beta', '/v1beta/models'), '/v1beta/models');
  });

  it('does not take a longer segment or another version for it', () => {
    assert.equal(through('/v1', '/v1beta/models'), '/v1/v1beta/models');
    assert.equal(through('/v1', '/v10'), '/v1/v10');
    assert.equal(through('/api/v3', '/v1/chat'), '/api/v3/v1/chat');
  });

  it('loses the client’s key parameter, wherever it stands, and nothing else', () => {
    assert.equal(through('', '/m?key=SECRET'), '/m');
    assert.equal(through('', '/m?a=1&key=SECRET&b=2'), '/m?a=1&b=2');
    assert.equal(through('', '/m?monkey=1&a=key=2'), '/m?monkey=1&a=key=2');
    assert.equal(parseTarget('/m?key=a%20b')?.key, 'a b');
  });

  it('carries the leased key in the query when it travels there', () => {
    assert.equal(through('', '/m?a=1&key=mine&alt=sse', 'k+1'), '/m?a=1&key=k%2B1&alt=sse');
    assert.equal(through('', '/m?alt=sse', 'k'), '/m?alt=sse&key=k');
    assert.equal(through('', '/m?key=a&b=1&key=c', 'k'), '/m?key=k&b=1');
    assert.equal(through('', '/m', 'k'), '/m?key=k');
  });

  it('is understood in absolute form and refused in any other', () => {
    assert.equal(through('/b', 'http://host:1/v1/x?y'), '/b/v1/x?y');
    assert.equal(through('', 'http://host'), '/');
    assert.equal(parseTarget('*'), undefined);
    assert.equal(parseTarget('host:443'), undefined);
  });
});
