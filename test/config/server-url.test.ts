// FLEET_URL as people write it, and what is none.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServerUrl, urlOf } from '../../src/config/server-url.ts';

const PLAIN = { tls: false, credentials: '', primary: '', database: '' };

test('a server is named by its URL', () => {
  for (const [text, expected] of [
    ['redis://host', { ...PLAIN, places: ['host:6379'] }],
    ['redis://127.0.0.1:7000/3', { ...PLAIN, places: ['127.0.0.1:7000'], database: '3' }],
    ['redis://[::1]:7000', { ...PLAIN, places: ['[::1]:7000'] }],
    [
      'rediss://u:p%40w@h.test/',
      { ...PLAIN, tls: true, credentials: 'u:p%40w', places: ['h.test:6379'] },
    ],
    [
      'redis+sentinel://:word@a:1,b/main/2',
      {
        ...PLAIN,
        credentials: ':word',
        places: ['a:1', 'b:26379'],
        primary: 'main',
        database: '2',
      },
    ],
  ] as const) {
    assert.deepEqual(parseServerUrl(text), expected, text);
  }
});

test('what is none is refused', () => {
  const none = [
    'host:6379',
    'http://host',
    'redis://',
    'redis://a,b',
    'redis://h/x',
    'redis://h?a',
  ];
  const sentinels = ['redis+sentinel://a:1', 'redis+sentinel://a:1/', 'redis+sentinel://a/m/x'];
  for (const text of [...none, ...sentinels, 'redis://h:99999', 'redis://a b']) {
    assert.equal(parseServerUrl(text), undefined, text);
  }
});

test('a server among several has the user, password and database of all', () => {
  const server = parseServerUrl('rediss+sentinel://u:p%40w@a:1/main/2');
  assert.ok(server);
  assert.equal(urlOf(server, '10.0.0.1:6380'), 'rediss://u:p%40w@10.0.0.1:6380/2');
});
