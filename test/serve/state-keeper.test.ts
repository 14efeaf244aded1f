// The state file tells the time of the wall clock, memory counts by the steady one: what a clock
// that was set does to the rests that a later run finds in the file.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { createLogger } from '../../src/log/log.ts';
import { ClockMemory } from '../../src/pool/clock-memory.ts';
import { listResting } from '../../src/pool/keys/key-report.ts';
import { StateKeeper } from '../../src/serve/state-keeper.ts';
import { SteadyClock } from '../../src/serve/steady-clock.ts';
import { groupOf } from '../pool/group-fixture.ts';
import { cooldown, makePool, NOW } from '../pool/pool-fixture.ts';

const HOUR = 3_600_000;
const REST = 600_000;

const log = createLogger({
  level: 'error',
  format: 'text',
  colour: false,
  write: () => {},
  clock: () => NOW,
});

/** One run with a single key and a state file; its wall clock can be set. */
function run(path: string, startMs: number) {
  const it = { wallMs: startMs, timerMs: 0 };
  const clock = new SteadyClock(ClockMemory.create(), () => it.timerMs);
  const readings = () => ({ wallMs: it.wallMs, uptimeMs: () => it.timerMs });
  clock.anchor(readings());
  const pool = makePool({ keys: ['sk-one'] });
  const group = groupOf(pool.table, pool.upstreams);
  const state = new StateKeeper(path, clock, log);
  state.of(() => [group]);
  const restored = state.restore(group, [0]);
  const set = (ms: number) => {
    it.wallMs += ms;
    clock.tend(readings());
  };
  const leftMs = () => {
    const [rest] = listResting(pool.table, 1, clock.now());
    return rest === undefined ? 0 : rest.untilMs - clock.now();
  };
  return { ...pool, clock, state, restored, set, leftMs };
}

function withFile(act: (path: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), 'gpt-load-state-'));
  try {
    act(join(directory, 'state.db'));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function storedUntil(path: string): number {
  using database = new DatabaseSync(path, { readOnly: true });
  return Number(database.prepare('SELECT until_ms FROM key_state').get()?.until_ms);
}

const isNear = (found: number, wanted: number) =>
  assert.ok(Math.abs(found - wanted) <= 64, `${found} for ${wanted}`);

for (const setMs of [HOUR, -HOUR]) {
  test(`a rest is in the file as the wall clock has it, also when that is set by ${setMs}`, () => {
    withFile((path) => {
      const first = run(path, NOW);
      first.use(cooldown(REST), first.clock.now());
      first.state.flush();
      // Nothing about the key changes from here on but what the end of its rest is called.
      first.set(setMs);
      first.state[Symbol.dispose]();
      isNear(storedUntil(path), NOW + setMs + REST);
      const second = run(path, NOW + setMs + 60_000);
      assert.equal(second.restored, 1);
      isNear(second.leftMs(), REST - 60_000);
      second.state[Symbol.dispose]();
    });
  });
}

test('a key that comes back after the clock was set rests as long as it should', () => {
  withFile((path) => {
    const first = run(path, NOW);
    first.use(cooldown(REST), first.clock.now());
    first.state[Symbol.dispose]();
    const second = run(path, NOW);
    second.set(-HOUR);
    const group = groupOf(second.table, second.upstreams);
    second.table.apply(0, 0, { kind: 'reset' }, { nowTick: 0, reason: 'none' });
    assert.equal(second.state.restore(group, [0]), 1);
    assert.ok(second.leftMs() <= REST + 64 && second.leftMs() > 0, `${second.leftMs()}`);
    second.state[Symbol.dispose]();
  });
});

test('a machine that starts with a clock of long ago lets no key rest till today', () => {
  withFile((path) => {
    const first = run(path, NOW);
    first.use(cooldown(REST), first.clock.now());
    first.state[Symbol.dispose]();
    // As a board without a battery does, until somebody tells it the time.
    const second = run(path, NOW - 300 * 24 * HOUR);
    isNear(second.leftMs(), REST);
    second.state[Symbol.dispose]();
  });
});
