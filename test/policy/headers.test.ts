// Which header fields cross the proxy, and where the leased key goes.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  credentialPlace,
  fieldValue,
  requestHead,
  responseFields,
} from '../../src/policy/headers.ts';

describe('requestHead', () => {
  it('keeps end-to-end fields in order and spelling, repeats included', () => {
    const head = requestHead(['X-A', '1', 'x-b', '2', 'X-A', '3', 'Content-Type', 'text/plain']);
    assert.deepEqual(head.fields, [
      'X-A',
      '1',
      'x-b',
      '2',
      'X-A',
      '3',
      'Content-Type',
      'text/plain',
    ]);
  });

  it('drops every credential and says where they were', () => {
    const head = requestHead([
      'Authorization',
      'Bearer a',
      'X-Api-Key',
      'b',
      'api-key',
      'c',
      'X-GOOG-API-KEY',
      'd',
      'Cookie',
      'e',
      'Proxy-Authorization',
      'f',
      'Accept',
      '*/*',
    ]);
    assert.deepEqual(head.fields, ['Accept', '*/*']);
    assert.deepEqual(head.credentialPlaces, ['bearer', 'x-api-key', 'api-key', 'x-goog-api-key']);
  });

  it('stops hop-by-hop fields and those that Connection names', () => {
    const head = requestHead([
      'Connection',
      'keep-alive, X-Private',
      'Keep-Alive',
      'timeout=5',
      'TE',
      'trailers',
      'Transfer-Encoding',
      'chunked',
      'Upgrade',
      'h2c',
      'X-Private',
      'p',
      'X-Public',
      'q',
      'Host',
      'h',
      'Content-Length',
      '3',
      'Expect',
      '100-continue',
    ]);
    assert.deepEqual(head.fields, ['X-Public', 'q']);
  });

  it('does not let Connection drop what describes the content', () => {
    const head = requestHead(['Connection', 'content-type', 'Content-Type', 'a/b']);
    assert.deepEqual(head.fields, ['Content-Type', 'a/b']);
  });
});

describe('responseFields', () => {
  it('keeps rate-limit and retry fields, repeats, and Content-Length', () => {
    const raw = [
      'Content-Length',
      '5',
      'Set-Cookie',
      'a',
      'Set-Cookie',
      'b',
      'retry-after-ms',
      '9',
      'x-should-retry',
      'true',
      'Trailer',
      'X-T',
    ];
    assert.deepEqual(responseFields(raw), raw);
  });

  it('stops hop-by-hop fields and Alt-Svc', () => {
    const raw = [
      'Connection',
      'close, X-Hop',
      'X-Hop',
      '1',
      'Transfer-Encoding',
      'chunked',
      'Alt-Svc',
      'h3=":443"',
      'Proxy-Authenticate',
      'Basic',
      'X',
      'y',
    ];
    assert.deepEqual(responseFields(raw), ['X', 'y']);
  });
});

describe('credentialPlace', () => {
  it('is where the client had its own', () => {
    assert.equal(credentialPlace(['x-api-key'], 'bearer'), 'x-api-key');
    assert.equal(credentialPlace(['bearer'], 'x-api-key'), 'bearer');
  });

  it('is the provider’s when the client sent none, or several among which it is', () => {
    assert.equal(credentialPlace([], 'api-key'), 'api-key');
    assert.equal(credentialPlace(['bearer', 'x-api-key'], 'x-api-key'), 'x-api-key');
  });
});

describe('fieldValue', () => {
  it('finds the first value whatever the spelling', () => {
    assert.equal(
      fieldValue(['A', '1', 'CONTENT-type', '2', 'content-type', '3'], 'content-type'),
      '2',
    );
    assert.equal(fieldValue(['A', '1'], 'b'), undefined);
  });
});
