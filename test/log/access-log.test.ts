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
const named = fc.record({ clientName: odd, group: odd }, { requiredKeys: [] });
const plainAccesses: fc.Arbitrary<AccessFields> = fc.record({
  id: odd,
  client: fc.constantFrom('', '127.0.0.1', '::1'),
  method: fc.constantFrom('GET', 'POST'),
  path: odd.map((text) => `/v1/${text}?key=sk-abcdefghijklmnop`),
  status: fc.constantFrom(200, 404, 502),
  firstByteMs: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true })),
  totalMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
  bytesIn: fc.nat(),
  bytesOut: fc.nat(),
  attempts: fc.array(attempt, { maxLength: 2 }),
});
const accesses = fc.tuple(plainAccesses, named).map(([access, more]) => ({ ...access, ...more }));

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
          logger[level](...accessLine(access, format));
          assert.equal(lines[0], lines[1]);
        }),
        { numRuns: 300 },
      );
    });
  }
}

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
