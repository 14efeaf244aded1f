// The names of rules stand in trails, dashboards and scripts: each rule has one, no two share one,
// and a name that has once been given stays.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classify, classifyFault } from '../../../src/policy/answers/classify.ts';
import { RULES } from '../../../src/policy/answers/rules.ts';

const CONTEXT = { host: 'api.openai.com', nowMs: 0 };

function judged(status: number, error: object) {
  const view = { status, rawHeaders: [], text: JSON.stringify({ error }), inStream: false };
  return classify(view, CONTEXT);
}

test('every rule has a name of its own, in snake case', () => {
  const names = RULES.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.match(name, /^[a-z0-9]+(_[a-z0-9]+)*$/);
  assert.ok(
    names.every((name) => !name.startsWith('fault_')),
    'these belong to faults',
  );
});

test('names that people know stay', () => {
  const stable = ['status_429', 'status_401', 'status_5xx', 'insufficient_quota', 'invalid_key'];
  const names = RULES.map(({ name }) => name);
  assert.deepEqual(
    stable.filter((name) => !names.includes(name)),
    [],
  );
});

test('a verdict carries its rule and the code of the answer', () => {
  const limited = judged(429, { code: 'rate_limit_exceeded', type: 'requests', message: 'slow' });
  assert.partialDeepStrictEqual(limited, { rule: 'status_429', code: 'rate_limit_exceeded' });
  const dead = judged(401, { code: 'invalid_api_key', message: 'no' });
  assert.partialDeepStrictEqual(dead, { rule: 'invalid_key', code: 'invalid_api_key' });
  const fault = classifyFault({ kind: 'fault', code: 'dns', sent: false, message: '' });
  assert.partialDeepStrictEqual(fault, { kind: 'upstream_fault', rule: 'fault_dns' });
});

test('what may be an echo of a key is no code', () => {
  for (const code of ['sk-abcdefghijklmnop1234', 'AIzaSyA1234567890', 'a b', 'x'.repeat(65)]) {
    assert.partialDeepStrictEqual(judged(429, { code }), { code: undefined });
  }
});
