// A trail that is written down reads as it was, whatever clients, models and paths are called; what
// looks like a key is masked first; what fits no page is dropped and counted.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ownRequestId } from '../../../src/log/request-id.ts';
import type { Trail } from '../../../src/log/trail.ts';
import { TrailPages } from '../../../src/pool/trails/trail-pages.ts';
import { WrittenTrails } from '../../../src/pool/trails/trail-reader.ts';
import { TrailWriter } from '../../../src/pool/trails/trail-writer.ts';
import { ATTEMPT, trailWith } from './trail-fixture.ts';

/** Without anything that looks like a credential. */
const odd = fc.oneof(
  fc.stringMatching(/^[a-z]{0,12}$/),
  fc.constantFrom('a b', 'x"y"', 'line\nend', '\u202e', 'back\\slash', '模型', '__proto__'),
);
/** As objects are that a program makes. */
const plain = { noNullPrototype: true };
const maybe = fc.option(odd, { nil: undefined });
const whole = fc.nat();
const long = fc.oneof(whole, fc.maxSafeNat());
const change = fc.record(
  {
    kind: fc.constantFrom('resting', 'blacklisted'),
    model: fc.option(odd),
    untilMs: whole,
  },
  plain,
);
const attempt = fc.record(
  {
    upstream: odd,
    key: odd,
    status: fc.constantFrom(0, 200, 429),
    verdict: odd,
    rule: maybe,
    code: maybe,
    ms: whole,
    endMs: whole,
    waitedMs: whole,
    changes: fc.array(change, { maxLength: 2 }),
  },
  plain,
);
const tokens = fc.record(
  {
    input: whole,
    cached: whole,
    cacheWrite: whole,
    output: whole,
    reasoning: whole,
  },
  plain,
);
const trails: fc.Arbitrary<Trail> = fc.record(
  {
    atMs: fc.nat({ max: 2 ** 31 }).map((seconds) => seconds * 1000),
    id: odd,
    client: odd,
    clientName: maybe,
    groupName: odd,
    method: odd,
    path: odd,
    model: maybe,
    streamed: fc.boolean(),
    status: fc.constantFrom(0, 200, 503),
    firstByteMs: fc.option(whole),
    totalMs: whole,
    waitedMs: whole,
    bytesIn: long,
    bytesOut: long,
    ended: maybe,
    refusal: maybe,
    tokens: fc.option(tokens, { nil: undefined }),
    attempts: fc.array(attempt, { maxLength: 4 }),
  },
  plain,
);

/** Memory of its own for one worker, and what stands in it, oldest first. */
function memory(idPrefix = '') {
  const buffer = TrailPages.create(1);
  const pages = new TrailPages(buffer);
  const writer = new TrailWriter(pages, 0, idPrefix);
  const written = () => [...new WrittenTrails(pages).newestFirst()].reverse();
  return { buffer, pages, writer, written };
}

test('trails read as they were written, those that repeat and those that do not', () => {
  const { writer, written } = memory();
  let before: Trail[] = [];
  fc.assert(
    fc.property(fc.array(trails, { maxLength: 5 }), fc.boolean(), (some, twice) => {
      const added = twice ? [...some, ...some] : some;
      for (const trail of added) writer.add(trail);
      const now = written();
      assert.deepEqual(now.slice(0, before.length), before);
      assert.deepEqual(now.slice(before.length), added);
      before = now;
    }),
    { numRuns: 200 },
  );
});

test('half a character is kept as one that cannot be shown', () => {
  const { writer, written } = memory();
  writer.add(trailWith({ model: 'gpt-\ud83d' }));
  assert.equal(written()[0]?.model, 'gpt-\ufffd');
});

test('times are kept in whole milliseconds', () => {
  const { writer, written } = memory();
  const attempts = [{ ...ATTEMPT, ms: 9.5, endMs: 1_000_000.49, waitedMs: 0.4 }];
  writer.add(trailWith({ firstByteMs: 0.2, totalMs: 11.5, waitedMs: 2.4, attempts }));
  const [read] = written();
  const { firstByteMs, totalMs, waitedMs } = read ?? {};
  assert.deepEqual(
    { firstByteMs, totalMs, waitedMs },
    { firstByteMs: 0, totalMs: 12, waitedMs: 2 },
  );
  const { ms, endMs, waitedMs: waited } = read?.attempts[0] ?? {};
  assert.deepEqual({ ms, endMs, waited }, { ms: 10, endMs: 1_000_000, waited: 0 });
});

test('an id that the worker made is written as a number, and read as itself', () => {
  const { writer, written, buffer } = memory('abcd1234');
  const ids = [1, 35, 36, 36 ** 5 - 1, 36 ** 5, 2 ** 40].map((serial) => {
    const id = ownRequestId('abcd1234', serial);
    writer.add(trailWith({ id, serial }));
    return id;
  });
  writer.add(trailWith({ id: 'of-the-client', serial: -1 }));
  for (const id of ids) assert.ok(!Buffer.from(buffer).includes(id));
  const read = written().map(({ id }) => id);
  assert.deepEqual(read, [...ids, 'of-the-client']);
});

test('what looks like a key is masked, also in ids and models', () => {
  const { writer, written, buffer } = memory();
  const key = 'sk-proj-abcdefghijklmnop';
  const path = `/v1/models?token=${key}`;
  writer.add(trailWith({ id: key, model: key, path, client: key }));
  writer.add(trailWith({ attempts: [{ ...ATTEMPT, changes: [{ kind: 'resting', model: key }] }] }));
  assert.equal(written().length, 2);
  assert.ok(!Buffer.from(buffer).includes('abcdefgh'));
});

test('a text of any length is cut, and of many attempts the last are kept', () => {
  const { writer, written } = memory();
  const attempts = Array.from({ length: 100 }, (_, ms) => ({ ...ATTEMPT, ms }));
  writer.add(trailWith({ path: `/${'long path '.repeat(10_000)}`, attempts }));
  const [trail] = written();
  assert.ok((trail?.path.length ?? Infinity) < 1_100);
  assert.equal(trail?.attempts.length, 64);
  assert.equal(trail?.attempts.at(-1)?.ms, 99);
});

test('a trail that fits no page is dropped and counted, and the next one is not', () => {
  const { writer, written, pages } = memory();
  const long = (name: string) => `${name} ${'x y '.repeat(250)}`;
  const attempts = Array.from({ length: 64 }, (_, i) => ({
    ...ATTEMPT,
    upstream: long(`u${i}`),
    rule: long(`r${i}`),
    verdict: long(`v${i}`),
    code: long(`c${i}`),
    key: long(`k${i}`),
  }));
  writer.add(trailWith({ id: 'before' }));
  writer.add(trailWith({ id: 'too long', attempts }));
  writer.add(trailWith({ id: 'behind' }));
  assert.deepEqual(
    written().map(({ id }) => id),
    ['before', 'behind'],
  );
  assert.equal(pages.dropped, 1);
});
