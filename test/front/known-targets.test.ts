// Which targets are remembered, and that they are the same as those that are taken apart anew.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KnownTargets } from '../../src/front/known-targets.ts';
import { parseTarget } from '../../src/policy/request-target.ts';

test('a target without a query is taken apart once', () => {
  const targets = new KnownTargets();
  const first = targets.of('/v1/chat/completions');
  assert.deepEqual(first, parseTarget('/v1/chat/completions'));
  assert.equal(targets.of('/v1/chat/completions'), first);
});

test('a target with a query, a credential perhaps, is not remembered', () => {
  const targets = new KnownTargets();
  for (const url of [
    '/v1/models?key=sk-secret-of-a-client',
    '/v1/models?',
    'http://user:secret@host/v1/models',
    'no target',
  ]) {
    const first = targets.of(url);
    assert.deepEqual(first, parseTarget(url));
    if (first !== undefined) assert.notEqual(targets.of(url), first);
  }
});

test('a thousand other targets do not keep the usual one from being remembered again', () => {
  const targets = new KnownTargets();
  for (let i = 0; i < 100; i += 1) {
    const url = `/v1/files/file-${i}`;
    assert.deepEqual(targets.of(url), parseTarget(url));
  }
  assert.notEqual(targets.of('/v1/files/file-0'), targets.of('/v1/files/file-1'));
  const usual = targets.of('/v1/responses');
  assert.equal(targets.of('/v1/responses'), usual);
});
