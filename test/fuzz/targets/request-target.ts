// Request targets: the client's key goes to nobody and into no log, everything else goes on byte
// for byte, and no spelling of dots climbs out of the upstream's base path.

import assert from 'node:assert/strict';
import {
  leavesBase,
  loggedTarget,
  parseTarget,
  upstreamTarget,
} from '../../../src/policy/request-target.ts';
import type { FuzzTarget } from '../fuzz-target.ts';

const BASE = '/tenant/a';
const LEASED = 'leased+key/1';

export const requestTarget: FuzzTarget = {
  name: 'request-target',
  seeds: [
    '/v1/chat/completions?model=a&key=SECRET-of-the-client&alt=sse',
    'http://host.test/v1/models?KEY=SECRET-of-the-client;b=c',
    '/v1/../../other?%6bey=SECRET-of-the-client',
    '/%2e%2e/%252e%252e%2f..;x/..%5c?%256bey=SECRET-of-the-client&key=again',
    '*',
    '/a?&&key=&;key',
  ],
  words: ['/..', '%2e', '%252e', '%2f', '\\', ';', '&', '?', '#', 'key=', '%6b', '+', '//', '%'],
  check: (input) => {
    // What Node's parser lets through.
    const given = input.toString('latin1').replaceAll(/[\0-\x20\x7f]/g, '');
    const target = parseTarget(given);
    if (target === undefined) return;
    assert.ok(target.path.startsWith('/'));
    const own = upstreamTarget('', target, undefined);
    if (target.key === undefined) {
      assert.ok(given.endsWith(own) || given.endsWith(own.slice(1)), 'a byte was changed');
    }
    const query = own.includes('?') ? own.slice(own.indexOf('?') + 1) : '';
    // A `key` that says nothing is no credential, and goes on.
    assert.equal(new URLSearchParams(`&${query}`).getAll('key').join(''), '', own);
    const sent = upstreamTarget(BASE, target, LEASED);
    const keys = new URLSearchParams(`&${sent.slice(sent.indexOf('?') + 1)}`).getAll('key');
    assert.equal(keys.join(''), LEASED, sent);
    const masked = target.key === undefined ? own : upstreamTarget('', target, '****');
    assert.equal(loggedTarget(target), masked, 'what is logged is the rest, and nothing else');
    for (const value of keysOf(loggedTarget(target))) assert.match(value, /^(?:\*{4})?$/, own);
    // The WHATWG parser undoes `..`, `%2e%2e` and backslashes: where it ends, a server may.
    const url = URL.parse(`${BASE}${target.path.split('#', 1)[0]}`, 'http://upstream.test');
    if (url !== null && !`${url.pathname}/`.startsWith(`${BASE}/`)) {
      assert.ok(leavesBase(BASE, target), `${target.path} leads to ${url.pathname}`);
    }
  },
};

/** The values of a target's `key` parameters, whatever a server may separate parameters by. */
function keysOf(target: string): string[] {
  const [, ...query] = target.split('?');
  const parameters = query.join('?').split(/[&;]/);
  return parameters
    .flatMap((each) => [...new URLSearchParams(`&${each}`)])
    .filter(([name]) => /^\s*key\s*$/i.test(name))
    .map(([, value]) => value);
}
