// When the state is written, with a clock turned by hand and a file that can refuse.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StateRow } from '../../../src/store/sqlite/state-store.ts';
import {
  MAX_UNSAVED_ROWS,
  StateWriter,
  WRITE_INTERVAL_MS,
} from '../../../src/store/sqlite/state-writer.ts';

const ROW: StateRow = {
  group: 'default',
  keyId: 'id',
  model: '',
  state: 'dead',
  reason: 'invalid_key',
  untilMs: 0,
  sinceMs: 1,
  restCount: 0,
  deadCount: 1,
};

/** A clock that a test turns by hand; one pending call, as the writer promises. */
class Clock {
  nowMs = 0;
  pending: { atMs: number; act: () => void } | null = null;
  readonly now = () => this.nowMs;
  readonly timeout = (act: () => void, delayMs: number) => {
    assert.equal(this.pending, null);
    this.pending = { atMs: this.nowMs + delayMs, act };
    return () => {
      this.pending = null;
    };
  };

  turnTo(atMs: number): void {
    while (this.pending !== null && this.pending.atMs <= atMs) {
      const { act, atMs: dueMs } = this.pending;
      this.pending = null;
      this.nowMs = dueMs;
      act();
    }
    this.nowMs = atMs;
  }
}

function rig() {
  const clock = new Clock();
  const source = {
    dirty: [] as StateRow[],
    asked: [] as boolean[],
    changes(everything: boolean) {
      this.asked.push(everything);
      return this.dirty.splice(0);
    },
  };
  const sink = {
    persistent: true,
    era: 0,
    works: true,
    batches: [] as { atMs: number; rows: StateRow[] }[],
    write(rows: Iterable<StateRow>) {
      if (this.works) this.batches.push({ atMs: clock.nowMs, rows: [...rows] });
      return this.works;
    },
  };
  const writer = new StateWriter(sink, source, clock);
  writer.start();
  return { clock, source, sink, writer };
}

test('state writer writes at most once a second and loses nothing older than that', () => {
  const { clock, source, sink } = rig();
  const changedAtMs: number[] = [];
  for (let ms = 0; ms < 10_000; ms += 37) {
    source.dirty.push({ ...ROW, sinceMs: ms });
    changedAtMs.push(ms);
    clock.turnTo(ms);
  }
  for (const [index, { atMs, rows }] of sink.batches.entries()) {
    const before = sink.batches[index - 1]?.atMs ?? -WRITE_INTERVAL_MS;
    assert.ok(atMs - before >= WRITE_INTERVAL_MS);
    for (const row of rows) assert.ok(atMs - row.sinceMs <= WRITE_INTERVAL_MS);
  }
  assert.ok(sink.batches.length >= 9);
});

test('state writer writes nothing while nothing changes', () => {
  const { clock, sink } = rig();
  clock.turnTo(60_000);
  assert.deepEqual(sink.batches, []);
});

test('state writer stores the first change after a pause within a fifth of a second', () => {
  const { clock, source, sink } = rig();
  clock.turnTo(5_050);
  source.dirty.push(ROW);
  clock.turnTo(5_300);
  assert.equal(sink.batches.length, 1);
});

test('state writer writes the last batch when it stops and nothing afterwards', () => {
  const { clock, source, sink, writer } = rig();
  source.dirty.push(ROW);
  assert.equal(writer.stop(), true);
  assert.equal(sink.batches.length, 1);
  source.dirty.push(ROW);
  clock.turnTo(60_000);
  assert.equal(sink.batches.length, 1);
});

test('state writer tries again, in order, what a full disk refused', () => {
  const { clock, source, sink } = rig();
  sink.works = false;
  source.dirty.push({ ...ROW, deadCount: 1 });
  clock.turnTo(1_000);
  source.dirty.push({ ...ROW, deadCount: 2 });
  clock.turnTo(3_000);
  sink.works = true;
  clock.turnTo(5_000);
  assert.deepEqual(
    sink.batches.map((batch) => batch.rows.map((row) => row.deadCount)),
    [[1, 2]],
  );
});

test('state writer keeps no more than its limit and then asks for everything', () => {
  const { clock, source, sink } = rig();
  sink.works = false;
  source.dirty = new Array<StateRow>(MAX_UNSAVED_ROWS + 1).fill(ROW);
  clock.turnTo(1_500);
  assert.equal(source.asked.at(-1), true);
  sink.works = true;
  source.dirty = [ROW];
  clock.turnTo(3_000);
  assert.deepEqual(
    sink.batches.map((batch) => batch.rows.length),
    [1],
  );
  clock.turnTo(4_000);
  assert.equal(source.asked.at(-1), false);
});

test('state writer asks for everything after the file was replaced', () => {
  const { clock, source, sink } = rig();
  sink.era++;
  source.dirty = [ROW];
  clock.turnTo(300);
  assert.deepEqual(source.asked, [true]);
  clock.turnTo(3_000);
  assert.equal(source.asked.at(-1), false);
});

test('state writer without a file never starts', () => {
  const { clock, source, sink, writer } = rig();
  writer.stop();
  sink.persistent = false;
  new StateWriter(sink, source, clock).start();
  assert.equal(clock.pending, null);
});
