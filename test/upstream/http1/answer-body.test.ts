// A body with a reader that pauses and goes on: every byte arrives in order, and its connection is
// told when to stop and when to go on.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { AnswerBody } from '../../../src/upstream/http1/answer-body.ts';

test('a body goes on after a reader has paused, whatever had passed before', async () => {
  let isPaused = false;
  const body = new AnswerBody({
    resumeBody: () => {
      isPaused = false;
    },
    abandonBody: () => assert.fail('nobody gave up'),
  });
  let seen = '';
  body.on('data', (chunk: Buffer) => {
    seen += chunk;
    if (seen.length % 3 === 0) body.pause();
  });
  let sent = '';
  for (let i = 0; i < 60_000; i += 1) {
    if (isPaused) body.resume();
    while (isPaused) await new Promise((resolve) => setImmediate(resolve));
    const piece = String(i % 10);
    sent += piece;
    if (!body.deliver(Buffer.from(piece.repeat(1)))) isPaused = true;
    if (i % 7 === 0) body.resume();
    if (i % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  body.end();
  const over = once(body, 'end');
  body.removeAllListeners('data').on('data', (chunk: Buffer) => {
    seen += chunk;
  });
  body.resume();
  await over;
  assert.equal(seen, sent);
});

test('a body whose reader has paused asks for a stop, and for more once it reads again', async () => {
  const calls: string[] = [];
  const body = new AnswerBody({
    resumeBody: () => void calls.push('more'),
    abandonBody: () => undefined,
  });
  body.on('data', () => undefined);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(body.deliver(Buffer.alloc(10)), true);
  body.pause();
  const piece = Buffer.alloc(48 * 1024);
  assert.equal(body.deliver(piece), true);
  assert.equal(body.deliver(piece), false);
  calls.length = 0;
  body.resume();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([...new Set(calls)], ['more']);
});
