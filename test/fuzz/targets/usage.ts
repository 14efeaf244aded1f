// What answers used: numbers are whole and not below nothing, the pieces of an answer read like the
// answer, and hostile text costs no more than its length.

import assert from 'node:assert/strict';
import { modelInAnswer, tokenUsage } from '../../../src/policy/token-usage.ts';
import { AnswerReader } from '../../../src/proxy/answer/answer-reader.ts';
import type { FuzzTarget } from '../fuzz-target.ts';

const HEAD_BYTES = 4 * 1024;
const TAIL_BYTES = 16 * 1024;

export const usage: FuzzTarget = {
  name: 'usage',
  seeds: [
    '{"model":"gpt-4o","usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,' +
      '"prompt_tokens_details":{"cached_tokens":4}}}',
    'event: message_start\ndata: {"type":"message_start","message":{"model":"claude","usage":' +
      '{"input_tokens":5,"cache_read_input_tokens":7,"output_tokens":1}}}\n\n' +
      'data: {"type":"message_delta","usage":{"output_tokens":30,"input_tokens":null}}\n\n',
    'data: {"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4}}\r\n\r\n',
    '{"usage":{"tokens":{"input_tokens":3,"output_tokens":1},"cached_tokens":2}}',
    'data: {"usage":null}\n\ndata: [DONE]\n\n',
  ],
  words: [
    '"usage"',
    '"usage":{',
    '"usageMetadata":{',
    '"usage_metadata" : {',
    '{',
    '}',
    ':',
    ' ',
    '-1',
    '1e400',
    'null',
    '"tokens":',
    '"message_start"',
    '"__proto__":',
    '9007199254740993',
  ],
  check: (input, random) => {
    const reader = AnswerReader.of([]);
    assert.ok(reader !== undefined);
    for (const piece of random.cut(input)) reader.push(piece);
    const text = input.toString('latin1');
    reader.finish((head, tail) => {
      assert.equal(head, text.slice(0, HEAD_BYTES));
      assert.equal(tail, input.length > HEAD_BYTES ? text.slice(-TAIL_BYTES) : text);
      modelInAnswer(head);
      const found = tokenUsage(head, tail);
      for (const [name, count] of Object.entries(found ?? {})) {
        assert.ok(Number.isSafeInteger(count) && count >= 0, `${name} is ${count}`);
      }
    });
  },
};
