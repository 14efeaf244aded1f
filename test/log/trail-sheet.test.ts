// A trail that is written down reads as it was, whatever clients, models and paths are called; what
// looks like a key is masked first; a full sheet takes nothing more.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ownRequestId } from '../../src/log/request-id.ts';
import type { Trail } from '../../src/log/trail.ts';
import { MAX_SHEET_BYTES, readTrails, TrailSheet } from '../../src/log/trail-sheet.ts';
import { ATTEMPT, trailWith } from './trail-fixture.ts';

/** Without anything that looks like a credential. */
const odd = fc.oneof(
  fc.stringMatching(/^[a-z]{0,12}$/),
  fc.constantFrom(
    'a b',
    'x"y"',
    'line\nend',
    '\u202e',
    'back\\slash',
    '模型',
    '__proto__',
    '\ud83d',
  ),
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

test('trails read as they were written, also after the threads they went between', () => {
  const sheet = new TrailSheet();
  fc.assert(
    fc.property(fc.array(trails, { maxLength: 5 }), (written) => {
      for (const trail of written) assert.ok(sheet.write(trail));
      const records = structuredClone(sheet.take());
      assert.equal(records.count, written.length);
      assert.deepEqual(readTrails(records), written);
    }),
    { numRuns: 200 },
  );
});

test('times are kept in whole milliseconds', () => {
  const sheet = new TrailSheet();
  const attempts = [{ ...ATTEMPT, ms: 9.5, endMs: 1_000_000.49, waitedMs: 0.4 }];
  sheet.write(trailWith({ firstByteMs: 0.2, totalMs: 11.5, waitedMs: 2.4, attempts }));
  const [read] = readTrails(sheet.take());
  const { firstByteMs, totalMs, waitedMs } = read ?? {};
  assert.deepEqual(
    { firstByteMs, totalMs, waitedMs },
    { firstByteMs: 0, totalMs: 12, waitedMs: 2 },
  );
  const { ms, endMs, waitedMs: waited } = read?.attempts[0] ?? {};
  assert.deepEqual({ ms, endMs, waited }, { ms: 10, endMs: 1_000_000, waited: 0 });
});

test('an id that the worker made is a number on the way, and itself again', () => {
  const sheet = new TrailSheet('abcd1234');
  const ids = [1, 35, 36, 36 ** 5 - 1, 36 ** 5, 2 ** 40].map((serial) => {
    const id = ownRequestId('abcd1234', serial);
    assert.ok(sheet.write(trailWith({ id, serial })));
    return id;
  });
  assert.ok(sheet.write(trailWith({ id: 'of-the-client', serial: -1 })));
  const records = structuredClone(sheet.take());
  for (const id of ids) assert.ok(!records.texts.includes(id));
  const read = readTrails(records).map(({ id }) => id);
  assert.deepEqual(read, [...ids, 'of-the-client']);
});

test('what looks like a key is masked, also in ids and models', () => {
  const sheet = new TrailSheet();
  const key = 'sk-proj-abcdefghijklmnop';
  const path = `/v1/models?token=${key}`;
  sheet.write(trailWith({ id: key, model: key, path, client: key }));
  sheet.write(
    trailWith({ attempts: [{ ...ATTEMPT, changes: [{ kind: 'resting', model: key }] }] }),
  );
  assert.doesNotMatch(JSON.stringify(sheet.take()), /abcdefgh/);
});

test('a text of any length is cut, and of many attempts the last are kept', () => {
  const sheet = new TrailSheet();
  const attempts = Array.from({ length: 100 }, (_, ms) => ({ ...ATTEMPT, ms }));
  sheet.write(trailWith({ path: `/${'long path '.repeat(10_000)}`, attempts }));
  const [trail] = readTrails(sheet.take());
  assert.ok((trail?.path.length ?? Infinity) < 1_100);
  assert.equal(trail?.attempts.length, 64);
  assert.equal(trail?.attempts.at(-1)?.ms, 99);
});

test('a sheet has bounded room and is empty once it was taken', () => {
  const sheet = new TrailSheet();
  let count = 0;
  while (sheet.write(trailWith({ path: `/${count}/${'x y '.repeat(100)}` }))) count += 1;
  const records = sheet.take();
  assert.ok(count > 100);
  assert.equal(records.count, count);
  assert.ok(records.bytes < 1.1 * MAX_SHEET_BYTES);
  assert.equal(sheet.fullness, 0);
  assert.ok(sheet.write(trailWith()));
});
