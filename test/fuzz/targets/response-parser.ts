// Answers of upstreams: whatever comes, it is understood or refused with a reason, and the same way
// wherever the packets end. A second answer behind the first one is never a part of it.

import assert from 'node:assert/strict';
import { ResponseError } from '../../../src/upstream/http1/response-fields.ts';
import { type ResponseHead, ResponseParser } from '../../../src/upstream/http1/response-parser.ts';
import type { FuzzTarget } from '../fuzz-target.ts';

interface Read {
  readonly interim: ResponseHead[];
  head: ResponseHead | undefined;
  body: Buffer;
  trailers: readonly string[] | undefined;
  taken: number;
  refused: boolean;
  isWhole: boolean;
}

function read(pieces: readonly Buffer[], isHead: boolean): Read {
  const found: Read = {
    interim: [],
    head: undefined,
    body: Buffer.alloc(0),
    trailers: undefined,
    taken: 0,
    refused: false,
    isWhole: false,
  };
  const body: Buffer[] = [];
  const parser = new ResponseParser({
    onInterim: (head) => found.interim.push(head),
    onHead: (head) => {
      assert.equal(found.head, undefined, 'a second final answer');
      found.head = head;
    },
    onBody: (chunk) => {
      assert.ok(found.head !== undefined && found.trailers === undefined, 'a stray body');
      body.push(Buffer.from(chunk));
    },
    onMessageEnd: (trailers) => {
      assert.equal(found.trailers, undefined, 'a second end');
      found.trailers = trailers;
    },
  });
  parser.begin(isHead);
  try {
    for (const piece of pieces) {
      const taken = parser.execute(piece);
      found.taken += taken;
      if (taken < piece.length) break;
    }
    found.isWhole = parser.finish();
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error;
    found.refused = true;
  }
  found.body = Buffer.concat(body);
  return found;
}

export const responseParser: FuzzTarget = {
  name: 'response-parser',
  seeds: [
    'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\n\r\n',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n' +
      'HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
    'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nuntil the end',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x00',
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na;n=v;q="x"\r\n0123456789\r\n00\r\n\r\n',
  ],
  words: [
    '\r\n',
    '\n',
    '\r',
    '\r\n\r\n',
    '\0',
    ' ',
    'Content-Length: 3\r\n',
    'Content-Length: 3, 3\r\n',
    'Transfer-Encoding: chunked\r\n',
    'Transfer-Encoding: gzip, chunked\r\n',
    'Connection: close\r\n',
    'HTTP/1.1 200 OK\r\n',
    'ffffffff\r\n',
    '0\r\n\r\n',
    ';a=b',
    ' folded: x\r\n',
  ],
  check: (input, random) => {
    const isHead = random.below(8) === 0;
    const whole = read([input], isHead);
    const cut = read(random.cut(input), isHead);
    assert.equal(cut.refused, whole.refused, 'cutting decides whether it is refused');
    assert.deepEqual(cut.head, whole.head);
    assert.deepEqual(cut.interim, whole.interim);
    assert.ok(whole.body.length <= input.length);
    // After a refusal nothing is relayed further: how much of it had been read may differ.
    if (whole.refused) return;
    assert.deepEqual(cut, whole);
  },
};
