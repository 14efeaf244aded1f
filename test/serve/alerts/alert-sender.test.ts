// Alerts on their way: again after a failure, not after a refusal, at most a hundred that wait.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogger } from '../../../src/log/log.ts';
import type { Alert } from '../../../src/policy/alert-message.ts';
import { AlertSender } from '../../../src/serve/alerts/alert-sender.ts';
import type { Refusal } from '../../../src/serve/alerts/webhook.ts';
import { eventually } from '../../support/eventually.ts';

function sender(answers: (Refusal | undefined)[]) {
  const sent: string[] = [];
  let lines = '';
  const log = createLogger({
    level: 'info',
    format: 'text',
    colour: false,
    clock: Date.now,
    write: (line) => {
      lines += line;
    },
  });
  const deliver = async ({ summary }: Alert) => {
    sent.push(summary);
    return answers.shift();
  };
  const pausesMs = [5, 5, 5];
  return { sent, log: () => lines, sender: new AlertSender({ deliver, log, pausesMs }) };
}

function alert(summary: string): Alert {
  return { event: 'upstream_gone', group: 'g', summary, details: [], at: '2026-01-01T00:00:00Z' };
}

const BUSY: Refusal = { why: 'it answered 503', isFinal: false };

test('a failure is tried again, in order, and given up at last', async () => {
  const one = sender([BUSY, BUSY, undefined, BUSY, BUSY, BUSY, BUSY]);
  one.sender.send(alert('a'));
  one.sender.send(alert('b'));
  await eventually('both are over', () => /could not be sent/.test(one.log()));
  assert.deepEqual(one.sent, ['a', 'a', 'a', 'b', 'b', 'b', 'b']);
  assert.match(one.log(), /alert sent/);
});

test('a refusal that is final is not tried again', async () => {
  const one = sender([{ why: 'it answered 404', isFinal: true }]);
  one.sender.send(alert('a'));
  await eventually('it is over', () => /404/.test(one.log()));
  assert.deepEqual(one.sent, ['a']);
});

test('a webhook that names when to come back is not asked sooner', async () => {
  const startedMs = performance.now();
  const one = sender([{ ...BUSY, retryAfterMs: 300 }, undefined]);
  one.sender.send(alert('a'));
  await eventually('it is sent', () => /alert sent/.test(one.log()));
  assert.ok(performance.now() - startedMs >= 290);
});

test('a hundred wait at most, and none after the end', async () => {
  const one = sender(Array.from({ length: 500 }, () => undefined));
  for (let i = 0; i < 150; i += 1) one.sender.send(alert(String(i)));
  await eventually('all are sent', () => one.sent.length >= 101);
  assert.equal(one.sent.length, 101);
  assert.match(one.log(), /too many are waiting/);
  one.sender[Symbol.dispose]();
  one.sender.send(alert('late'));
  assert.equal(one.sent.length, 101);
});
