// What the coordinator remembers: the last requests, within bounds of number and of bytes, and what
// can be asked of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TrailQuestion } from '../../src/admin/requests.ts';
import { ownRequestId } from '../../src/log/request-id.ts';
import type { Trail } from '../../src/log/trail.ts';
import { MAX_TRAIL_BYTES, MAX_TRAILS, TrailPages } from '../../src/pool/trails/trail-pages.ts';
import { TrailWriter } from '../../src/pool/trails/trail-writer.ts';
import { TrailMemory } from '../../src/serve/trail-memory.ts';
import { trailWith } from '../pool/trails/trail-fixture.ts';

/** The memory of two workers, and what the coordinator says of it. */
function written(authKey = '') {
  const pages = new TrailPages(TrailPages.create(2));
  const workers = [0, 1].map((id) => new TrailWriter(pages, id, `abcd${id}`));
  const add = (trail: Trail, workerId = 0): void => workers[workerId]?.add(trail);
  return { add, pages, memory: new TrailMemory(pages, authKey) };
}

const ALL = {
  kind: 'list',
  limit: MAX_TRAILS,
  client: undefined,
  group: undefined,
  model: undefined,
  status: undefined,
  sinceId: undefined,
} as const;

async function list(memory: TrailMemory, asked: Partial<Extract<TrailQuestion, { kind: 'list' }>>) {
  const json = await memory.answer({ ...ALL, ...asked });
  const { requests, ...more } = JSON.parse(json ?? '') as {
    requests: { id: string; path: string }[];
    last_id: string | null;
    kept: number;
    dropped: number;
  };
  return { ids: requests.map(({ id }) => id), requests, ...more };
}

test(`it keeps the last ${MAX_TRAILS} requests of all workers`, async () => {
  const { add, memory } = written();
  const total = 2 * MAX_TRAILS + 2_500;
  for (let i = 0; i < total; i += 1) add(trailWith({ id: `r${i}` }), i % 7 === 0 ? 1 : 0);
  const { ids, kept } = await list(memory, {});
  const expected = Array.from({ length: MAX_TRAILS }, (_, i) => `r${total - 1 - i}`);
  assert.deepEqual(ids, expected);
  assert.equal(kept, MAX_TRAILS);
  const forgotten = `r${total - MAX_TRAILS - 1}`;
  assert.equal(await memory.answer({ kind: 'one', id: forgotten }), null);
  assert.notEqual(await memory.answer({ kind: 'one', id: `r${total - 1}` }), null);
});

test('a request is found by an id that its worker made, among those of others', async () => {
  const { add, memory } = written();
  for (let serial = 1; serial <= 70; serial += 1) {
    for (const workerId of [0, 1]) {
      const id = ownRequestId(`abcd${workerId}`, serial);
      add(trailWith({ id, serial, path: `/of-${workerId}` }), workerId);
    }
  }
  for (const workerId of [0, 1]) {
    const id = ownRequestId(`abcd${workerId}`, 7);
    const found = JSON.parse((await memory.answer({ kind: 'one', id })) ?? 'null');
    assert.deepEqual([found?.id, found?.path], [id, `/of-${workerId}`]);
  }
  assert.equal(await memory.answer({ kind: 'one', id: ownRequestId('abcd0', 71) }), null);
  const after = await list(memory, { sinceId: ownRequestId('abcd1', 69) });
  assert.deepEqual(after.ids, [ownRequestId('abcd1', 70), ownRequestId('abcd0', 70)]);
});

test('long paths cost the oldest requests their place, not more memory', async () => {
  const { add, memory, pages } = written();
  for (let i = 0; i < 2 * MAX_TRAILS; i += 1)
    add(trailWith({ path: `/${i}/${'模型 '.repeat(400)}` }));
  const { requests, kept } = await list(memory, {});
  const bytes = requests.reduce((sum, { path }) => sum + Buffer.byteLength(path), 0);
  assert.ok(kept < MAX_TRAILS && kept > 1_000, String(kept));
  assert.equal(requests[0]?.path.startsWith(`/${2 * MAX_TRAILS - 1}/`), true);
  // One page for each worker is beside it.
  const most = MAX_TRAIL_BYTES + 2 * pages.size * Uint32Array.BYTES_PER_ELEMENT;
  assert.ok(bytes > 0.8 * MAX_TRAIL_BYTES && bytes < most, String(bytes));
});

test('requests are found by client, group, model, status and what came before', async () => {
  const { add, memory } = written();
  add(trailWith({ id: 'a', clientName: 'ci', groupName: 'openai', status: 200 }));
  add(trailWith({ id: 'b', model: 'o3', groupName: 'openai', status: 429 }));
  add(trailWith({ id: 'c', client: '10.0.0.9', status: 503 }));
  assert.deepEqual((await list(memory, {})).ids, ['c', 'b', 'a']);
  assert.deepEqual((await list(memory, { client: 'ci' })).ids, ['a']);
  assert.deepEqual((await list(memory, { client: '10.0.0.9' })).ids, ['c']);
  assert.deepEqual((await list(memory, { group: 'openai' })).ids, ['b', 'a']);
  assert.deepEqual((await list(memory, { model: 'o3' })).ids, ['b']);
  assert.deepEqual((await list(memory, { status: { from: 400, to: 499 } })).ids, ['b']);
  assert.deepEqual((await list(memory, { limit: 1 })).ids, ['c']);
  const since = await list(memory, { sinceId: 'a' });
  assert.deepEqual([since.ids, since.last_id], [['c', 'b'], 'c']);
  const nothing = await list(memory, { sinceId: 'c' });
  assert.deepEqual([nothing.ids, nothing.last_id], [[], 'c']);
  assert.deepEqual((await list(memory, { sinceId: 'long gone' })).ids, ['c', 'b', 'a']);
});

test('a request that is over a moment after it was asked for is found', async () => {
  const { add, memory } = written();
  const asked = memory.answer({ kind: 'one', id: 'late' });
  add(trailWith({ id: 'late' }));
  assert.match((await asked) ?? '', /"id":"late"/);
});

test('AUTH_KEY is shown in no trail', async () => {
  const { add, memory } = written('correct horse "battery"');
  add(trailWith({ id: 'a', path: '/v1/correct horse "battery"/models' }));
  const shown = JSON.stringify(await list(memory, {}));
  assert.match(shown, /models/);
  assert.doesNotMatch(shown, /horse/);
});
