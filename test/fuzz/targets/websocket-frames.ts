// Where WebSocket frames end: the same wherever the stream is cut, and as a reader says that has
// all of it before it.

import assert from 'node:assert/strict';
import { closeFrame, FrameCursor } from '../../../src/policy/websocket-frames.ts';
import type { FuzzTarget } from '../fuzz-target.ts';

/** Whether the bytes end between two frames (RFC 6455 5.2). */
function endsBetween(bytes: Buffer): boolean {
  let at = 0n;
  const all = BigInt(bytes.length);
  while (at < all) {
    const here = Number(at);
    const second = bytes[here + 1];
    if (second === undefined) return false;
    const short = second & 0x7f;
    const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
    const head = 2 + extended + (second & 0x80 ? 4 : 0);
    if (here + head > bytes.length) return false;
    let length = BigInt(short);
    if (extended === 2) length = BigInt(bytes.readUInt16BE(here + 2));
    if (extended === 8) length = bytes.readBigUInt64BE(here + 2);
    at += BigInt(head) + length;
  }
  return at === all;
}

export const websocketFrames: FuzzTarget = {
  name: 'websocket-frames',
  seeds: [
    Buffer.from(closeFrame(1000, true)),
    Buffer.concat([
      Buffer.from([0x81, 2]),
      Buffer.from('hi'),
      Buffer.from(closeFrame(1011, false)),
    ]),
    Buffer.concat([Buffer.from([0x82, 126, 0, 200]), Buffer.alloc(200, 7)]),
    Buffer.concat([
      Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0, 0, 1, 0, 1, 2, 3, 4]),
      Buffer.alloc(256),
    ]),
  ],
  words: ['\x81\x00', '\x89\x80abcd', '\x82\x7e\x00\x02', '\x82\x7f\0\0\0\0\0\0\0\x03abc', '\xff'],
  check: (input, random) => {
    const cursor = new FrameCursor();
    for (const piece of random.cut(input)) cursor.push(piece);
    assert.equal(cursor.atBoundary, endsBetween(input));
  },
};
