// What the conductor decides, request by request: which key next, what the client gets, who is
// blamed, and that nothing is held afterwards. Attempts are scripted; everything else is real.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { bestOfThree } from '../support/best-of-three.ts';
import { eventually } from '../support/eventually.ts';
import { type Harness, proxyHarness, type Step } from '../support/proxy-harness.ts';
import { connectRaw, rawRequest, requestBytes, valuesOf } from '../support/raw-client.ts';

const BODY = '{"model":"m","messages":[]}';
const CHAT = requestBytes('POST /v1/chat/completions', ['Content-Type: application/json'], BODY);

const OK: Step = { kind: 'answer', status: 200, chunks: ['{"ok":true}'] };
const error = (status: number, code: string, fields: readonly string[] = []): Step => {
  const text = JSON.stringify({ error: { message: 'no', type: 'x', param: null, code } });
  return { kind: 'answer', status, fields, chunks: [text] };
};
const DEAD = error(401, 'invalid_api_key');
const BUSY = error(429, 'rate_limit_exceeded', ['Retry-After', '7']);
const NO_ACCESS = error(403, 'model_not_found');
const BROKEN = error(500, 'server_error');
const WRONG = error(400, 'bad_request');
const RESET: Step = { kind: 'fault', code: 'reset' };
const STREAM = ['Content-Type', 'text/event-stream'];
const EVENT = 'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n';

/** Permits, leases and streams come back a moment after the answer. */
async function nothingHeld(proxy: Harness): Promise<void> {
  await eventually('nothing is held', () => {
    const { inFlight, openLeases, openStreams } = proxy.held();
    return inFlight === 0 && openLeases === 0 && openStreams === 0;
  });
}

/** Keys of the attempts by their letter. */
const keysOf = (proxy: Harness) => proxy.sent.map(({ key }) => key.charAt('sk-test-'.length));

const goesOn: readonly (readonly [string, Step])[] = [
  ['a dead key', DEAD],
  ['a limited key', BUSY],
  ['a key without access', NO_ACCESS],
  ['an error of the upstream', BROKEN],
  ['a fault on the way', RESET],
];

for (const [name, step] of goesOn) {
  test(`proxy goes on with the next key after ${name}, with the same body`, async () => {
    await using proxy = await proxyHarness([step, OK], {
      env: { OPENAI_BASE_URL: 'http://one.test,http://two.test' },
    });
    const answer = await rawRequest(proxy.port, CHAT);
    assert.equal(answer.status, 200);
    assert.equal(answer.body.toString(), '{"ok":true}');
    assert.deepEqual(keysOf(proxy), ['a', 'b']);
    for (const { body, path } of proxy.sent) {
      assert.equal(body, BODY);
      assert.equal(path, '/v1/chat/completions');
    }
    await nothingHeld(proxy);
  });

  test(`proxy gives the client what the last attempt brought: ${name}`, async () => {
    await using proxy = await proxyHarness([step], { env: { MAX_RETRIES: '0' } });
    const answer = await rawRequest(proxy.port, CHAT);
    assert.equal(proxy.sent.length, 1);
    assert.equal(answer.status, step.kind === 'answer' ? step.status : 502);
    const body = answer.body.toString();
    if (step.kind === 'answer') assert.equal(body, step.chunks?.[0]);
    else assert.equal(JSON.parse(body).error.code, 'upstream_unreachable');
    await nothingHeld(proxy);
  });
}

test('proxy passes a mistake of the client on, once, and blames nobody', async () => {
  await using proxy = await proxyHarness([WRONG]);
  const answer = await rawRequest(proxy.port, CHAT);
  assert.equal(answer.status, 400);
  assert.equal(proxy.sent.length, 1);
  assert.equal(proxy.keys().healthy, 2);
  assert.deepEqual(proxy.failures(), [0]);
  await nothingHeld(proxy);
});

test('proxy blacklists a dead key and lets a limited one rest', async () => {
  await using proxy = await proxyHarness([DEAD, BUSY, OK], {
    keys: ['sk-test-a-0123456789', 'sk-test-b-0123456789', 'sk-test-c-0123456789'],
  });
  assert.equal((await rawRequest(proxy.port, CHAT)).status, 200);
  const { blacklisted, restingForModel } = proxy.keys();
  assert.deepEqual({ blacklisted, restingForModel }, { blacklisted: 1, restingForModel: 1 });
});

test('proxy says when the first key returns, and that none will', async () => {
  await using limited = await proxyHarness([BUSY]);
  await rawRequest(limited.port, CHAT);
  const busy = await rawRequest(limited.port, CHAT);
  assert.equal(busy.status, 429);
  assert.equal(JSON.parse(busy.body.toString()).error.code, 'all_keys_resting');
  const [seconds] = valuesOf(busy, 'retry-after');
  // Whole seconds, rounded up from a moment that is itself rounded up to the table's clock.
  assert.ok(Number(seconds) >= 7 && Number(seconds) <= 8, seconds);
  await bestOfThree(async () => {
    await using dead = await proxyHarness([DEAD]);
    const startMs = performance.now();
    await rawRequest(dead.port, CHAT);
    // Half-open: one request a second may try the key that failed longest ago.
    await rawRequest(dead.port, CHAT);
    const none = await rawRequest(dead.port, CHAT);
    const tookMs = performance.now() - startMs;
    if (tookMs > 800) return `three requests took ${tookMs} ms`;
    assert.equal(none.status, 503);
    assert.equal(JSON.parse(none.body.toString()).error.code, 'no_usable_key');
    return undefined;
  });
});

test('proxy refuses one request more than MAX_CONCURRENT_REQUESTS', async () => {
  await using proxy = await proxyHarness([{ kind: 'silence' }], {
    env: { MAX_CONCURRENT_REQUESTS: '1' },
  });
  using first = await connectRaw(proxy.port);
  await first.send(CHAT);
  await eventually('the first is under way', () => proxy.sent.length === 1);
  const second = await rawRequest(proxy.port, CHAT);
  assert.equal(second.status, 429);
  assert.equal(JSON.parse(second.body.toString()).error.code, 'concurrency_limit');
  assert.deepEqual(valuesOf(second, 'retry-after'), ['1']);
});

test('proxy never asks again once the client has a byte: the cut shows', async () => {
  const half: Step = { kind: 'answer', status: 200, chunks: ['{"ok"'], ending: 'cut' };
  await using proxy = await proxyHarness([half, OK]);
  const answer = await rawRequest(proxy.port, CHAT);
  assert.equal(answer.complete, false);
  assert.equal(proxy.sent.length, 1);
  await eventually('the upstream is blamed', () => proxy.failures()[0] === 1);
  assert.equal(proxy.keys().healthy, 2);
  await nothingHeld(proxy);
});

test('proxy tries another key when a stream opens with an error, unseen by the client', async () => {
  const text =
    'data: {"error":{"message":"no","type":"rate_limit_error","code":"rate_limit_exceeded"}}\n\n';
  const refused: Step = { kind: 'answer', status: 200, fields: STREAM, chunks: [text] };
  const fine: Step = { kind: 'answer', status: 200, fields: STREAM, chunks: [EVENT] };
  await using proxy = await proxyHarness([refused, fine]);
  const answer = await rawRequest(proxy.port, CHAT);
  assert.equal(answer.body.toString(), EVENT);
  assert.deepEqual(keysOf(proxy), ['a', 'b']);
  await nothingHeld(proxy);
});

test("an answer that was kept and breaks off is its own attempt's fault, not a later one's", async () => {
  // Longer than what is held of an error, so that a part of it is still to come.
  const long = error(500, 'x'.repeat(70_000));
  const kept: Step = { ...(long as Extract<Step, { kind: 'answer' }>), ending: 'open' };
  await using proxy = await proxyHarness([kept, RESET, RESET, RESET], {
    env: { OPENAI_BASE_URL: 'http://one.test,http://two.test', MAX_RETRIES: '1' },
  });
  using client = await connectRaw(proxy.port);
  await client.send(CHAT);
  await eventually('both attempts were made', () => proxy.sent.length === 2);
  const [first, second] = proxy.sent;
  assert.notEqual(first?.upstream, second?.upstream);
  await sleep(50);
  const before = proxy.failures();
  first?.cut();
  assert.equal((await client.answer()).complete, false);
  const brokeOff = await eventually('the cut is logged', () =>
    proxy.lines.find(({ msg, message }) => (msg ?? message) === 'answer cut short'),
  );
  assert.equal(brokeOff.upstream, first?.upstream);
  const blamed = proxy.failures().map((failures, i) => failures - (before[i] ?? 0));
  assert.deepEqual(blamed, first?.upstream.includes('one') ? [1, 0] : [0, 1]);
  await nothingHeld(proxy);
});

const waits: readonly (readonly [string, readonly Step[]])[] = [
  ['for an answer', [{ kind: 'silence' }]],
  ['for the rest of an error', [{ kind: 'answer', status: 500, chunks: ['{'], ending: 'open' }]],
  [
    'for the first event of a stream',
    [{ kind: 'answer', status: 200, fields: STREAM, chunks: [': hi\n\n'], ending: 'open' }],
  ],
  [
    'for the rest of a stream',
    [{ kind: 'answer', status: 200, fields: STREAM, chunks: [EVENT], ending: 'open' }],
  ],
  ['for the rest of a document', [{ kind: 'answer', status: 200, chunks: ['{'], ending: 'open' }]],
];

for (const [what, script] of waits) {
  test(`a client that leaves while it waits ${what} ends the attempt, and nobody is blamed`, async () => {
    await using proxy = await proxyHarness(script);
    const client = await connectRaw(proxy.port);
    await client.send(CHAT);
    await eventually('the request is under way', () => proxy.sent.length === 1);
    await sleep(30);
    client.destroy();
    await nothingHeld(proxy);
    assert.equal(proxy.sent.length, 1);
    assert.equal(proxy.keys().healthy, 2);
    assert.deepEqual(proxy.failures(), [0]);
  });
}

test('a client that leaves during the pause before another attempt is not asked for again', async () => {
  const pausing = error(500, 'server_error', ['Retry-After', '2']);
  await using proxy = await proxyHarness([pausing]);
  const client = await connectRaw(proxy.port);
  await client.send(CHAT);
  await eventually('the pause has begun', () => proxy.sent.length === 1);
  await sleep(20);
  client.destroy();
  await nothingHeld(proxy);
  await sleep(2_300);
  assert.equal(proxy.sent.length, 1);
});

test('a client that leaves while it sends its body costs no attempt', async () => {
  await using proxy = await proxyHarness([OK]);
  const client = await connectRaw(proxy.port);
  await client.send(CHAT.subarray(0, CHAT.length - 5));
  await eventually('it is being read', () => proxy.held().inFlight === 1);
  client.destroy();
  await nothingHeld(proxy);
  assert.equal(proxy.sent.length, 0);
});
