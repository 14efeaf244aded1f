// The walk over a usage object finds what JSON.parse finds in it, however it is spaced, and nothing
// in one that is cut off.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  placeOf,
  readNumbers,
  type UsageName,
  UsageNumbers,
} from '../../src/policy/usage-numbers.ts';

const NAMES: readonly UsageName[] = [
  'prompt_tokens',
  'total_tokens',
  'cached_tokens',
  'thoughtsTokenCount',
  'prompt_tokens_details.cached_tokens',
  'prompt_tokens_details.cache_write_tokens',
  'output_tokens_details.reasoning_tokens',
  'tokens.input_tokens',
];
const MAX_TOKENS = 1_000_000_000;

function expected(parsed: unknown, name: UsageName): number {
  let value = parsed;
  for (const part of name.split('.')) {
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    value =
      isObject && Object.hasOwn(value as object, part) ? Reflect.get(value as object, part) : null;
  }
  if (value === null) return Number.NaN;
  const isCount = Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MAX_TOKENS;
  return isCount ? Number(value) : 0;
}

const scalar = fc.oneof(
  fc.nat(MAX_TOKENS),
  fc.constantFrom(null, true, -1, 0.5, 12.5, 1e9, 1e10, 1e21, 5e-7, '{"', '\\"', 'a:1,', '}'),
  fc.string(),
);
const inner = fc.constantFrom(
  'cached_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
  'input_tokens',
  'audio_tokens',
  'prompt_tokens',
  'tokens',
);
const outer = fc.oneof(
  fc.constantFrom(...NAMES.map((name) => name.split('.')[0] ?? '')),
  fc.constantFrom('usage', 'promptTokensDetails', 'x"y', ''),
);
const deep = fc.dictionary(inner, fc.oneof(scalar, fc.array(scalar), fc.dictionary(inner, scalar)));
const usage = fc.dictionary(outer, fc.oneof(scalar, deep, fc.array(deep)));

function numberOf(numbers: UsageNumbers, name: UsageName): number {
  const place = placeOf(name);
  return numbers.has(place) ? numbers.get(place) : Number.NaN;
}

test('every number that JSON.parse finds, with any spacing', () => {
  fc.assert(
    fc.property(usage, fc.constantFrom('', ' ', '\t', '  \n'), (object, space) => {
      const text = JSON.stringify(object, null, space);
      const numbers = new UsageNumbers();
      assert.equal(readNumbers(`..${text} "behind":{"prompt_tokens":1}`, 2, numbers), true);
      for (const name of NAMES) assert.equal(numberOf(numbers, name), expected(object, name), name);
    }),
    { numRuns: 3_000 },
  );
});

test('an object that does not end is none', () => {
  fc.assert(
    fc.property(usage, fc.double({ min: 0, max: 1, noNaN: true }), (object, share) => {
      const text = JSON.stringify(object);
      const cut = text.slice(0, Math.floor(share * text.length));
      assert.equal(readNumbers(cut, 0, new UsageNumbers()), cut === text);
    }),
    { numRuns: 1_000 },
  );
});

test('what is not named, or as null, stays what it was', () => {
  const numbers = new UsageNumbers();
  readNumbers('{"prompt_tokens" : 12.0 ,"total_tokens":3}', 0, numbers);
  readNumbers('{"prompt_tokens":null,"cached_tokens":4}', 0, numbers);
  const [prompt, total, cached] = NAMES.map((name) => numberOf(numbers, name));
  assert.deepEqual([prompt, total, cached], [12, 3, 4]);
});

test('a long object is read as a short one is, wherever a piece of it ends', () => {
  for (let chars = 1_960; chars < 2_060; chars += 1) {
    const numbers = new UsageNumbers();
    const object = { note: 'ü'.repeat(chars), prompt_tokens: 1234, total_tokens: null };
    assert.equal(readNumbers(JSON.stringify(object), 0, numbers), true);
    assert.equal(numberOf(numbers, 'prompt_tokens'), 1234);
    assert.equal(numbers.has(placeOf('total_tokens')), false, `after ${chars} characters`);
  }
});
