// A key in an error of any length, cut into chunks anywhere: it never passes, all else does.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KeyMask } from '../../../src/proxy/answer/key-mask.ts';

const KEY = 'sk-mask-0123456789';

async function through(text: string, cuts: readonly number[]): Promise<string> {
  const mask = new KeyMask(KEY);
  let out = '';
  mask.setEncoding('utf8').on('data', (chunk: string) => {
    out += chunk;
  });
  const ended = new Promise((resolve) => mask.once('end', resolve));
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    mask.write(text.slice(from, Math.max(from, cut)));
    from = Math.max(from, Math.min(cut, text.length));
  }
  mask.end(text.slice(from));
  await ended;
  return out;
}

test('the key never passes, in whatever pieces it comes, and the length stays', async () => {
  const part = fc.oneof(
    fc.constant(KEY),
    fc.stringMatching(/^[a-z-]{0,12}$/),
    fc.constant('sk-mask-'),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(part), fc.array(fc.nat(200)), async (parts, cuts) => {
      const text = parts.join('');
      const out = await through(text, cuts);
      assert.equal(out, text.replaceAll(KEY, 'sk-m**********6789'));
    }),
  );
});
