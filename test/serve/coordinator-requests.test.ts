// Many ask at once: a question that is always the same may share an answer, one with parameters
// never does.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { CoordinatorRequests } from '../../src/serve/coordinator-requests.ts';
import type { FromWorker } from '../../src/serve/worker-protocol.ts';

const many = 200;

function openRequests(areAlike: boolean) {
  const { port1, port2 } = new MessageChannel();
  port2.on('message', () => {});
  const close = () => port1.close();
  return { requests: new CoordinatorRequests<string>(port1, areAlike), close };
}

const question = (id: number): FromWorker => ({
  kind: 'ask',
  id,
  question: { about: 'trails', trails: { kind: 'one', id: String(id) } },
});

test('each of many questions of its own gets its own answer, or is refused', async () => {
  const { requests, close } = openRequests(false);
  const answers = Array.from({ length: many }, () => requests.ask(question));
  const settled = Promise.allSettled(answers);
  for (let id = 1; id <= many; id += 1) requests.answered(id, `answer ${id}`);
  const given = (await settled).filter(({ status }) => status === 'fulfilled');
  assert.ok(given.length > 1 && given.length < many, String(given.length));
  const distinct = new Set(given.map((one) => 'value' in one && one.value));
  assert.equal(distinct.size, given.length);
  const next = requests.ask(question);
  for (let id = 1; id <= 2 * many; id += 1) requests.answered(id, 'room again');
  assert.equal(await next, 'room again');
  close();
});

test('questions that are always the same share the last answer', async () => {
  const { requests, close } = openRequests(true);
  const answers = Array.from({ length: many }, () =>
    requests.ask((id) => ({ kind: 'list_models', id })),
  );
  assert.ok(new Set(answers).size < many);
  for (let id = 1; id <= many; id += 1) requests.answered(id, 'models');
  assert.deepEqual(new Set(await Promise.all(answers)), new Set(['models']));
  close();
});
