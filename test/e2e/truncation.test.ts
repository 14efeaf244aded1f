// Faults on the way from the upstream, as the client sees them: truncation looks like truncation,
// and what can still be repaired before the first byte is repaired.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectRaw, rawRequest, requestBytes } from '../support/raw-client.ts';
import * as faults from '../support/raw-faults.ts';
import { type RawHandler, startRawUpstream } from '../support/raw-upstream.ts';
import { startGptLoad } from '../support/start-gpt-load.ts';

const keys = ['sk-test-fault-0123456789abcdef', 'sk-test-fault-fedcba9876543210'];
const stream =
  'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n';
/** Bodies whose only end is the connection's. */
const unframed = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n';
const unframedStream = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n';
const event = 'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n';
const chunk = `${event.length.toString(16)}\r\n${event}\r\n`;
const chat = requestBytes(
  'POST /v1/chat/completions',
  ['Content-Type: application/json'],
  '{"model":"m","stream":true}',
);

/** Asks once through a fresh proxy whose upstream behaves so. */
async function ask(handler: RawHandler, env: Record<string, string> = {}) {
  await using upstream = await startRawUpstream(handler);
  await using proxy = await startGptLoad({ keys, upstreams: [upstream.url], env });
  const answer = await rawRequest(proxy.port, chat);
  const blacklist = JSON.parse((await proxy.ask('/blacklist')).body);
  assert.equal(blacklist.count, 0, 'no key is blamed');
  return { answer, asked: upstream.heads.length };
}

const truncated: readonly (readonly [name: string, handler: RawHandler])[] = [
  ['a chunked stream that is reset', faults.thenReset(`${stream}${chunk}`)],
  ['a chunked stream that is closed without its end', faults.thenClose(`${stream}${chunk}`)],
  ['a body that is shorter than announced', faults.shortBody],
  ['a document without length that is reset', faults.thenReset(`${unframed}{"a":1`)],
  ['a stream without length that is reset', faults.thenReset(`${unframedStream}${event}`)],
];

for (const [name, handler] of truncated) {
  test(`${name} is cut off for the client too, and not asked for again`, async () => {
    const { answer, asked } = await ask(handler);
    assert.equal(answer.status, 200);
    assert.equal(answer.complete, false, 'the client can see that something is missing');
    assert.ok(answer.body.length > 0, 'what came before is passed on');
    assert.equal(asked, 1);
  });
}

const broken: readonly (readonly [name: string, handler: RawHandler])[] = [
  ['half a head', faults.halfHead],
  ['garbage', faults.garbage],
  ['a reset without a byte', faults.thenReset()],
];

for (const [name, handler] of broken) {
  test(`an upstream that answers with ${name} becomes a 502 in OpenAI's shape`, async () => {
    const { answer } = await ask(handler);
    assert.equal(answer.status, 502);
    assert.equal(answer.complete, true);
    const { error } = JSON.parse(answer.body.toString());
    assert.equal(typeof error.message, 'string');
    assert.equal(typeof error.code, 'string');
  });
}

test('an upstream that never answers becomes a 504 in time', async () => {
  const startMs = performance.now();
  const { answer, asked } = await ask(faults.neverAnswers, {
    REQUEST_TIMEOUT: '1',
    RESPONSE_TIMEOUT: '1',
  });
  assert.equal(answer.status, 504);
  assert.equal(asked, 1, 'a timeout is ambiguous: the same upstream is not asked again');
  assert.ok(performance.now() - startMs < 10_000);
});

test('a stream that falls silent is cut after STREAM_IDLE_TIMEOUT', async () => {
  const { answer } = await ask(
    async (exchange) => {
      await exchange.readBody();
      await exchange.send(`${stream}${chunk}`);
      await new Promise((resolve) => exchange.socket.once('close', resolve));
    },
    { STREAM_IDLE_TIMEOUT: '1' },
  );
  assert.equal(answer.complete, false);
  assert.equal(answer.body.toString(), event);
});

test('a kept connection that is reset on reuse is asked again, unseen by the client', async () => {
  await using upstream = await startRawUpstream(faults.resetOnReuse(faults.rawOk()));
  await using proxy = await startGptLoad({ keys, upstreams: [upstream.url] });
  using client = await connectRaw(proxy.port);
  for (let i = 0; i < 3; i += 1) {
    await client.send(chat);
    assert.equal((await client.answer()).status, 200, `request ${i}`);
  }
  const stats = JSON.parse((await proxy.ask('/stats')).body);
  assert.equal(stats.keys.healthy, keys.length);
});

test('a body without length that ends in the orderly way is whole', async () => {
  const { answer } = await ask(faults.thenClose(`${unframedStream}${event}`));
  assert.equal(answer.complete, true);
  assert.equal(answer.body.toString(), event);
});

test('an answer that drips in byte by byte arrives whole', async () => {
  const { answer } = await ask(faults.slowDrip(`${stream}${chunk}0\r\n\r\n`, 7, 2));
  assert.equal(answer.complete, true);
  assert.equal(answer.body.toString(), event);
});
