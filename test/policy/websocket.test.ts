// Keys in WebSocket subprotocols, and where frames end however the bytes are cut.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { modelInQuery, subprotocolKey, withSubprotocolKey } from '../../src/policy/websocket.ts';
import { closeFrame, FrameCursor } from '../../src/policy/websocket-frames.ts';

test('the key in an offer of subprotocols is found and replaced in its place', () => {
  const offer = 'realtime, openai-insecure-api-key.sk-own, openai-beta.realtime-v1';
  assert.equal(subprotocolKey(offer), 'sk-own');
  assert.equal(subprotocolKey('realtime'), undefined);
  assert.equal(subprotocolKey(undefined), undefined);
  const fields = ['Host', 'x', 'Sec-WebSocket-Protocol', offer];
  assert.deepEqual(withSubprotocolKey(fields, 'sk-leased'), [
    'Host',
    'x',
    'Sec-WebSocket-Protocol',
    'realtime, openai-insecure-api-key.sk-leased, openai-beta.realtime-v1',
  ]);
  const plain = ['Sec-WebSocket-Protocol', 'realtime'];
  assert.equal(withSubprotocolKey(plain, 'sk-leased'), plain);
});

test('the model of a Realtime connection is in its query', () => {
  assert.equal(modelInQuery('intent=x&model=gpt-realtime'), 'gpt-realtime');
  assert.equal(modelInQuery('a=b'), undefined);
  assert.equal(modelInQuery(undefined), undefined);
});

function frame(length: number, masked: boolean): Buffer {
  const head = [0x82];
  const mark = masked ? 0x80 : 0;
  if (length < 126) head.push(mark | length);
  else if (length < 65_536) head.push(mark | 126, length >> 8, length & 0xff);
  else
    head.push(
      mark | 127,
      0,
      0,
      0,
      0,
      ...Buffer.of(length >> 24, length >> 16, length >> 8, length),
    );
  return Buffer.concat([Buffer.from(head), Buffer.alloc((masked ? 4 : 0) + length, 0xff)]);
}

test('a cursor is at a boundary exactly after whole frames, however the bytes are cut', () => {
  const lengths = fc.constantFrom(0, 1, 125, 126, 65_535, 65_536, 70_000);
  const frames = fc.array(fc.tuple(lengths, fc.boolean()), { maxLength: 5 });
  fc.assert(
    fc.property(frames, fc.integer({ min: 1, max: 90_000 }), (list, cut) => {
      const parts = list.map(([length, masked]) => frame(length, masked));
      const ends = new Set([0]);
      for (let i = 1; i <= parts.length; i += 1) ends.add(Buffer.concat(parts.slice(0, i)).length);
      const bytes = Buffer.concat(parts);
      const cursor = new FrameCursor();
      assert.ok(cursor.atBoundary);
      for (let at = 0; at < bytes.length; at += cut) {
        cursor.push(bytes.subarray(at, at + cut));
        assert.equal(cursor.atBoundary, ends.has(Math.min(at + cut, bytes.length)));
      }
    }),
    { numRuns: 200 },
  );
});

test('a Close frame carries its code, masked towards an upstream', () => {
  assert.deepEqual([...closeFrame(1001, false)], [0x88, 2, 3, 0xe9]);
  const masked = [...closeFrame(1001, true)];
  assert.deepEqual(masked, [0x88, 0x82, 0, 0, 0, 0, 3, 0xe9]);
  for (const frameBytes of [closeFrame(1000, true), closeFrame(1000, false)]) {
    const cursor = new FrameCursor();
    cursor.push(frameBytes);
    assert.ok(cursor.atBoundary);
  }
});
