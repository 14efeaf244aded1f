// Lines of a worker's log leave in the order in which they were written, few messages for many of
// them, and those that matter at once.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkerLog } from '../../src/serve/worker-log.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function gathering() {
  const sent: string[] = [];
  return { sent, log: new WorkerLog((lines) => sent.push(lines)) };
}

test('lines of requests leave together, a moment later', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { sent, log } = gathering();
  log.gather('a\n');
  await turn();
  log.gather('b\n');
  t.mock.timers.tick(9);
  assert.deepEqual(sent, []);
  t.mock.timers.tick(1);
  assert.deepEqual(sent, ['a\nb\n']);
  log.gather('c\n');
  t.mock.timers.tick(10);
  assert.deepEqual(sent, ['a\nb\n', 'c\n']);
});

test('a line that matters takes along what waits, and leaves with its turn', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { sent, log } = gathering();
  log.gather('a\n');
  log.write('b\n');
  log.gather('c\n');
  log.write('d\n');
  assert.deepEqual(sent, []);
  await turn();
  assert.deepEqual(sent, ['a\nb\nc\nd\n']);
  t.mock.timers.tick(100);
  await turn();
  assert.equal(sent.length, 1, 'nothing is left to be sent');
});

test('once the thread may end, no line waits', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { sent, log } = gathering();
  log.gather('a\n');
  log.end();
  assert.deepEqual(sent, ['a\n']);
  log.gather('b\n');
  await turn();
  assert.deepEqual(sent, ['a\n', 'b\n']);
});

test('many lines do not wait', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { sent, log } = gathering();
  const line = `${'x'.repeat(99)}\n`;
  for (let i = 0; i < 400; i += 1) log.gather(line);
  await turn();
  assert.deepEqual(sent, [line.repeat(400)]);
});

test('a line that matters, written as the others become due, leaves nothing empty behind', async () => {
  const { sent, log } = gathering();
  setTimeout(() => log.write('b\n'), 10);
  log.gather('a\n');
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.ok(!sent.includes(''));
  assert.equal(sent.join(''), 'a\nb\n');
});
