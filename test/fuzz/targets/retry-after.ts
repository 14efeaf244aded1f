// What refusals say: any head and any body has a verdict, and any wait is whole, above nothing, and
// within its bound.

import assert from 'node:assert/strict';
import { classify } from '../../../src/policy/answers/classify.ts';
import { MAX_RETRY_AFTER_MS, retryAfterMs } from '../../../src/policy/answers/retry-after.ts';
import type { FuzzTarget } from '../fuzz-target.ts';

const HOSTS = [
  'api.openai.com',
  'api.anthropic.com',
  'generativelanguage.googleapis.com',
  'openrouter.ai',
  'open.bigmodel.cn',
  'api.x.ai',
  'relay.test',
];
const STATUSES = [200, 400, 401, 402, 403, 404, 413, 429, 498, 500, 503, 524, 529];
const NOW_MS = Date.UTC(2026, 10, 27, 13);

export const retryAfter: FuzzTarget = {
  name: 'retry-after',
  seeds: [
    'retry-after: 20\n\n{"error":{"message":"Please try again in 6m0s.","code":"rate_limit"}}',
    'retry-after: Fri, 27 Nov 2026 13:01:00 GMT\ndate: Fri, 27 Nov 2026 13:00:00 GMT\n\n[{"error":' +
      '{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"56.5s"}]}}]',
    'x-ratelimit-reset-requests: 1h2m3.5s\nx-ratelimit-remaining-requests: 0\n\n',
    'anthropic-ratelimit-requests-reset: 2026-11-27T13:05:00Z\nretry-after-ms: 12.5\n\n' +
      '{"type":"error","error":{"type":"rate_limit_error"}}',
    '\n\nYou will regain access on 2026-12-01 at 00:00 UTC. 50 / day, per month',
    '\n\n{"error":{"code":429,"metadata":{"headers":{"X-RateLimit-Reset":"1795784400000"}}}}',
  ],
  words: [
    'retry-after: ',
    '-1',
    '1e9',
    '999999999999999',
    '0.0000001',
    '1h',
    'ms',
    'try again in ',
    '2026-13-45T99:99:99Z',
    '9999-12-31T23:59:59Z',
    '{"error":',
    '[',
    '\\u0000',
    ' / day',
  ],
  check: (input, random) => {
    const text = input.toString('utf8');
    const split = text.indexOf('\n\n');
    const rawHeaders = text
      .slice(0, Math.max(0, split))
      .split('\n')
      .flatMap((line) => {
        const colon = line.indexOf(':');
        return colon < 1 ? [] : [line.slice(0, colon), line.slice(colon + 1).trim()];
      });
    const answer = {
      status: random.of(STATUSES),
      rawHeaders,
      text: text.slice(split < 0 ? 0 : split + 2),
      inStream: random.below(4) === 0,
    };
    const context = { host: random.of(HOSTS), nowMs: NOW_MS };
    const verdict = classify(answer, context);
    const waits = [retryAfterMs(answer, context)];
    if ('retryAfterMs' in verdict) waits.push(verdict.retryAfterMs);
    for (const wait of waits) {
      const isGood = wait === null || (wait > 0 && wait <= MAX_RETRY_AFTER_MS);
      assert.ok(isGood && (wait === null || Number.isSafeInteger(wait)), `a wait of ${wait}`);
    }
  },
};
