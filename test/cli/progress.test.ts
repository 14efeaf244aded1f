// The progress line, on a terminal and off it, with a clock turned by hand.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Progress } from '../../src/cli/progress.ts';

function rig(columns: number | undefined) {
  const said: string[] = [];
  const clock = { nowMs: 0 };
  const terminal = {
    write: () => assert.fail('progress belongs to stderr'),
    complain: (text: string) => void said.push(text),
    columns: undefined,
    complaintColumns: columns,
  };
  return { said, clock, progress: new Progress(terminal, 10_000, () => clock.nowMs) };
}

test('progress draws one line with bar, rate and remaining time that fits the terminal', () => {
  const { said, clock, progress } = rig(80);
  for (let done = 1; done < 5_000; done++) {
    clock.nowMs += 2;
    progress.update(done, '12 dead, 1 resting, 3 not checked');
  }
  assert.ok(said.length <= 101, 'redrawn ten times a second');
  const last = said.at(-1)?.replace('\r\u001b[2K', '') ?? '';
  assert.match(
    last,
    /^\[#{3}\.{3}] {1,2}\d\d% {2}4,\d{3}\/10,000 {2}500\/s {2}10 s left {2}12 dead/,
  );
  for (const text of said) assert.ok(text.replace('\r\u001b[2K', '').length < 80);
  progress.end();
  assert.equal(said.at(-1), '\r\u001b[2K');
});

test('progress leaves out the bar when the terminal is too narrow for it', () => {
  const { said, clock, progress } = rig(40);
  clock.nowMs = 500;
  progress.update(100, '12 dead');
  const line = said[0]?.replace('\r\u001b[2K', '') ?? '';
  assert.ok(line.length < 40);
  assert.match(line, /^1% {2}100\/10,000/);
});

test('progress writes a plain line every ten seconds when it is not a terminal', () => {
  const { said, clock, progress } = rig(undefined);
  for (let done = 1; done <= 10_000; done++) {
    clock.nowMs += 2.5;
    progress.update(done, '');
  }
  progress.end();
  assert.deepEqual(said, [
    ' 40%  4,000/10,000  after 10 s  400/s  15 s left\n',
    ' 80%  8,000/10,000  after 20 s  400/s  5 s left\n',
  ]);
});
