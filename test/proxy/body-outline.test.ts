// Long bodies: what their outline says is what a search through the whole would have found, however
// they were cut; and no look into one holds the thread for long.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BodyOutline, type OutlinedName } from '../../src/proxy/body-outline.ts';
import {
  asksForStream,
  estimatedTokens,
  memberOf,
  modelInBody,
  topMemberOf,
} from '../../src/proxy/request-facts.ts';
import { sessionOf } from '../../src/proxy/session.ts';

const JSON_TYPE = 'application/json';
const CHUNK_BYTES = 64 * 1024;

/** An outline of bytes that came in chunks of these lengths, the last one again and again. */
function outlined(bytes: Buffer, lengths: readonly number[], type = JSON_TYPE, hunts = false) {
  const chunks: Buffer[] = [];
  const outline = new BodyOutline(chunks, type, hunts);
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const length = lengths[Math.min(i, lengths.length - 1)] ?? 1;
    const chunk = bytes.subarray(at, at + length);
    chunks.push(chunk);
    outline.push(chunk);
    at += length;
  }
  return outline;
}

const NAMES: readonly OutlinedName[] = ['model', 'stream', 'max_output_tokens', 'input'];
const text = fc.oneof(
  fc.string(),
  fc.stringMatching(/^["\\{}[\], :a]{0,80}$/),
  fc.constantFrom('\\'.repeat(70), `${'x'.repeat(40)}"`, '"model":"no"'),
);
const name = fc.oneof(text, fc.constantFrom(...NAMES));
const value: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    text,
    fc.constantFrom(null, true, 12, -1.5e3),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4 }),
  ),
})).value;
/** Twice the same name now and then, names spelt with escapes, white space anywhere. */
const object = fc
  .array(fc.tuple(name, value, fc.boolean(), fc.constantFrom('', ' ', '\n\t')), { maxLength: 8 })
  .map((members) => {
    const spelt = members.map(([key, of, escaped, space]) => {
      const plain = JSON.stringify(key);
      const odd = plain.replace(/[a-z]/, (one) => `\\u00${one.charCodeAt(0).toString(16)}`);
      return `${space}${escaped ? odd : plain}${space}:${space}${JSON.stringify(of)}${space}`;
    });
    return Buffer.from(`{${spelt.join(',')}}`);
  });
const cuts = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 12 });

test('an outline finds what a search through the whole finds, however the body is cut', () => {
  fc.assert(
    fc.property(
      object,
      cuts,
      fc.nat(),
      fc.constantFrom('', '\ufeff'),
      (whole, lengths, end, mark) => {
        const marked = Buffer.concat([Buffer.from(mark), whole]);
        for (const bytes of [marked, marked.subarray(0, end % (marked.length + 1))]) {
          const outline = outlined(bytes, lengths);
          for (const one of NAMES) {
            assert.deepEqual(topMemberOf(outline, one), memberOf(bytes, one), one);
          }
          assert.deepEqual(modelInBody(outline, JSON_TYPE), modelInBody(bytes, JSON_TYPE));
          assert.equal(asksForStream('', outline), asksForStream('', bytes));
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

test('a form’s model is found across chunks', () => {
  const type = 'multipart/form-data; boundary=b';
  const field = '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--';
  const form = Buffer.from(`--b\r\n\r\n${'x'.repeat(100)}\r\n${field}`);
  const found = modelInBody(form, type);
  assert.equal(found?.name, 'whisper-1');
  for (let length = 1; length <= form.length; length += 1) {
    for (const hunts of [false, true]) {
      assert.deepEqual(modelInBody(outlined(form, [length], type, hunts), type), found);
    }
  }
});

test('a model that is spelt in a way of its own is noticed across chunks, where that is asked', () => {
  const odd = Buffer.from(`{"x":"${'y'.repeat(50)}","M\\u006fdE\\u004C":"gpt-5"}`);
  for (let length = 1; length <= odd.length; length += 1) {
    assert.equal(outlined(odd, [length], JSON_TYPE, true).mayNameModel, true);
    assert.equal(outlined(odd, [length], JSON_TYPE, false).mayNameModel, false);
  }
  const none = Buffer.from(`{"x":"${'mode'.repeat(50)}"}`);
  assert.equal(outlined(none, [7], JSON_TYPE, true).mayNameModel, false);
});

test('a conversation stays one when its body becomes long', () => {
  const system = { role: 'system', content: 'brief' };
  const image = { role: 'user', content: 'A'.repeat(400_000) };
  const body = (...messages: object[]) => Buffer.from(JSON.stringify({ messages }));
  const session = (bytes: Buffer) => sessionOf({}, outlined(bytes, [CHUNK_BYTES]), '');
  const small = body(system, { role: 'user', content: 'hello' });
  const grown = body(system, { role: 'user', content: 'hello' }, image);
  assert.equal(session(grown), sessionOf({}, small, ''));
  // The first message alone is longer than what is looked into.
  assert.notEqual(session(body(image)), undefined);
  assert.equal(session(body(image)), session(body(image, system)));
  assert.notEqual(session(body(image)), session(body({ ...image, role: 'tool' })));
});

test('what an answer may be long is read in long bodies too', () => {
  const body = { max_tokens: 1000, x: 'x'.repeat(400_000) };
  const bytes = Buffer.from(JSON.stringify(body));
  assert.equal(estimatedTokens(400, outlined(bytes, [CHUNK_BYTES])), 1100);
  const gemini = Buffer.from('{"generationConfig":{"maxOutputTokens":50}}');
  assert.equal(estimatedTokens(400, outlined(gemini, [3])), 150);
});

const SIZE = 31 * 1024 * 1024;
const SHAPES: Readonly<Record<string, [string, string, string]>> = {
  'a long string': ['{"input":"', 'A', '"'],
  'a string of quotes': ['{"input":"', '\\"', '"'],
  'a string of backslashes': ['{"input":"', '\\\\', '"'],
  'token ids': ['{"input":[', '1234,', '0]'],
  'short strings': ['{"input":[', '"a",', '0]'],
  brackets: ['{"input":', '[', '0'],
  members: ['{', '"a":1,', '"b":1'],
};

/** Of this thread alone: the machine may be busy with others. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

for (const [shape, [begin, middle, end]] of Object.entries(SHAPES)) {
  test(`31 MiB of ${shape} are looked into in slices that nobody notices`, () => {
    const count = Math.floor(SIZE / middle.length);
    const bytes = Buffer.from(`${begin}${middle.repeat(count)}${end},"model":"gpt-5"}`);
    const chunks: Buffer[] = [];
    const outline = new BodyOutline(chunks, JSON_TYPE, false);
    // By fours, as body.ts takes them; the clock of a thread's time ticks every 4 ms at worst.
    let worstMs = 0;
    for (let at = 0; at < bytes.length; at += 4 * CHUNK_BYTES) {
      const startMs = cpuMs();
      for (let part = at; part < at + 4 * CHUNK_BYTES && part < bytes.length; part += CHUNK_BYTES) {
        chunks.push(bytes.subarray(part, part + CHUNK_BYTES));
        outline.push(bytes.subarray(part, part + CHUNK_BYTES));
      }
      worstMs = Math.max(worstMs, cpuMs() - startMs);
    }
    const startMs = cpuMs();
    const model = modelInBody(outline, JSON_TYPE)?.name;
    asksForStream('', outline);
    sessionOf({}, outline, '');
    worstMs = Math.max(worstMs, cpuMs() - startMs);
    if (shape !== 'brackets') assert.equal(model, 'gpt-5');
    assert.ok(worstMs < 30, `${worstMs} ms in one piece`);
  });
}
