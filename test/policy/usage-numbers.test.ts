// The walk over a usage object finds what JSON.parse finds in it, however it is spaced, and nothing
// in one that is cut off.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteText } from '../../src/policy/byte-text.ts';
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

/** Longer than any object here. */
const roomy = new ByteText(1024 * 1024);

/** Whether the object ends that begins at a place of a text. */
function read(text: string, from: number, numbers: UsageNumbers, bytes = roomy): boolean {
  bytes.load(Buffer.from(text).toString('latin1'));
  return readNumbers(bytes, from, numbers);
}

function numberOf(numbers: UsageNumbers, name: UsageName): number {
  const place = placeOf(name);
  return numbers.has(place) ? numbers.get(place) : Number.NaN;
}

test('every number that JSON.parse finds, with any spacing', () => {
  fc.assert(
    fc.property(usage, fc.constantFrom('', ' ', '\t', '  \n'), (object, space) => {
      const text = JSON.stringify(object, null, space);
      const numbers = new UsageNumbers();
      assert.equal(read(`..${text} "behind":{"prompt_tokens":1}`, 2, numbers), true);
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
      assert.equal(read(cut, 0, new UsageNumbers()), cut === text);
    }),
    { numRuns: 1_000 },
  );
});

test('what is not named, or as null, stays what it was', () => {
  const numbers = new UsageNumbers();
  read('{"prompt_tokens" : 12.0 ,"total_tokens":3}', 0, numbers);
  read('{"prompt_tokens":null,"cached_tokens":4}', 0, numbers);
  const [prompt, total, cached] = NAMES.map((name) => numberOf(numbers, name));
  assert.deepEqual([prompt, total, cached], [12, 3, 4]);
});

test('the names of the objects before change nothing', () => {
  const objects = fc.array(fc.tuple(usage, fc.constantFrom('', ' ')), { minLength: 2 });
  fc.assert(
    fc.property(objects, (all) => {
      for (const [object, space] of all) {
        const numbers = new UsageNumbers();
        read(JSON.stringify(object, null, space), 0, numbers);
        for (const name of NAMES) assert.equal(numberOf(numbers, name), expected(object, name));
      }
    }),
    { numRuns: 500 },
  );
});

test('any number of names that mean nothing, in objects one behind the other', () => {
  for (let round = 0; round < 3; round += 1) {
    for (let i = 0; i < 300; i += 1) {
      const numbers = new UsageNumbers();
      const object = { [`n${i}`]: i, prompt_tokens: i, [`m${i}`]: { prompt_tokens: 1 } };
      read(JSON.stringify({ ...object, total_tokens: i }), 0, numbers);
      const found = NAMES.slice(0, 2).map((name) => numberOf(numbers, name));
      assert.deepEqual(found, [i, i]);
    }
  }
});

test('of a text only so much is read, whatever was read before', () => {
  const object = (chars: number) => {
    return JSON.stringify({ note: 'x'.repeat(chars), prompt_tokens: 7, total_tokens: 9 });
  };
  const maxChars = 1_000;
  const bytes = new ByteText(maxChars);
  const fitting = maxChars - object(0).length;
  for (const chars of [0, fitting, fitting + 1, 2 * maxChars, 10]) {
    const numbers = new UsageNumbers();
    const isWhole = chars <= fitting;
    assert.equal(read(object(chars), 0, numbers, bytes), isWhole, `${chars} characters`);
    if (isWhole) assert.equal(numberOf(numbers, 'total_tokens'), 9);
  }
});

test('names that mean nothing cost no more when there were many of their length', () => {
  const named = (letter: string, chars: number, count: number) => {
    const names = Array.from({ length: count }, (_, i) => [String(i).padStart(chars, letter), i]);
    return JSON.stringify(Object.fromEntries(names));
  };
  const timeOf = (text: string) => {
    const started = performance.now();
    for (let i = 0; i < 20; i += 1) read(text, 0, new UsageNumbers());
    return performance.now() - started;
  };
  const before = timeOf(named('a', 11, 1_000));
  timeOf(named('a', 10, 5_000));
  const after = timeOf(named('b', 10, 1_000));
  assert.ok(after < 5 * before + 20, `${before} and ${after} ms`);
});
