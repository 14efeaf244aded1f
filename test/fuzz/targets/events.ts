// The beginning of event streams, of text and of Amazon's frames: however their bytes are cut, the
// same is found, and what has been found stays.

import assert from 'node:assert/strict';
import { AwsFirstEventScanner } from '../../../src/policy/answers/aws-first-event.ts';
import { type FirstEvent, FirstEventScanner } from '../../../src/policy/answers/first-event.ts';
import type { FuzzTarget } from '../fuzz-target.ts';

/** The hold ends at 64 KiB, wherever an event is then. */
const MAX_HELD_BYTES = 60 * 1024;

interface Scanner {
  push(chunk: Uint8Array): FirstEvent;
  end(): FirstEvent;
}

/** What a scanner finds, and that it stays with it. */
function found(scanner: Scanner, pieces: readonly Buffer[]): FirstEvent {
  let last: FirstEvent = { kind: 'preamble' };
  for (const piece of pieces) {
    const next = scanner.push(piece);
    if (last.kind !== 'preamble') assert.deepEqual(next, last, 'a finding changed');
    last = next;
  }
  const end = scanner.end();
  if (last.kind !== 'preamble') assert.deepEqual(end, last, 'the end changed a finding');
  return end;
}

export const firstEvents: FuzzTarget = {
  name: 'sse',
  seeds: [
    'data: {"choices":[{"delta":{"content":"hi"}}]}\n\ndata: [DONE]\n\n',
    'event: message_start\ndata: {"type":"message_start","message":{"content":[]}}\n\n' +
      'event: ping\ndata: {"type":"ping"}\n\nevent: error\ndata: {"type":"error","error":{}}\n\n',
    '\ufeff: comment\r\n\r\nevent: response.created\r\ndata: {"type":"response.created"}\r\n\r\n',
    '{"error":{"message":"not an event"}}\n',
    'data:{"error":\rdata:{"code":429}}\r\r',
  ],
  words: ['\n', '\r', '\r\n', 'data:', 'event: error', 'id:', ':', '\ufeff', '{"error":1}', '{'],
  check: (given, random) => {
    const input = given.subarray(0, MAX_HELD_BYTES);
    const whole = found(new FirstEventScanner(), [input]);
    const cut = found(new FirstEventScanner(), random.cut(input));
    assert.equal(cut.kind, whole.kind, 'cutting the stream changes what is found');
    assert.deepEqual(cut, whole);
  },
};

/** One frame of application/vnd.amazon.eventstream; its checksums are nobody's here. */
function frame(fields: Readonly<Record<string, string>>, payload: string): Buffer {
  const headers = Object.entries(fields).map(([name, value]) => {
    const head = Buffer.from(`\0${name}\x07\0\0${value}`, 'latin1');
    head[0] = name.length;
    head.writeUInt16BE(value.length, name.length + 2);
    return head;
  });
  const block = Buffer.concat(headers);
  const prelude = Buffer.alloc(12);
  prelude.writeUInt32BE(16 + block.length + payload.length, 0);
  prelude.writeUInt32BE(block.length, 4);
  return Buffer.concat([prelude, block, Buffer.from(payload), Buffer.alloc(4)]);
}

export const awsEvents: FuzzTarget = {
  name: 'aws-events',
  seeds: [
    frame({ ':message-type': 'exception', ':exception-type': 'throttling' }, '{"message":"no"}'),
    frame({ ':message-type': 'event', ':event-type': 'chunk' }, '{"bytes":"aGk="}'),
    frame({ ':message-type': 'error', ':error-code': 'x', ':error-message': 'y' }, ''),
  ],
  words: ['\0\0\0\x10', '\0\0\0\0', '\x07\0\x05', ':message-type', 'exception', '\xff\xff', '\x0d'],
  check: (input, random) => {
    const whole = found(new AwsFirstEventScanner(), [input]);
    assert.deepEqual(found(new AwsFirstEventScanner(), random.cut(input)), whole);
    if (whole.kind === 'error') JSON.parse(whole.text);
  },
};
