// Answers that are in no recording: what the providers' pages say, with the reason, the wait and
// its scope.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { classify } from '../../../src/policy/answers/classify.ts';

interface Answer {
  id: string;
  host: string;
  status: number;
  headers: Record<string, string>;
  body: string;
  verdict: string;
  reason?: string;
  scope?: string;
  retry_after_ms?: number;
  resume_at?: string;
  in_stream?: boolean;
}

const NOW_MS = Date.parse('2026-08-15T10:00:00Z');

const answers = JSON.parse(
  readFileSync(new URL('../../fixtures/unseen-errors.json', import.meta.url), 'utf8'),
) as Answer[];

/** Every name that a case may use: one that is misspelt would assert nothing. */
const NAMES = new Set(
  'id provider host status headers body note evidence verdict reason scope retry_after_ms resume_at in_stream'.split(
    ' ',
  ),
);

test('no case has a name that nothing reads', () => {
  for (const answer of answers) {
    const unknown = Object.keys(answer).filter((name) => !NAMES.has(name));
    assert.deepEqual(unknown, [], answer.id);
  }
});

describe('classify knows', () => {
  for (const answer of answers) {
    test(answer.id, () => {
      const view = {
        status: answer.status,
        rawHeaders: Object.entries(answer.headers).flat(),
        text: answer.body,
        inStream: answer.in_stream === true,
      };
      const verdict = classify(view, { host: answer.host, nowMs: NOW_MS });
      const told = JSON.stringify(verdict);
      assert.equal(verdict.kind, answer.verdict, told);
      if (answer.reason) assert.equal('reason' in verdict && verdict.reason, answer.reason, told);
      if (answer.scope) assert.equal('scope' in verdict && verdict.scope, answer.scope, told);
      const waitMs = 'retryAfterMs' in verdict ? verdict.retryAfterMs : null;
      if (answer.retry_after_ms) assert.equal(waitMs, answer.retry_after_ms, told);
      if (answer.resume_at)
        assert.equal(NOW_MS + (waitMs ?? 0), Date.parse(answer.resume_at), told);
    });
  }
});
