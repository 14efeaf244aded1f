// Alignment, cutting, and how numbers and times read.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { grouped, heads, span, table, toned } from '../../src/cli/table.ts';
import { usageView } from '../../src/cli/usage-view.ts';

test('table aligns words to the left and numbers to the right', () => {
  const text = table(
    [
      ['KEY', 'REASON', 'FAILS'],
      ['sk-a...wxyz', 'no such key', '7'],
      ['sk-b...abcd', 'ok', '12'],
    ],
    undefined,
  );
  assert.equal(
    text,
    'KEY          REASON       FAILS\n' +
      'sk-a...wxyz  no such key      7\n' +
      'sk-b...abcd  ok              12\n',
  );
});

test('table cuts the widest column to the width of a terminal and nothing for a pipe', () => {
  const rows = [['sk-a...wxyz', 'r'.repeat(120), 'gpt-5']];
  const narrow = table(rows, 80);
  assert.equal(narrow.trimEnd().length, 80);
  assert.match(narrow, /^sk-a\.\.\.wxyz {2}r+… {2}gpt-5\n$/);
  assert.ok(table(rows, undefined).includes('r'.repeat(120)));
});

test('table lets no control character reach the terminal', () => {
  assert.equal(table([['a\u001b[2Jb', '\u202e']], undefined), 'a?[2Jb  ?\n');
});

test('table of nothing is nothing', () => {
  assert.equal(table([], 80), '');
});

test('table colours a cell without moving its column', () => {
  const rows = [heads(['KEY', 'STATE', 'N']), ['a', toned('bad', 'dead'), '1'], ['b', 'ok', '22']];
  const text = table(rows, undefined);
  assert.ok(text.includes('\x1b[31mdead\x1b[39m'));
  assert.equal(stripVTControlCharacters(text), 'KEY  STATE  N\na    dead    1\nb    ok     22\n');
});

test('table lets nothing from outside colour or move the cursor', () => {
  assert.equal(table([['\x1b[31mred', '\u009b2J']], undefined), '?[31mred  ?2J\n');
});

test('span tells at most two units', () => {
  const cases: [number, string][] = [
    [-5, 'less than 1 s'],
    [999, 'less than 1 s'],
    [8_000, '8 s'],
    [250_000, '4 min 10 s'],
    [3_600_000, '1 h'],
    [11_520_000, '3 h 12 min'],
    [439_200_000, '5 d 2 h'],
  ];
  for (const [ms, text] of cases) assert.equal(span(ms), text);
});

test('grouped separates thousands', () => {
  assert.deepEqual([0, 999, 1_000, 1_234_567].map(grouped), ['0', '999', '1,000', '1,234,567']);
});

test('names of instances reach the terminal without control characters', () => {
  const answer = { rows: [], fleet: 'connected', instances: ['a\u001b[2J:1', 'b:1'] };
  assert.equal(usageView(answer, 80).split('\n')[1], 'usage of 2 instances: a?[2J:1, b:1');
});
