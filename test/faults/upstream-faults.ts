// How upstreams fail, over plain connections: each also asked of the plain reverse proxies.

import { setTimeout as sleep } from 'node:timers/promises';
import {
  garbage,
  halfHead,
  neverAnswers,
  openChunks,
  rawAnswer,
  rawOk,
  resetOnReuse,
  shortBody,
  slowDrip,
  thenClose,
  thenReset,
} from '../support/raw-faults.ts';
import type { RawHandler } from '../support/raw-upstream.ts';
import { type Scenario, STREAM_BODY, type UpstreamFault, upstreamFault } from './scenario.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
const EVENT = 'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n';
const EVENTS =
  `${OK}Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n` +
  `${EVENT.length.toString(16)}\r\n${EVENT}\r\n`;
const LENGTH = 'Content-Type: text/plain\r\nContent-Length: 5\r\n';
const STREAMED = { body: STREAM_BODY };

/** Sends these bytes and then nothing more, with the connection open. */
function thenStall(bytes: string): RawHandler {
  return async (exchange) => {
    await exchange.readBody();
    await exchange.send(bytes);
    await new Promise((resolve) => exchange.socket.once('close', resolve));
  };
}

function error(status: string, body: string, field = 'Content-Type: application/json'): RawHandler {
  return rawAnswer(
    `HTTP/1.1 ${status}\r\n${field}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
}

const atOnce: RawHandler = (exchange) => exchange.reset();

/** Answers before the upload is over, and closes. */
const early: RawHandler = async (exchange) => {
  await exchange.send(
    'HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}',
  );
  await sleep(20);
  exchange.socket.end();
};

const FAULTS: readonly UpstreamFault[] = [
  { name: 'resets when the request arrives', fault: atOnce },
  { name: 'resets once it has the request', fault: thenReset() },
  {
    name: 'resets in the middle of the headers',
    fault: thenReset('HTTP/1.1 200 OK\r\nContent-Ty'),
  },
  {
    name: 'resets in the middle of a body with Content-Length',
    fault: thenReset(`${OK}${LENGTH}\r\nhe`),
  },
  {
    name: 'resets in the middle of a chunked body',
    fault: thenReset(`${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhe`),
  },
  { name: 'resets after a body without framing', fault: thenReset(`${OK}\r\nhello`) },
  {
    name: 'closes after a body without framing (which is its end)',
    fault: thenClose(`${OK}\r\nhi`),
  },
  { name: 'closes without an answer', fault: thenClose('') },
  { name: 'closes in the middle of the headers', fault: halfHead },
  { name: 'closes in the middle of a body with Content-Length', fault: shortBody },
  { name: 'closes in the middle of a chunked body', fault: openChunks },
  { name: 'resets the connection on reuse', fault: resetOnReuse(rawOk()) },
  { name: 'accepts the request and never answers', fault: neverAnswers },
  {
    name: 'stalls in the middle of the headers',
    fault: thenStall('HTTP/1.1 200 OK\r\nContent-Ty'),
  },
  { name: 'stalls in the middle of the body', fault: thenStall(`${OK}${LENGTH}\r\nhe`) },
  {
    name: 'sends the headers byte by byte, too slowly',
    fault: slowDrip(`${OK}${LENGTH}\r\nhello`, 1, 150),
  },
  { name: 'stalls in the middle of a stream', fault: thenStall(EVENTS), ...STREAMED },
  { name: 'closes in the middle of a stream', fault: thenClose(EVENTS), ...STREAMED },
  { name: 'resets in the middle of a stream', fault: thenReset(EVENTS), ...STREAMED },
  { name: 'never starts its stream', fault: neverAnswers, ...STREAMED },
  {
    name: 'starts a stream with an error event',
    fault: thenClose(
      `${OK}Content-Type: text/event-stream\r\nConnection: close\r\n\r\n` +
        'data: {"error":{"message":"The server is overloaded","type":"server_error","code":503}}\n\n',
    ),
    ...STREAMED,
  },
  { name: 'sends garbage', fault: garbage },
  {
    name: 'two different Content-Length values',
    fault: thenClose(`${OK}Content-Length: 5\r\nContent-Length: 2\r\n\r\nhello`),
  },
  {
    name: 'Content-Length together with chunked',
    fault: thenClose(`${OK}${LENGTH}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n`),
  },
  {
    name: 'an invalid chunk size',
    fault: thenClose(`${OK}Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n`),
  },
  {
    name: 'a chunk longer than its size',
    fault: thenClose(`${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n`),
  },
  {
    name: 'a chunk of 2^64 bytes',
    fault: thenClose(`${OK}Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\nhello`),
  },
  {
    name: 'line feeds without carriage returns',
    fault: thenClose(`${OK}A: b\nContent-Length: 0\n\n`),
  },
  { name: 'a folded header', fault: thenClose(`${OK}A: b\r\n c\r\n${LENGTH}\r\nhello`) },
  { name: 'a NUL byte in a header', fault: thenClose(`${OK}A: b\0c\r\n${LENGTH}\r\nhello`) },
  { name: 'white space before a colon', fault: thenClose(`${OK}A : b\r\n${LENGTH}\r\nhello`) },
  { name: 'an HTTP/2 status line', fault: thenClose(`HTTP/2 200\r\n${LENGTH}\r\nhello`) },
  { name: 'status 0', fault: thenClose(`HTTP/1.1 000 No\r\n${LENGTH}\r\nhello`) },
  {
    name: 'a chunked HTTP/1.0 answer',
    fault: thenClose('HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n'),
  },
  {
    name: '100 KB of headers',
    fault: thenClose(`${OK}${'X-A: 0123456789abcdef\r\n'.repeat(4_400)}${LENGTH}\r\nhello`),
  },
  {
    name: '100 interim answers',
    fault: thenClose(`${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100)}${OK}${LENGTH}\r\nhello`),
  },
  {
    name: 'switches protocols without being asked',
    fault: thenClose('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'),
  },
  {
    name: 'a second answer right after the first one',
    fault: rawAnswer(`${OK}${LENGTH}\r\nhello${OK}${LENGTH}\r\nstray`),
  },
  {
    name: 'answers an upload early and closes',
    fault: early,
    body: `{"a":"${'x'.repeat(900_000)}"}`,
  },
  { name: '500', fault: error('500 Internal Server Error', '{"error":{"message":"boom"}}') },
  {
    name: '503 with Retry-After',
    fault: error(
      '503 Service Unavailable',
      '{}',
      'Retry-After: 1\r\nContent-Type: application/json',
    ),
  },
  {
    name: '529',
    fault: error('529 Overloaded', '{"type":"error","error":{"type":"overloaded_error"}}'),
  },
  {
    name: '522 with an edge error page',
    fault: error('522 Down', '<html>522</html>', 'Content-Type: text/html'),
  },
  { name: 'resets, and is the only upstream', fault: thenReset(), alone: true },
  { name: 'never answers, and is the only upstream', fault: neverAnswers, alone: true },
  { name: 'sends garbage, and is the only upstream', fault: garbage, alone: true },
];

export const upstreamFaults: readonly Scenario[] = FAULTS.map(upstreamFault);
