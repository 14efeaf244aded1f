// What the coordinator remembers: the last requests, within bounds of number and of bytes, and what
// can be asked of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TrailQuestion } from '../../src/admin/requests.ts';
import { ownRequestId } from '../../src/log/request-id.ts';
import type { Trail } from '../../src/log/trail.ts';
import { TrailSheet } from '../../src/log/trail-sheet.ts';
import { MAX_TRAIL_BYTES, MAX_TRAILS, TrailMemory } from '../../src/serve/trail-memory.ts';
import { trailWith } from '../log/trail-fixture.ts';

const sheet = new TrailSheet();

function batchOf(...trails: readonly Trail[]) {
  for (const trail of trails) assert.ok(sheet.write(trail));
  return { ...sheet.take(), dropped: 0 };
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

for (const size of [1, 50, 700]) {
  test(`it keeps the last ${MAX_TRAILS} requests, of batches of ${size}`, async () => {
    const memory = new TrailMemory('');
    const total = MAX_TRAILS + 2_500;
    for (let from = 0; from < total; from += size) {
      const count = Math.min(size, total - from);
      const trails = Array.from({ length: count }, (_, i) => trailWith({ id: `r${from + i}` }));
      memory.take(batchOf(...trails));
    }
    const { ids, kept } = await list(memory, {});
    const expected = Array.from({ length: MAX_TRAILS }, (_, i) => `r${total - 1 - i}`);
    assert.deepEqual(ids, expected);
    assert.equal(kept, MAX_TRAILS);
    const forgotten = `r${total - MAX_TRAILS - 1}`;
    assert.equal(await memory.answer({ kind: 'one', id: forgotten }), null);
    assert.notEqual(await memory.answer({ kind: 'one', id: `r${total - 1}` }), null);
  });
}

test('a request is found by an id that its worker made, among those of others', async () => {
  const memory = new TrailMemory('');
  for (const prefix of ['abcd0', 'abcd1']) {
    const own = new TrailSheet(prefix);
    for (let serial = 1; serial <= 70; serial += 1) {
      own.write(trailWith({ id: ownRequestId(prefix, serial), serial, path: `/${prefix}` }));
      // The latter come in many small batches, which are merged.
      if (prefix === 'abcd1') memory.take({ ...own.take(), dropped: 0 });
    }
    if (prefix === 'abcd0') memory.take({ ...own.take(), dropped: 0 });
  }
  for (const prefix of ['abcd0', 'abcd1']) {
    const id = ownRequestId(prefix, 7);
    const found = JSON.parse((await memory.answer({ kind: 'one', id })) ?? 'null');
    assert.deepEqual([found?.id, found?.path], [id, `/${prefix}`]);
  }
  assert.equal(await memory.answer({ kind: 'one', id: ownRequestId('abcd0', 71) }), null);
  const after = await list(memory, { sinceId: ownRequestId('abcd1', 68) });
  assert.deepEqual(after.ids, [ownRequestId('abcd1', 70), ownRequestId('abcd1', 69)]);
});

test('long paths cost the oldest requests their place, not more memory', async () => {
  const memory = new TrailMemory('');
  for (let i = 0; i < MAX_TRAILS; i += 50) {
    const path = (j: number) => `/${i + j}/${'x y '.repeat(300)}`;
    memory.take(batchOf(...Array.from({ length: 50 }, (_, j) => trailWith({ path: path(j) }))));
  }
  const { requests, kept } = await list(memory, {});
  const bytes = requests.reduce((sum, { path }) => sum + 2 * path.length, 0);
  assert.ok(kept < MAX_TRAILS && kept > 1_000, String(kept));
  assert.ok(bytes < MAX_TRAIL_BYTES, String(bytes));
});

test('requests are found by client, group, model, status and what came before', async () => {
  const memory = new TrailMemory('');
  memory.take(
    batchOf(
      trailWith({ id: 'a', clientName: 'ci', groupName: 'openai', status: 200 }),
      trailWith({ id: 'b', model: 'o3', groupName: 'openai', status: 429 }),
      trailWith({ id: 'c', client: '10.0.0.9', status: 503 }),
    ),
  );
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

test('a request that is reported a moment later is found', async () => {
  const memory = new TrailMemory('');
  const asked = memory.answer({ kind: 'one', id: 'late' });
  memory.take(batchOf(trailWith({ id: 'late' })));
  assert.match((await asked) ?? '', /"id":"late"/);
});

test('AUTH_KEY is shown in no trail', async () => {
  const memory = new TrailMemory('correct horse "battery"');
  const path = '/v1/correct horse "battery"/models';
  memory.take(batchOf(trailWith({ id: 'a', path })));
  assert.doesNotMatch(JSON.stringify(await list(memory, {})), /horse/);
});
