// Bedrock's binary streams: an exception in the first frame is found, under any chunking, and
// judged like any other error.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AwsFirstEventScanner } from '../../../src/policy/answers/aws-first-event.ts';
import { classify } from '../../../src/policy/answers/classify.ts';
import type { FirstEvent } from '../../../src/policy/answers/first-event.ts';

const HOST = 'bedrock-runtime.us-east-1.amazonaws.com';

function frame(headers: Record<string, string>, payload: string): Buffer {
  const fields = Object.entries(headers).map(([name, value]) => {
    const field = Buffer.alloc(1 + name.length + 3 + value.length);
    field.writeUInt8(name.length, 0);
    field.write(name, 1);
    field.writeUInt8(7, 1 + name.length);
    field.writeUInt16BE(value.length, 2 + name.length);
    field.write(value, 4 + name.length);
    return field;
  });
  const head = Buffer.concat(fields);
  const body = Buffer.from(payload);
  const prelude = Buffer.alloc(12);
  prelude.writeUInt32BE(16 + head.length + body.length, 0);
  prelude.writeUInt32BE(head.length, 4);
  return Buffer.concat([prelude, head, body, Buffer.alloc(4)]);
}

const exception = (type: string) =>
  frame(
    { ':exception-type': type, ':content-type': 'application/json', ':message-type': 'exception' },
    '{"message":"No."}',
  );

const CHUNK = frame({ ':event-type': 'chunk', ':message-type': 'event' }, '{"bytes":"e30="}');

function judge(found: FirstEvent): string {
  if (found.kind !== 'error') return found.kind;
  const answer = { status: 200, rawHeaders: [], text: found.text, inStream: true };
  return classify(answer, { host: HOST, nowMs: 0 }).kind;
}

describe('AwsFirstEventScanner', () => {
  const rows = [
    ['throttlingException', 'key_cooldown'],
    ['validationException', 'client_fault'],
    ['modelStreamErrorException', 'upstream_fault'],
    ['internalServerException', 'upstream_fault'],
    ['serviceUnavailableException', 'upstream_fault'],
  ] as const;
  for (const [type, verdict] of rows) {
    test(`a first frame with ${type} is ${verdict}`, () => {
      assert.equal(judge(new AwsFirstEventScanner().push(exception(type))), verdict);
    });
  }

  test('a first frame with an event is content, whatever follows', () => {
    const bytes = Buffer.concat([CHUNK, exception('throttlingException')]);
    assert.equal(new AwsFirstEventScanner().push(bytes).kind, 'content');
  });

  test('a cut frame is held, a senseless one is content', () => {
    const scanner = new AwsFirstEventScanner();
    assert.equal(scanner.push(CHUNK.subarray(0, 30)).kind, 'preamble');
    assert.equal(scanner.end().kind, 'preamble');
    assert.equal(new AwsFirstEventScanner().push(Buffer.from('data: {"a":1}\n\n')).kind, 'content');
  });

  test('any chunking gives the same finding, and no bytes make it throw', () => {
    const bytes = fc.oneof(
      fc.constantFrom<Uint8Array>(CHUNK, exception('throttlingException')),
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ maxLength: 40 }).map((noise) => {
        const spoilt = Buffer.from(exception('x'));
        spoilt.set(noise, 12);
        return spoilt;
      }),
    );
    fc.assert(
      fc.property(bytes, fc.integer({ min: 1, max: 9 }), (whole, size) => {
        const scanner = new AwsFirstEventScanner();
        let found: FirstEvent = { kind: 'preamble' };
        for (let at = 0; at < whole.length; at += size) {
          found = scanner.push(whole.subarray(at, at + size));
        }
        assert.deepEqual(found, new AwsFirstEventScanner().push(whole));
      }),
      { numRuns: 300 },
    );
  });
});
