// The bitmap against a plain set of numbers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bitmap, bitmapBytes } from '../../../src/pool/table/bitmap.ts';

function makeBitmap(capacity: number): Bitmap {
  return new Bitmap(new SharedArrayBuffer(bitmapBytes(capacity)), 0, capacity);
}

/** The first member at `from` or after it, round the end. */
function nextOf(members: ReadonlySet<number>, from: number): number {
  const sorted = [...members].sort((a, b) => a - b);
  return sorted.find((row) => row >= from) ?? sorted[0] ?? -1;
}

test('bitmap finds what a set of numbers finds, at every size', () => {
  const step = fc.record({ add: fc.boolean(), row: fc.nat(), from: fc.nat() });
  fc.assert(
    fc.property(
      fc.constantFrom(1024, 2048, 32_768, 65_536, 2 ** 21),
      fc.array(step, { maxLength: 60 }),
      (capacity, steps) => {
        const bitmap = makeBitmap(capacity);
        const members = new Set<number>();
        for (const { add, row, from } of steps) {
          // Half the rows crowd at word and block edges, where the levels meet.
          const place =
            (row % 2 === 0 ? row : Math.round(row / 1024) * 1024 - (row % 3)) % capacity;
          const at = Math.max(0, place);
          if (add) members.add(at);
          else members.delete(at);
          if (add) bitmap.add(at);
          else bitmap.delete(at);
          assert.equal(bitmap.has(at), add);
          assert.equal(bitmap.next(from % capacity), nextOf(members, from % capacity));
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('bitmap finds the only member of two million from everywhere', () => {
  const bitmap = makeBitmap(2 ** 21);
  for (const row of [0, 31, 32, 1023, 1024, 32_767, 32_768, 1_048_575, 2 ** 21 - 1]) {
    bitmap.add(row);
    for (const from of [0, 1, 31, 32, 1024, 32_768, 1_048_576, 2 ** 21 - 1, 2 ** 21]) {
      assert.equal(bitmap.next(from), row);
    }
    bitmap.delete(row);
    assert.equal(bitmap.next(0), -1);
  }
});

test('bitmap takes all of another and keeps its own', () => {
  const one = makeBitmap(65_536);
  const other = makeBitmap(65_536);
  one.add(5);
  other.add(40_000);
  one.addAll(other);
  assert.deepEqual([one.next(0), one.next(6)], [5, 40_000]);
  one.clear();
  assert.equal(one.next(0), -1);
  assert.equal(other.next(0), 40_000);
});

test('repair makes members findable that a thread left hidden when it died', () => {
  const capacity = 65_536;
  const buffer = new SharedArrayBuffer(bitmapBytes(capacity));
  const bitmap = new Bitmap(buffer, 0, capacity);
  const rows = [5, 1_500, 40_000];
  for (const row of rows) bitmap.add(row);
  // As if killed between the lowest level and those above it.
  new Int32Array(buffer).fill(0, capacity / 32);
  assert.equal(bitmap.next(6), 5);
  assert.equal(bitmap.next(1_600), 5);
  bitmap.repair();
  assert.deepEqual(
    rows.map((row) => bitmap.next(row - 1)),
    rows,
  );
  bitmap.delete(5);
  assert.equal(bitmap.next(0), 1_500);
});
