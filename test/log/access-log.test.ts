// The access log's short way writes the very line that a Logger makes of the same fields, whatever
// clients, models and paths are called.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AccessFields, AccessLog, accessLine } from '../../src/log/access-log.ts';
import { createLogger, type LoggerOptions } from '../../src/log/log.ts';

const odd = fc.oneof(
  fc.string(),
  fc.constantFrom('', 'a b', 'x="y"', 'sk-abcdefghijklmnop', 'line\nend', '\u202e', 'back\\slash'),
);
const attempt = fc.record({
  upstream: odd,
  key: fc.constantFrom('sk-a...wxyz', '****'),
  verdict: fc.constantFrom('success', 'key_dead invalid_key'),
  ms: fc.nat(),
});
const ofWorker = fc.record({ id: fc.stringMatching(/^[0-9a-z]{9,14}$/), serial: fc.nat() });
const named = fc.record({ clientName: odd, group: odd }, { requiredKeys: [] });
const plainAccesses: fc.Arbitrary<AccessFields> = fc.record({
  id: odd,
  client: fc.constantFrom('', '127.0.0.1', '::1'),
  method: fc.constantFrom('GET', 'POST'),
  path: fc.oneof(
    odd.map((text) => `/v1/${text}?key=sk-abcdefghijklmnop`),
    fc.constantFrom('/v1/models', '/v1/x?cookie=abc', '/v1/x?cookie=s3cr3t-id', '/a://b@', '*'),
  ),
  status: fc.constantFrom(200, 404, 502),
  firstByteMs: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true })),
  totalMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
  bytesIn: fc.nat(),
  bytesOut: fc.nat(),
  attempts: fc.array(attempt, { maxLength: 2 }),
});
const accesses = fc
  .tuple(plainAccesses, named, fc.option(ofWorker))
  .map(([access, more, own]) => ({ ...access, ...more, ...own }));

for (const format of ['text', 'json'] as const) {
  for (const colour of [false, true]) {
    test(`an access line is the Logger's own: ${format}${colour ? ', coloured' : ''}`, () => {
      let lines: string[] = [];
      const write = (line: string) => lines.push(line);
      const base = { level: 'info', format, colour, clock: () => 1_700_000_000_000 } as const;
      const options: LoggerOptions = { ...base, write };
      const accessLog = new AccessLog(options);
      const logger = createLogger(options);
      fc.assert(
        fc.property(accesses, fc.constantFrom('info', 'error'), (access, level) => {
          lines = [];
          accessLog.write(level, access);
          const [message, fields] = accessLine(access, format);
          const isBroken = format === 'text' && colour && access.attempts.length > 1;
          logger[level](message, isBroken ? { ...fields, attempts: undefined } : fields);
          const [first = '', ...below] = (lines[0] ?? '').split(/(?<=\n)/);
          assert.equal(first, lines[1]);
          assert.equal(below.length, isBroken ? access.attempts.length : 0);
        }),
        { numRuns: 300 },
      );
    });
  }
}

const USUAL: AccessFields = {
  id: '63225085100005',
  client: '203.0.113.12',
  method: 'POST',
  path: '/v1/chat/completions',
  status: 200,
  firstByteMs: 850.4,
  totalMs: 13_200,
  bytesIn: 2_345,
  bytesOut: 123_456,
  attempts: [{ upstream: 'https://api.openai.com', key: 'sk-p...wxyz', verdict: 'success', ms: 9 }],
};

function written(access: AccessFields, colour = false): string {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line);
  const clock = () => 1_700_000_000_000;
  new AccessLog({ level: 'info', format: 'text', colour, clock, write }).write('info', access);
  return lines.join('');
}

test('a request that succeeds at once is one line of less than 160 characters', () => {
  const line = written(USUAL);
  assert.ok(line.length < 160, `${line.length}: ${line}`);
  assert.match(line, / 200 ms=850\/13200 bytes=2\.3k\/123k key=sk-p\.\.\.wxyz@api\.openai\.com /);
  const failed = {
    ...USUAL,
    attempts: [{ ...USUAL.attempts[0], verdict: 'client_fault bad_request' }],
  };
  assert.match(written(failed as AccessFields), / verdict="client_fault bad_request" client=/);
});

test('sizes have at most four characters', () => {
  const cases: [number, string][] = [
    [0, '0'],
    [999, '999'],
    [1_000, '1.0k'],
    [9_960, '10k'],
    [999_600, '1.0M'],
    [5_000_000, '5.0M'],
  ];
  for (const [bytesIn, text] of cases) {
    assert.match(
      written({ ...USUAL, bytesIn }),
      new RegExp(` bytes=${text.replace('.', '.')}/123k `),
    );
  }
});

test('a request that took several attempts is one line in a file, and a list on a terminal', () => {
  const dead = { upstream: 'https://a.example', key: 'sk-a...aaaa', verdict: 'key_dead x', ms: 80 };
  const access = { ...USUAL, attempts: [dead, ...USUAL.attempts] };
  assert.match(written(access), / attempts="sk-a\.\.\.aaaa@a\.example key_dead x 80ms -> sk-p/);
  assert.equal(written(access).split('\n').length, 2);
  const [, first, second] = written(access, true).split('\n');
  assert.equal(first, '    1. sk-a...aaaa@a.example       80ms  key_dead x');
  assert.equal(second, '    2. sk-p...wxyz@api.openai.com   9ms  success');
});

test('below its level the access log is silent', () => {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line);
  const accessLog = new AccessLog({
    level: 'warn',
    format: 'text',
    colour: false,
    clock: Date.now,
    write,
  });
  const attempts = [{ upstream: 'u', key: '****', verdict: 'success', ms: 1 }];
  const access = { id: 'i', client: '', method: 'GET', path: '/', status: 200, attempts };
  accessLog.write('info', { ...access, firstByteMs: 1, totalMs: 1, bytesIn: 0, bytesOut: 0 });
  assert.deepEqual(lines, []);
});
