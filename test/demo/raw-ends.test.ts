// The tests' own tools on bare sockets: what they send and show is exact, and the leak check finds
// a planted key.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createLeakCheck } from '../support/leak-check.ts';
import { connectRaw, rawRequest, requestBytes, valuesOf } from '../support/raw-client.ts';
import * as faults from '../support/raw-faults.ts';
import { fieldOf, startRawUpstream } from '../support/raw-upstream.ts';

const get = requestBytes('GET /a%2Fb?c=%20d');

describe('raw upstream and client', () => {
  test('carry a request and an answer byte for byte', async () => {
    await using upstream = await startRawUpstream(faults.rawOk('{"a":1}'));
    const answer = await rawRequest(upstream.port, get);
    assert.equal(answer.status, 200);
    assert.equal(answer.body.toString(), '{"a":1}');
    assert.equal(upstream.heads[0], 'GET /a%2Fb?c=%20d HTTP/1.1\r\nHost: gpt-load.test');
    assert.equal(fieldOf(upstream.heads[0] ?? '', 'host'), 'gpt-load.test');
  });

  test('show repeated fields, interim answers, chunk sizes and trailers', async () => {
    await using upstream = await startRawUpstream(
      faults.rawAnswer(
        'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n' +
          'HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie: b\r\nTransfer-Encoding: chunked\r\n\r\n' +
          '3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n',
      ),
    );
    const answer = await rawRequest(upstream.port, get);
    assert.match(answer.interim[0] ?? '', /^HTTP\/1.1 103/);
    assert.deepEqual(valuesOf(answer, 'Set-Cookie'), ['a', 'b']);
    assert.deepEqual(answer.chunkSizes, [3, 2]);
    assert.deepEqual(answer.trailers, ['X-Sum: 5']);
    assert.equal(answer.body.toString(), 'abcde');
  });

  test('tell a whole body from a truncated one', async () => {
    for (const fault of [faults.shortBody, faults.openChunks]) {
      await using upstream = await startRawUpstream(fault);
      const answer = await rawRequest(upstream.port, get);
      assert.equal(answer.complete, false);
      assert.equal(answer.body.toString(), '0123456789');
    }
  });

  test('reset a kept connection on its second request', async () => {
    await using upstream = await startRawUpstream(faults.resetOnReuse(faults.rawOk()));
    using client = await connectRaw(upstream.port);
    await client.send(get);
    assert.equal((await client.answer()).status, 200);
    await client.send(get);
    await assert.rejects(client.answer(), /reset/);
  });
});

describe('leak check', () => {
  test('finds a whole key and hides it in its message', () => {
    const leaks = createLeakCheck();
    leaks.watch(['sk-test-0123456789abcdef']);
    leaks.add('log', 'used sk-t...cdef');
    leaks.assertClean();
    leaks.add('answer', 'Incorrect API key: sk-test-0123456789abcdef.');
    assert.throws(
      () => leaks.assertClean(),
      (error: Error) =>
        /answer contains a whole key/.test(error.message) && !error.message.includes('0123456789'),
    );
  });
});
