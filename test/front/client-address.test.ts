// X-Forwarded-For believed as far as trusted proxies wrote it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrustedProxies } from '../../src/front/client-address.ts';

test('the client is the rightmost address that no trusted proxy vouches for', () => {
  const cases: [string[], string, string | undefined, string][] = [
    [[], '203.0.113.9', '1.1.1.1', '203.0.113.9'],
    [['10.0.0.0/8'], '203.0.113.9', '1.1.1.1', '203.0.113.9'],
    [['10.0.0.0/8'], '10.0.0.1', undefined, '10.0.0.1'],
    [['10.0.0.0/8'], '10.0.0.1', '1.1.1.1', '1.1.1.1'],
    [['10.0.0.0/8'], '10.0.0.1', 'forged, 2.2.2.2, 10.0.0.2', '2.2.2.2'],
    [['10.0.0.0/8'], '10.0.0.1', '10.0.0.3,10.0.0.2', '10.0.0.3'],
    [['10.0.0.0/8'], '10.0.0.1', 'unknown', '10.0.0.1'],
    [['10.0.0.0/8'], '::ffff:10.0.0.1', '1.1.1.1', '1.1.1.1'],
    [['10.0.0.0/8'], '::ffff:1.2.3.4', '1.1.1.1', '1.2.3.4'],
    [['10.0.0.1'], '10.0.0.1', '203.0.113.7:4711', '203.0.113.7'],
    [['2001:db8::/32'], '2001:db8::1', '[2001:db9::1]:4711', '2001:db9::1'],
    [['::1', '127.0.0.1'], '::1', 'fe80::1%eth0', 'fe80::1'],
    [['127.0.0.1'], '', '1.1.1.1', '1.1.1.1'],
    [[], '', '1.1.1.1', ''],
  ];
  for (const [networks, peer, forwarded, expected] of cases) {
    const actual = new TrustedProxies(networks).clientAddress(peer, forwarded);
    assert.equal(actual, expected, `${networks} ${peer} ${forwarded}`);
  }
});

test('a long X-Forwarded-For costs a bounded number of steps', () => {
  const trusted = new TrustedProxies(['10.0.0.0/8']);
  const address = trusted.clientAddress('10.0.0.1', `1.1.1.1,${'10.0.0.2,'.repeat(5_000)}10.0.0.3`);
  assert.equal(address, '10.0.0.2');
});

test('a network that cannot be read is a ConfigError', () => {
  for (const text of ['localhost', '10.0.0.0/33', '10.0.0.0/x', '::/129', '10.0.0.0/']) {
    assert.throws(() => new TrustedProxies([text]), {
      name: 'ConfigError',
      message: /TRUSTED_PROXIES/,
    });
  }
});
