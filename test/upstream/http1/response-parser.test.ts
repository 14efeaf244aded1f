// The parser of answers: beside Node's own client on the same bytes in random cuts, and against
// what answers have been smuggled with. Where the two differ, ours is the stricter one, and the
// reason stands here.

import assert from 'node:assert/strict';
import http from 'node:http';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { ResponseError } from '../../../src/upstream/http1/response-fields.ts';
import {
  MAX_HEAD_BYTES,
  type ResponseHead,
  ResponseParser,
} from '../../../src/upstream/http1/response-parser.ts';

interface Read {
  /** `whole`, `cut` (FIN in mid-message) or `malformed`. */
  readonly verdict: string;
  readonly status?: number;
  readonly rawHeaders?: readonly string[];
  readonly body?: string;
  readonly trailers?: readonly string[];
  readonly interim?: readonly number[];
  /** Bytes behind the end of the message. */
  readonly surplus?: number;
  readonly keepAlive?: boolean;
}

/** What our parser makes of a connection that sends these pieces and then ends. */
function ours(pieces: readonly Buffer[], method = 'GET'): Read {
  let head: ResponseHead | undefined;
  let trailers: readonly string[] | undefined;
  let surplus = 0;
  const interim: number[] = [];
  const body: Buffer[] = [];
  const parser = new ResponseParser({
    onInterim: ({ status }) => void interim.push(status),
    onHead: (seen) => {
      head = seen;
    },
    onBody: (chunk) => void body.push(chunk),
    onMessageEnd: (seen) => {
      trailers = seen;
    },
  });
  parser.begin(method === 'HEAD');
  try {
    for (const piece of pieces) surplus += piece.length - parser.execute(piece);
    const whole = parser.finish() && trailers !== undefined;
    if (!whole) return { verdict: 'cut' };
  } catch (error) {
    assert.ok(error instanceof ResponseError, String(error));
    return { verdict: 'malformed' };
  }
  const { status, rawHeaders } = head as ResponseHead;
  const text = Buffer.concat(body).toString('latin1');
  const { keepAlive } = parser;
  const about = { status, rawHeaders, interim, trailers: trailers ?? [] };
  return { verdict: 'whole', ...about, body: text, surplus, keepAlive };
}

/** A peer that sends these pieces to whatever is asked, and then ends. */
class Peer extends Duplex {
  readonly #pieces: readonly Buffer[];

  constructor(pieces: readonly Buffer[]) {
    super();
    this.#pieces = pieces;
  }

  override _read(): void {}

  override _write(_chunk: Buffer, _encoding: string, done: () => void): void {
    done();
    setImmediate(() => {
      for (const piece of this.#pieces) this.push(piece);
      this.push(null);
    });
  }
}

/** The same with Node's own client. */
function nodes(pieces: readonly Buffer[], method = 'GET'): Promise<Read> {
  return new Promise((resolve) => {
    const interim: number[] = [];
    const request = http.request({
      method,
      createConnection: () => new Peer(pieces) as never,
      maxHeaderSize: MAX_HEAD_BYTES,
    });
    request.on('information', ({ statusCode }) => interim.push(statusCode));
    request.on('error', (error: NodeJS.ErrnoException) => {
      resolve({ verdict: error.code?.startsWith('HPE_') === true ? 'malformed' : 'cut' });
    });
    request.on('response', (response) => {
      const body: Buffer[] = [];
      response.on('data', (chunk: Buffer) => body.push(chunk));
      response.on('error', () => resolve({ verdict: 'cut' }));
      response.on('end', () => {
        const { statusCode = 0, rawHeaders, rawTrailers } = response;
        const text = Buffer.concat(body).toString('latin1');
        const about = { status: statusCode, rawHeaders, interim, trailers: rawTrailers };
        resolve({ verdict: 'whole', ...about, body: text });
      });
    });
    request.end();
  });
}

function cut(bytes: string, places: readonly number[]): Buffer[] {
  const all = Buffer.from(bytes, 'latin1');
  const at = [...new Set(places.map((place) => place % (all.length + 1)))].sort((a, b) => a - b);
  const edges = [0, ...at, all.length];
  return edges
    .slice(1)
    .map((end, i) => all.subarray(edges[i], end))
    .filter((piece) => piece.length > 0);
}

const one = (bytes: string) => [Buffer.from(bytes, 'latin1')];

const name = fc.constantFrom('Content-Type', 'X-A', 'Set-Cookie', 'x-request-id', 'Vary');
const value = fc.stringMatching(/^[ -~\t\x80-\xff]{0,20}$/).map((text) => text.trim());
const fields = fc
  .array(fc.tuple(name, value), { maxLength: 6 })
  .map((pairs) => pairs.map(([n, v]) => `${n}: ${v}\r\n`).join(''));
const content = fc.stringMatching(/^[a-z\r\n]{0,40}$/);
const framed = fc.oneof(
  content.map((text) => [`Content-Length: ${text.length}\r\n`, text]),
  fc.tuple(fc.array(content, { maxLength: 4 }), fc.boolean()).map(([parts, extended]) => {
    const chunks = parts
      .filter((part) => part.length > 0)
      .map((part) => {
        return `${part.length.toString(16)}${extended ? ';a=b' : ''}\r\n${part}\r\n`;
      });
    return [
      'Transfer-Encoding: chunked\r\n',
      `${chunks.join('')}0\r\n${extended ? 'X-T: 1\r\n' : ''}\r\n`,
    ];
  }),
  content.map((text) => ['', text]),
);
const status = fc.constantFrom('200 OK', '204 No Content', '304 Not Modified', '404 ', '599 \xe9t');
const answer = fc
  .tuple(fc.boolean(), fc.constantFrom('1.1', '1.1', '1.0'), status, fields, framed)
  .map(([early, version, line, lines, [framing = '', body = '']]) => {
    const interim = early ? 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n' : '';
    const framingHere = version === '1.0' && framing.startsWith('T') ? '' : framing;
    return `${interim}HTTP/${version} ${line}\r\n${lines}${framingHere}\r\n${body}`;
  });
/** Bytes put somewhere into an answer, to make it wrong. */
const damage = fc.option(
  fc.tuple(fc.nat(), fc.constantFrom('\n', '\r', '\0', ' ', ':', '\r\n', 'f', '\x01', '\t ')),
);

test('our parser reads what Node reads, in any cuts, or is the stricter one', async () => {
  await fc.assert(
    fc.asyncProperty(
      answer,
      damage,
      fc.constantFrom('GET', 'HEAD'),
      fc.array(fc.nat(), { maxLength: 8 }),
      async (bytes, wrong, method, places) => {
        const at = wrong === null ? 0 : wrong[0] % (bytes.length + 1);
        const sent = wrong === null ? bytes : bytes.slice(0, at) + wrong[1] + bytes.slice(at);
        const pieces = cut(sent, places);
        const mine = ours(pieces, method);
        assert.deepEqual(mine.verdict, ours(one(sent), method).verdict, 'cuts change nothing');
        // What stands behind the end of a message Node reads as another one; here it is surplus,
        // and ends the connection.
        if ((mine.surplus ?? 0) > 0) return;
        // White space around a value is no part of it (RFC 9110 5.5); Node takes a tab behind
        // "chunked" for one, and reads the chunks as content.
        if (/transfer-encoding: chunked *\t/i.test(sent)) return;
        const theirs = await nodes(pieces, method);
        if (mine.verdict !== 'whole') {
          // Stricter is allowed for what is damaged; a sound answer must be read.
          if (wrong === null) assert.equal(theirs.verdict, mine.verdict, JSON.stringify(sent));
          return;
        }
        assert.equal(theirs.verdict, 'whole', JSON.stringify(sent));
        const { surplus: _, keepAlive: __, ...read } = mine;
        assert.deepEqual(read, theirs, JSON.stringify(sent));
      },
    ),
    { numRuns: Number(process.env.GPT_LOAD_FUZZ_RUNS ?? 400) },
  );
});

const refused: readonly (readonly [string, string])[] = [
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nhello'],
  ['one length twice', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello'],
  ['a list of lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello'],
  ['a signed length', 'HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello'],
  ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello'],
  ['a length in hexadecimal', 'HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello'],
  ['an empty length', 'HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nhello'],
  ['a length beyond counting', `HTTP/1.1 200 OK\r\nContent-Length: ${'9'.repeat(20)}\r\n\r\nx`],
  [
    'a length beside chunks',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  ],
  ['a coding that is not chunked', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx'],
  [
    'chunks of another coding',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
  ],
  ['chunks in chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n'],
  ['a coding that nearly is', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n'],
  ['chunks in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello'],
  ['a folded line', 'HTTP/1.1 200 OK\r\nX-A: 1\r\n 2\r\nContent-Length: 0\r\n\r\n'],
  ['a field without colon', 'HTTP/1.1 200 OK\r\nnonsense\r\n\r\n'],
  ['a field without name', 'HTTP/1.1 200 OK\r\n: x\r\n\r\n'],
  ['a bare line feed in the head', 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n'],
  ['a head of bare line feeds', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n'],
  ['a bare carriage return in a value', 'HTTP/1.1 200 OK\r\nX-A: 1\rX-B: 2\r\n\r\n'],
  ['a zero byte', 'HTTP/1.1 200 OK\r\nX-A: 1\x002\r\n\r\n'],
  ['another protocol', 'ICY 200 OK\r\n\r\n'],
  ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
  ['a status below 100', 'HTTP/1.1 099 OK\r\n\r\n'],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
  ['a chunk without size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n'],
  ['a signed chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n'],
  [
    'a chunk with a prefix',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n',
  ],
  [
    'a chunk that is too long',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n',
  ],
  [
    'a chunk line of a line feed',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n',
  ],
  [
    'a chunk beyond counting',
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'f'.repeat(9)}\r\n`,
  ],
  [
    'an endless extension',
    `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;${'a'.repeat(5000)}`,
  ],
  [
    'a trailer without name',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nnonsense\r\n\r\n',
  ],
  ['an endless head', `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(MAX_HEAD_BYTES)}`],
  ['a thousand fields and more', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(1_001)}\r\n`],
  ['interim answers for ever', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(40)],
];

for (const [what, bytes] of refused) {
  test(`an answer with ${what} is refused, in one piece and byte by byte`, () => {
    assert.equal(ours(one(bytes)).verdict, 'malformed');
    assert.equal(
      ours([...Buffer.from(bytes, 'latin1')].map((byte) => Buffer.of(byte))).verdict,
      'malformed',
    );
  });
}

test('an answer that ends early is cut, not whole', () => {
  for (const bytes of [
    '',
    'HTTP/1.1 200',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-T: 1\r\n',
  ]) {
    assert.equal(ours(one(bytes)).verdict, 'cut', JSON.stringify(bytes));
  }
});

test('HEAD, 204 and 304 end at their head, whatever their fields say; what follows is surplus', () => {
  const second = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno';
  for (const [line, method] of [
    ['200 OK\r\nContent-Length: 5', 'HEAD'],
    ['200 OK\r\nTransfer-Encoding: chunked', 'HEAD'],
    ['204 No Content\r\nContent-Length: 5', 'GET'],
    ['304 Not Modified\r\nTransfer-Encoding: chunked', 'GET'],
  ]) {
    const read = ours(one(`HTTP/1.1 ${line}\r\n\r\n${second}`), method);
    assert.equal(read.verdict, 'whole');
    assert.equal(read.body, '');
    assert.equal(read.surplus, second.length);
  }
});

test('a connection is kept by its version and the options of Connection', () => {
  const kept = (version: string, option: string) =>
    ours(one(`HTTP/${version} 200 OK\r\n${option}Content-Length: 0\r\n\r\n`)).keepAlive;
  assert.equal(kept('1.1', ''), true);
  assert.equal(kept('1.1', 'Connection: close\r\n'), false);
  assert.equal(kept('1.1', 'Connection: x, Close\r\n'), false);
  assert.equal(kept('1.1', 'Connection: x-close\r\n'), true);
  assert.equal(kept('1.0', ''), false);
  assert.equal(kept('1.0', 'Connection: keep-alive\r\n'), true);
  assert.equal(kept('1.0', 'Connection: keep-alive, close\r\n'), false);
});
