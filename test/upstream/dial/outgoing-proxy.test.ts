// Which proxy a destination gets: the variables and NO_PROXY as curl reads them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProxyChoice, parseProxyUrl } from '../../../src/upstream/dial/outgoing-proxy.ts';

const none = { http: '', https: '', all: '', no: [], upstreams: [] };
const to = (href: string) => {
  const url = new URL(href);
  const secure = url.protocol === 'https:';
  return {
    protocol: secure ? ('https:' as const) : ('http:' as const),
    hostname: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || (secure ? 443 : 80),
  };
};

test('a proxy URL is read as curl reads it', () => {
  const cases: [string, string, number][] = [
    ['proxy.test', 'http://proxy.test:1080', 1080],
    ['proxy.test:80', 'http://proxy.test:80', 80],
    ['http://proxy.test:3128/', 'http://proxy.test:3128', 3128],
    ['https://proxy.test', 'https://proxy.test:443', 443],
    ['SOCKS5H://u:p@[::1]:9050', 'socks5h://[::1]:9050', 9050],
    ['socks4a://proxy.test', 'socks4a://proxy.test:1080', 1080],
  ];
  for (const [text, name, port] of cases) {
    const proxy = parseProxyUrl(text, 'ALL_PROXY');
    assert.deepEqual([proxy.name, proxy.port], [name, port], text);
  }
  const proxy = parseProxyUrl('http://me%40work:p%3Ass@proxy.test:8080', 'HTTPS_PROXY');
  assert.deepEqual([proxy.username, proxy.password], ['me@work', 'p:ss']);
});

test('a proxy URL that cannot be used is named without its value', () => {
  for (const text of ['ftp://me:secret@proxy.test', 'http://', 'http://me:secret@:1']) {
    assert.throws(
      () => parseProxyUrl(text, 'ALL_PROXY'),
      (error: Error) => {
        return (
          error.name === 'ConfigError' &&
          /^ALL_PROXY: /.test(error.message) &&
          !/secret/.test(error.message)
        );
      },
    );
  }
});

test('https and http destinations have their own proxy, ALL_PROXY stands in for both', () => {
  const choice = new ProxyChoice({ ...none, https: 'http://s.test:1', all: 'socks5://a.test' });
  assert.equal(choice.for(to('https://x.test'))?.name, 'http://s.test:1');
  assert.equal(choice.for(to('http://x.test'))?.name, 'socks5://a.test:1080');
  assert.equal(new ProxyChoice(none).for(to('https://x.test')), null);
});

test('NO_PROXY knows names, subdomains, ports, addresses, blocks and the star', () => {
  const direct = (no: string[], href: string) =>
    new ProxyChoice({ ...none, all: 'http://p.test:1', no }).for(to(href)) === null;
  const yes: [string, string][] = [
    ['example.com', 'https://example.com'],
    ['example.com', 'https://a.b.EXAMPLE.com'],
    ['.example.com', 'https://example.com'],
    ['*.example.com', 'https://a.example.com'],
    ['example.com', 'https://example.com.'],
    ['example.com:8443', 'https://example.com:8443'],
    ['localhost,127.0.0.1', 'http://127.0.0.1:8080'],
    ['10.0.0.0/8', 'http://10.1.2.3'],
    ['fd00::/8', 'http://[fd12::1]'],
    ['[::1]:11434', 'http://[::1]:11434'],
    ['::1', 'http://[::1]:11434'],
    ['a.test b.test', 'http://b.test'],
    ['*', 'https://anything.test'],
  ];
  const no: [string, string][] = [
    ['example.com', 'https://notexample.com'],
    ['example.com:8443', 'https://example.com'],
    ['10.0.0.0/8', 'http://11.1.2.3'],
    ['10.0.0.0/8', 'http://ten.test'],
    ['127.0.0.1', 'http://localhost'],
    ['10.0.0.0/99', 'http://10.0.0.1'],
    ['', 'http://a.test'],
  ];
  for (const [rule, href] of yes) assert.ok(direct([rule], href), `${rule} ${href}`);
  for (const [rule, href] of no) assert.ok(!direct([rule], href), `not ${rule} ${href}`);
});

test('an upstream has its own proxy, or none, before all others', () => {
  const upstreams = [
    'x.test=socks5h://x-proxy.test',
    'y.test:8443=http://me:p=w@y.test:1',
    'z.test=direct',
  ];
  const choice = new ProxyChoice({ ...none, all: 'http://all.test:1', no: ['x.test'], upstreams });
  assert.equal(choice.for(to('https://api.x.test'))?.name, 'socks5h://x-proxy.test:1080');
  assert.equal(choice.for(to('https://y.test:8443'))?.password, 'p=w');
  assert.equal(choice.for(to('https://y.test'))?.name, 'http://all.test:1');
  assert.equal(choice.for(to('https://z.test')), null);
  assert.throws(() => new ProxyChoice({ ...none, upstreams: ['x.test=gopher://p'] }), {
    message: /^UPSTREAM_PROXIES: /,
  });
});
