// A trail like most, with what a test wants different.

import type { Trail, TrailAttempt } from '../../../src/log/trail.ts';

export const ATTEMPT: TrailAttempt = {
  upstream: 'https://api.example.com',
  key: 'sk-a...1234',
  status: 200,
  verdict: 'success',
  rule: undefined,
  code: undefined,
  ms: 10,
  endMs: 11,
  waitedMs: 0,
  changes: [],
};

export function trailWith(different: Partial<Trail> = {}): Trail {
  return {
    atMs: 1_700_000_000_000,
    id: 'abcd123400001',
    client: '127.0.0.1',
    clientName: undefined,
    groupName: 'default',
    method: 'POST',
    path: '/v1/chat/completions',
    model: 'gpt-4o',
    streamed: false,
    status: 200,
    firstByteMs: 11,
    totalMs: 12,
    waitedMs: 0,
    bytesIn: 60,
    bytesOut: 500,
    ended: undefined,
    refusal: undefined,
    tokens: undefined,
    attempts: [ATTEMPT],
    ...different,
  };
}
