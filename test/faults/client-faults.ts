// What clients do wrong, and what they try: the same bytes to every subject. The good request
// beside them tells whether anybody else was harmed.

import { setTimeout as sleep } from 'node:timers/promises';
import { connectRaw } from '../support/raw-client.ts';
import { rawOk } from '../support/raw-faults.ts';
import { startRawUpstream } from '../support/raw-upstream.ts';
import { chatBytes, JSON_BODY, recovery, type Scenario, STREAM_BODY, seen } from './scenario.ts';
import { blamed, type Subject, startOther, startOwn } from './subject.ts';

const POST = 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n';
const HIDDEN = 'GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n';

interface ClientFault {
  readonly name: string;
  /** Sent on one connection, then one answer is awaited. */
  readonly bytes?: string | Buffer;
  /** Sent, and then the client leaves after so many milliseconds. */
  readonly leavesAfterMs?: number;
}

const FAULTS: readonly ClientFault[] = [
  {
    name: 'disconnects before its body is complete',
    bytes: `${POST}Content-Length: 100\r\n\r\n{`,
    leavesAfterMs: 30,
  },
  { name: 'disconnects while waiting', bytes: chatBytes(JSON_BODY), leavesAfterMs: 1 },
  { name: 'disconnects during a stream', bytes: chatBytes(STREAM_BODY), leavesAfterMs: 20 },
  {
    name: 'disconnects in the middle of its headers',
    bytes: 'POST /v1/chat HTTP/1.1\r\nHo',
    leavesAfterMs: 20,
  },
  { name: 'sends part of the headers, then goes silent', bytes: 'GET /v1/models HTTP/1.1\r\nHo' },
  { name: 'sends part of a body, then goes silent', bytes: `${POST}Content-Length: 100\r\n\r\n{` },
  {
    name: 'pipelines three requests',
    bytes: 'GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3),
  },
  {
    name: 'smuggling: Content-Length together with chunked',
    bytes: `${POST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  },
  {
    name: 'smuggling: two Content-Length values',
    bytes: `${POST}Content-Length: 0\r\nContent-Length: 40\r\n\r\n${HIDDEN}`,
  },
  {
    name: 'smuggling: chunked spelt oddly',
    bytes: `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  },
  {
    name: 'smuggling: white space before the colon',
    bytes: `${POST}Content-Length : 40\r\n\r\n${HIDDEN}`,
  },
  {
    name: 'smuggling: an invalid chunk size',
    bytes: `${POST}Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n${HIDDEN}`,
  },
  { name: 'smuggling: bare line feeds', bytes: `${POST.replaceAll('\r', '')}A: b\n\n${HIDDEN}` },
  { name: 'two Host headers', bytes: 'GET /v1/models HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n' },
  { name: 'no Host header', bytes: 'GET /v1/models HTTP/1.1\r\n\r\n' },
  { name: 'a folded header', bytes: 'GET /v1/models HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n' },
  {
    name: '100 KB of headers',
    bytes: `GET / HTTP/1.1\r\nHost: x\r\n${'A: 0123456789abcdef\r\n'.repeat(5_000)}\r\n`,
  },
  { name: 'a path with ../', bytes: 'GET /v1/../../etc HTTP/1.1\r\nHost: x\r\n\r\n' },
  {
    name: 'a path with ../, encoded twice',
    bytes: 'GET /%252e%252e/x HTTP/1.1\r\nHost: x\r\n\r\n',
  },
  { name: 'TRACE', bytes: 'TRACE / HTTP/1.1\r\nHost: x\r\n\r\n' },
  { name: 'CONNECT', bytes: 'CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test\r\n\r\n' },
  { name: 'HTTP/0.9', bytes: 'GET /\r\n\r\n' },
  { name: 'TLS to a plain port', bytes: Buffer.from('160301020001000100', 'hex') },
  { name: 'an unknown method', bytes: 'BREW /v1/models HTTP/1.1\r\nHost: x\r\n\r\n' },
  { name: 'uploads 20 MB', bytes: chatBytes(`{"a":"${'x'.repeat(20_000_000)}"}`) },
];

async function told(subject: Subject, { bytes = '', leavesAfterMs }: ClientFault): Promise<string> {
  if (leavesAfterMs === undefined) return await seen(subject.port, bytes);
  using client = await connectRaw(subject.port);
  await client.send(bytes);
  await sleep(leavesAfterMs);
  return 'left';
}

async function before(
  fault: ClientFault,
  start: (urls: string[]) => Promise<Subject | undefined>,
): Promise<{ saw: string; blamed: string; recovery: string } | undefined> {
  await using upstream = await startRawUpstream(rawOk());
  await using subject = await start([upstream.url]);
  if (subject === undefined) return undefined;
  const saw = await told(subject, fault);
  const hidden = upstream.heads.some((head) => head.startsWith('GET /hidden'));
  const { own } = subject;
  return {
    saw: hidden ? `${saw}; the hidden request went on` : saw,
    blamed: own === undefined ? '' : await blamed(own),
    recovery: own === undefined ? '' : await recovery(subject.port, chatBytes(JSON_BODY)),
  };
}

export const clientFaults: readonly Scenario[] = FAULTS.map((fault) => ({
  area: 'Clients',
  name: fault.name,
  run: async () => {
    const own = await before(fault, (urls) => startOwn(urls));
    if (own === undefined) throw new Error('gpt-load did not start');
    const nginx = await before(fault, (urls) => startOther('nginx', urls));
    const haproxy = await before(fault, (urls) => startOther('haproxy', urls));
    const others = { ...(nginx && { nginx: nginx.saw }), ...(haproxy && { haproxy: haproxy.saw }) };
    return { ...own, lost: 'its own', ...others };
  },
}));
