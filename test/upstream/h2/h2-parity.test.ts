// One table, two protocols: the same server must look the same over HTTP/2 and HTTP/1.1, by status,
// fields, bytes, trailers and faults; and what it receives must be the same request.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import type { Outcome, UpstreamRequest } from '../../../src/upstream/transport.ts';
import { type H2Client, h2Client, h2Request, h2Server } from '../../support/h2-harness.ts';
import { freePort, needs, startPeer } from '../../support/peer-process.ts';
import { fixturePath } from '../../support/tls-fixture.ts';

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse & Http2ServerResponse;

/** Fields that belong to one protocol or one moment, or that a real reverse proxy adds. */
const NOT_COMPARED = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'date',
  'via',
  'server',
]);

const HANDLERS: Record<string, (request: Request, response: Response) => unknown> = {
  echo: async (request, response) => {
    const body = await buffer(request);
    const { method, url, headers, trailers } = request;
    const seen = Object.entries(headers).filter(
      ([name]) => !/^(:|host$|connection$|transfer-encoding$|via$|x-forwarded)/.test(name),
    );
    const host = headers[':authority'] ?? headers.host;
    response.setHeader('content-type', 'application/json');
    response.setHeader('set-cookie', ['a=1', 'b=2']);
    response.setHeader('x-latin', 'caf\u00e9');
    const seenText = { method, url, host, seen: seen.sort(), trailers, body: digest(body) };
    // As bytes: in front of a text Node would write the fields as UTF-8.
    response.end(Buffer.from(JSON.stringify(seenText)));
  },
  big: (_request, response) => response.end(Buffer.alloc(3_000_000, 'x')),
  empty: (_request, response) => {
    response.statusCode = 204;
    response.end();
  },
  error: (_request, response) => {
    response.statusCode = 429;
    response.setHeader('retry-after', '7');
    response.end('{"error":{"message":"slow down"}}');
  },
  stream: (_request, response) => {
    response.setHeader('content-type', 'text/event-stream');
    let n = 0;
    const timer = setInterval(() => {
      response.write(`data: ${n}\n\n`);
      n += 1;
      if (n < 3) return;
      clearInterval(timer);
      response.end('data: [DONE]\n\n');
    }, 5);
  },
  trailers: (_request, response) => {
    response.setHeader('trailer', 'x-check');
    response.write('body');
    response.addTrailers({ 'x-check': 'sum' });
    response.end();
  },
  early: (_request, response) => {
    response.statusCode = 413;
    response.end('too large');
  },
  cut: (_request, response) => {
    response.setHeader('content-length', '10');
    response.write('half');
    setTimeout(() => response.destroy(new Error('cut')), 300);
  },
};

function digest(bytes: Buffer): string {
  const short = bytes.length < 500;
  return short
    ? bytes.toString()
    : `${bytes.length} ${createHash('sha1').update(bytes).digest('hex')}`;
}

function serve(request: Request, response: Response): void {
  const name = /^\/([a-z]+)/.exec(request.url ?? '')?.[1] ?? '';
  if ('stream' in response && response.stream) response.stream.on('error', () => undefined);
  HANDLERS[name]?.(request, response);
}

interface Case {
  readonly name: string;
  readonly request: () => Partial<UpstreamRequest>;
}

const post = { method: 'POST', bodyExpected: true };
const CASES: readonly Case[] = [
  {
    name: 'GET with repeated and unusual fields',
    request: () => ({ path: '/echo?a=%20&b', fields: FIELDS }),
  },
  {
    name: 'POST in one piece',
    request: () => ({ ...post, path: '/echo', chunks: [Buffer.from('{"a":1}')] }),
  },
  { name: 'POST in pieces', request: () => ({ ...post, path: '/echo', chunks: pieces(5, 1000) }) },
  { name: 'POST without a body', request: () => ({ ...post, path: '/echo' }) },
  { name: 'DELETE', request: () => ({ method: 'DELETE', path: '/echo' }) },
  { name: 'HEAD', request: () => ({ method: 'HEAD', path: '/big' }) },
  {
    name: 'a body of 3 MB',
    request: () => ({ ...post, path: '/echo', chunks: pieces(30, 100_000) }),
  },
  {
    name: 'a streamed body of unknown length',
    request: () => ({
      ...post,
      path: '/echo',
      chunks: pieces(1, 10),
      source: Readable.from(pieces(9, 999)),
    }),
  },
  {
    name: 'a streamed body of known length',
    request: () => ({
      ...post,
      path: '/echo',
      source: Readable.from(pieces(9, 999)),
      sourceLength: 8991,
    }),
  },
  { name: 'an answer of 3 MB', request: () => ({ path: '/big' }) },
  { name: 'an answer without content', request: () => ({ path: '/empty' }) },
  { name: 'an error with Retry-After', request: () => ({ path: '/error' }) },
  { name: 'an event stream', request: () => ({ path: '/stream' }) },
  {
    name: 'an answer before the request was read',
    request: () => ({ ...post, path: '/early', chunks: pieces(1, 10) }),
  },
  { name: 'a body that is cut off', request: () => ({ path: '/cut' }) },
  { name: 'silence', request: () => ({ path: '/silence', headersTimeoutMs: 300 }) },
];
const TRAILERS: readonly Case[] = [
  { name: 'trailers of an answer', request: () => ({ path: '/trailers' }) },
  {
    name: 'trailers of a request',
    request: () => ({ ...post, path: '/echo', chunks: pieces(2, 10), trailers: ['X-Sum', '1'] }),
  },
];

const FIELDS = [
  ...['Host', 'upstream.test:8443', 'Authorization', 'Bearer sk-test', 'X-Repeated', 'one'],
  ...['X-Repeated', 'two', 'Accept', '*/*', 'X-Latin', 'na\u00efve', 'X-Empty', ''],
];

function pieces(count: number, bytes: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => Buffer.alloc(bytes, 97 + (i % 26)));
}

/** An outcome as plain data, without what the protocols cannot have in common. */
async function facts(outcome: Outcome): Promise<unknown> {
  if (outcome.kind === 'fault') return { fault: outcome.code, sent: outcome.sent };
  const chunks: Buffer[] = [];
  const { body } = outcome;
  const end = new Promise((resolve) => {
    body.on('data', (chunk: Buffer) => chunks.push(chunk));
    body
      .on('error', () => resolve(undefined))
      .on('close', resolve)
      .on('end', resolve);
  });
  await end;
  const fields: string[] = [];
  for (let i = 0; i < outcome.rawHeaders.length; i += 2) {
    const name = (outcome.rawHeaders[i] as string).toLowerCase();
    if (!NOT_COMPARED.has(name)) fields.push(`${name}: ${outcome.rawHeaders[i + 1]}`);
  }
  return {
    status: outcome.status,
    message: outcome.statusMessage,
    fields: fields.filter((field) => !field.startsWith('content-length')).sort(),
    body: digest(Buffer.concat(chunks)),
    trailers: outcome.trailers(),
    complete: outcome.complete(),
  };
}

async function compare(client: H2Client, { name, request }: Case): Promise<void> {
  const over2 = await facts(await client.send(request()));
  const over1 = await facts(await client.http1.send(client.upstream, h2Request(request())).outcome);
  assert.deepEqual(over2, over1, name);
}

test('the same server looks the same over HTTP/2 and HTTP/1.1', async (t) => {
  await using server = await h2Server({ allowHTTP1: true });
  server.server.on('request', serve as never);
  using client = h2Client(server.port);
  for (const each of [...CASES, ...TRAILERS]) await t.test(each.name, () => compare(client, each));
  assert.equal(client.transport.sessionCount(client.upstream), 1);
});

test('nghttpx looks the same over HTTP/2 and HTTP/1.1', needs('nghttpx'), async (t) => {
  const backend = createServer(serve as never).listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const { port: backendPort } = backend.address() as AddressInfo;
  const port = await freePort();
  const args = [`-f127.0.0.1,${port}`, `-b127.0.0.1,${backendPort}`, '--workers=1', '--no-ocsp'];
  const files = [fixturePath('server.key'), fixturePath('server.pem')];
  {
    await using _peer = await startPeer('nghttpx', [...args, ...files], port);
    using client = h2Client(port);
    for (const each of CASES) await t.test(each.name, () => compare(client, each));
    const many = Array.from({ length: 500 }, async () =>
      facts(await client.send({ path: '/error' })),
    );
    assert.equal(new Set((await Promise.all(many)).map((each) => JSON.stringify(each))).size, 1);
    const sessions = client.transport.sessionCount(client.upstream);
    assert.ok(sessions >= 1 && sessions <= 5, `${sessions} connections`);
  }
  backend.closeAllConnections();
  backend.close();
});
