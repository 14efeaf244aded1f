// A key's text is kept for as long as its row holds the key, and not a moment longer.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyNames, makePool, NOW } from './pool-fixture.ts';

test('a row that changes hands gives its new key at once, however often', () => {
  const { use, load } = makePool({ keys: keyNames(3) });
  for (let round = 0; round < 1_000; round += 1) {
    const keys = [0, 1, 2].map((i) => `key-${round}-${i}`);
    load(keys, NOW + round);
    const used = new Set([use(), use(), use(), use(), use(), use()]);
    assert.deepEqual([...used].toSorted(), keys);
  }
});

test('more keys than are kept as texts are each used in turn', () => {
  const keys = keyNames(2_500);
  const { use } = makePool({ keys, capacity: 4_096 });
  for (let round = 0; round < 2; round += 1) {
    assert.deepEqual(new Set(keys.map(() => use())), new Set(keys));
  }
});

test('a lease shows its key shortened', () => {
  const { must } = makePool({ keys: ['sk-0123456789abcdef'] });
  const previews = [must().keyPreview, must().keyPreview];
  assert.deepEqual(previews, ['sk-0...cdef', 'sk-0...cdef']);
});
