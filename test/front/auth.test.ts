// Who may pass: AUTH_KEY in every place where clients put their credential.

import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { describe, it } from 'node:test';
import { parseConfig } from '../../src/config/config.ts';
import { withoutFile } from '../../src/config/grouping.ts';
import { Auth } from '../../src/front/auth.ts';

const KEY = 'secret-auth-key';
const { clients: known } = withoutFile(parseConfig({ AUTH_KEY: KEY }));
const clients = known.map((client) => ({ ...client, place: 0 }));
const auth = new Auth(KEY, clients);

function request(headers: Record<string, string>): IncomingMessage {
  return { headers } as unknown as IncomingMessage;
}

describe('Auth', () => {
  it('accepts AUTH_KEY wherever an SDK puts its key', () => {
    for (const headers of [
      { authorization: `Bearer ${KEY}` },
      { authorization: `bearer ${KEY}` },
      { 'x-api-key': KEY },
      { 'api-key': KEY },
      { 'x-goog-api-key': KEY },
    ] as Record<string, string>[]) {
      assert.equal(auth.clientOf(request(headers), undefined) !== undefined, true);
    }
    assert.equal(auth.clientOf(request({}), KEY) !== undefined, true);
  });

  it('refuses everything else, prefixes and extensions included', () => {
    for (const value of ['', KEY.slice(0, -1), `${KEY}x`, KEY.toUpperCase(), 'Bearer']) {
      assert.equal(
        auth.clientOf(request({ authorization: `Bearer ${value}` }), value) !== undefined,
        false,
      );
    }
    assert.equal(auth.clientOf(request({}), undefined) !== undefined, false);
    assert.equal(auth.clientOf(request({ authorization: KEY }), undefined) !== undefined, false);
  });

  it('takes Basic with any user name for its own endpoints only', () => {
    const basic = `Basic ${Buffer.from(`any:${KEY}`).toString('base64')}`;
    assert.equal(auth.allowsAdmin(request({ authorization: basic })), true);
    assert.equal(auth.clientOf(request({ authorization: basic }), undefined) !== undefined, false);
    assert.equal(auth.allowsAdmin(request({ authorization: `Bearer ${KEY}` })), true);
    assert.equal(auth.allowsAdmin(request({ authorization: 'Basic !!!' })), false);
    assert.equal(auth.allowsAdmin(request({ 'x-api-key': KEY })), false);
  });

  it('lets everybody in without AUTH_KEY', () => {
    const open = new Auth('', []);
    assert.equal(open.isOpen, true);
    assert.equal(open.allowsAdmin(request({})), true);
  });
});
