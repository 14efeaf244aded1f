// When to come back: the order of belief, every notation, and the calendar behind daily and monthly
// quotas.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  nextPacificMidnight,
  nextUtcMidnight,
  nextUtcMonth,
} from '../../../src/policy/answers/calendar.ts';
import { classify } from '../../../src/policy/answers/classify.ts';
import { MAX_RETRY_AFTER_MS, retryAfterMs } from '../../../src/policy/answers/retry-after.ts';

const NOW_MS = Date.parse('2026-08-15T10:00:00Z');

function wait(headers: Record<string, string>, body: unknown = '', status = 429): number | null {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = { status, rawHeaders: Object.entries(headers).flat(), text, inStream: false };
  return retryAfterMs(answer, { host: 'api.openai.com', nowMs: NOW_MS });
}

const says = (message: string) => ({ error: { message } });
const retryInfo = { error: { message: 'retry in 9s', details: [{ retryDelay: '7s' }] } };

describe('the header', () => {
  const rows: readonly (readonly [string, string, number | null])[] = [
    ['retry-after', '30', 30_000],
    ['Retry-After', ' 30 ', 30_000],
    ['retry-after', '1.0005', 1_001],
    ['retry-after', '604800', 604_800_000],
    ['retry-after', '3m20s', 200_000],
    ['retry-after', '99999999999999', MAX_RETRY_AFTER_MS],
    ['retry-after', '999999999', MAX_RETRY_AFTER_MS],
    ['retry-after', 'Sat, 15 Aug 2026 10:01:00 GMT', 60_000],
    ['retry-after', 'Saturday, 15-Aug-26 10:01:00 GMT', 60_000],
    ['retry-after', 'Sat Aug 15 10:01:00 2026', 60_000],
    ['retry-after', '2026-08-15T10:01:00Z', 60_000],
    ['retry-after', '1786788060', 60_000],
    ['retry-after', 'Sat, 15 Aug 2026 09:00:00 GMT', null],
    ['retry-after', '0', null],
    ['retry-after', '-5', null],
    ['retry-after', 'soon', null],
    ['retry-after', '', null],
    ['retry-after', '1e9', null],
    ['retry-after', 'Infinity', null],
    ['retry-after-ms', '5784', 5_784],
    ['retry-after-ms', '0.2', 1],
    ['retry-after-ms', '10s', null],
  ];
  for (const [name, value, expected] of rows) {
    test(`${name}: ${value} means ${expected}`, () =>
      assert.equal(wait({ [name]: value }), expected));
  }

  test('of a date is measured against the Date of the same answer, not the local clock', () => {
    const headers = {
      date: 'Mon, 01 Jan 2024 00:00:00 GMT',
      'retry-after': 'Mon, 01 Jan 2024 00:02:00 GMT',
    };
    assert.equal(wait(headers), 120_000);
  });
});

describe('the first that names a time wins', () => {
  const bucket = { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '5s' };

  test('retry-after-ms before retry-after', () => {
    assert.equal(wait({ 'retry-after': '6', 'retry-after-ms': '5784' }), 5_784);
  });
  test('retry-after before RetryInfo', () =>
    assert.equal(wait({ 'retry-after': '6' }, retryInfo), 6_000));
  test('RetryInfo before an exhausted bucket', () => assert.equal(wait(bucket, retryInfo), 7_000));
  test('an exhausted bucket before the message', () => {
    assert.equal(wait(bucket, says('try again in 9s')), 5_000);
  });
  test('a useless header is passed over', () => {
    assert.equal(wait({ 'retry-after': '0' }, says('try again in 9s')), 9_000);
  });
  test('a header alone counts for a 503, a bucket does not', () => {
    assert.equal(wait({ 'retry-after': '6' }, '', 503), 6_000);
    assert.equal(wait(bucket, '', 503), null);
  });
});

describe('a bucket', () => {
  const rows: readonly (readonly [string, Record<string, string>, number | null])[] = [
    [
      'with something left says nothing',
      { 'x-ratelimit-remaining-requests': '1', 'x-ratelimit-reset-requests': '6m0s' },
      null,
    ],
    [
      'reads Go durations',
      { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '2m52.8s' },
      172_800,
    ],
    [
      'reads milliseconds',
      { 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '120ms' },
      120,
    ],
    [
      'reads bare seconds, overdrawn',
      { 'x-ratelimit-remaining-tokens': '-27689', 'x-ratelimit-reset-tokens': '64' },
      64_000,
    ],
    [
      'reads RFC 3339',
      {
        'anthropic-ratelimit-output-tokens-remaining': '0',
        'anthropic-ratelimit-output-tokens-reset': '2026-08-15T10:00:30Z',
      },
      30_000,
    ],
    [
      'reads epoch milliseconds',
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1786788030000' },
      30_000,
    ],
    ['reads the IETF draft', { ratelimit: '"default";r=0;t=17' }, 17_000],
    ['reads the IETF draft that is not exhausted', { ratelimit: '"default";r=1199;t=1' }, null],
    [
      'without a reset but with a period',
      { 'x-ratelimit-remaining-requests-day': '0' },
      14 * 3_600_000,
    ],
    [
      'that makes no sense says nothing',
      { 'x-ratelimit-remaining-tokens': 'none', 'x-ratelimit-reset-tokens': '5s' },
      null,
    ],
    [
      'with a reset in the past says nothing',
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1500000000' },
      null,
    ],
  ];
  for (const [name, headers, expected] of rows) {
    test(name, () => assert.equal(wait(headers), expected));
  }

  test('that resets last decides when several are exhausted', () => {
    const headers = {
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '10s',
      'x-ratelimit-remaining-tokens': '0',
      'x-ratelimit-reset-tokens': '20s',
    };
    assert.equal(wait(headers), 20_000);
  });
});

describe('the message', () => {
  const rows: readonly (readonly [string, number | null])[] = [
    ['Please try again in 1.204s. Visit', 1_204],
    ['Please try again in 9m38.016s.', 578_016],
    ['Please try again in 108ms.', 108],
    ['Please retry in 44.09s.', 44_090],
    ['Please retry in 900.2ms.', 901],
    ['Please retry after 27 seconds.', 27_000],
    ['try again after 1 seconds', 1_000],
    ['Try again in 2 hours 5 minutes.', 7_500_000],
    ['Try again in 1h2m3s', 3_723_000],
    ['please try again in 1 day', 86_400_000],
    ['Please try again later', null],
    ['try again in a while', null],
    ['try again in 5 potatoes', null],
    ['try again in 0s', null],
    ['You will regain access on 2026-09-01 at 00:00 UTC.', 17 * 86_400_000 - 10 * 3_600_000],
    ['You will regain access on 2026-99-99 at 00:00 UTC.', null],
    ['model gpt-4-2026-09-01 00:00 is busy', null],
    ['limited to 1000 API calls / month.', 17 * 86_400_000 - 10 * 3_600_000],
    ['reached organization TPD rate limit', 14 * 3_600_000],
  ];
  for (const [message, expected] of rows) {
    test(`"${message}" means ${expected}`, () => assert.equal(wait({}, says(message)), expected));
  }
});

describe('the end of a day or a month of a quota', () => {
  type Row = readonly [string, string, Record<string, string>, unknown, boolean];
  const perDay = '/GenerateRequestsPerDayPerProjectPerModel-FreeTier';
  const details = [{ violations: [{ quotaId: perDay }], '@type': 'x/google.rpc.QuotaFailure' }];
  const gemini = { error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'quota', details } };
  const regain = 'You have reached your specified API usage limits. You will regain access on ';
  const rows: readonly Row[] = [
    ['a bare Retry-After', 'api.openai.com', { 'retry-after': '900000' }, says('slow down'), false],
    ['a long delay in words', 'api.openai.com', {}, says('Please try again in 3 days.'), false],
    [
      'a reset header',
      'a.test',
      { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '9d' },
      '',
      false,
    ],
    ['a minute', 'api.cohere.com', {}, says('limited to 40 API calls / minute'), false],
    ['calls / month', 'api.cohere.com', {}, says('limited to 1000 API calls / month.'), true],
    [
      'a month that names its end',
      'api.anthropic.com',
      {},
      says(`${regain}2026-09-01 at 00:00 UTC.`),
      true,
    ],
    [
      'a month, by Retry-After',
      'a.test',
      { 'retry-after': '1000000' },
      says('calls / month'),
      true,
    ],
    [
      'a bucket of the month',
      'api.mistral.ai',
      { 'x-ratelimit-remaining-tokens-month': '0' },
      '',
      true,
    ],
    ['a day of Gemini', 'generativelanguage.googleapis.com', {}, gemini, true],
    [
      'requests per day, in words',
      'api.groq.com',
      {},
      says('Limit: requests per day (RPD). Please try again in 7h12m.'),
      true,
    ],
    [
      'a day that is said to last three',
      'a.test',
      { 'retry-after': '259200' },
      says('free-models-per-day'),
      false,
    ],
  ];
  for (const [name, host, headers, body, expected] of rows) {
    test(`${expected ? 'is' : 'is not'} ${name}`, () => {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      const rawHeaders = Object.entries(headers).flat();
      const answer = { status: 429, rawHeaders, text, inStream: false };
      const verdict = classify(answer, { host, nowMs: NOW_MS });
      assert.ok(verdict.kind === 'key_cooldown', verdict.kind);
      assert.ok(verdict.retryAfterMs !== null, 'a time is named');
      assert.equal(verdict.isPeriodEnd, expected, `${verdict.rule}: ${verdict.retryAfterMs}`);
    });
  }
});

describe('the calendar', () => {
  test('midnight Pacific is right at every hour of three years, both changes included', () => {
    const clock = new Intl.DateTimeFormat('en-US', {
      timeZone: 'America/Los_Angeles',
      hour: 'numeric',
      minute: 'numeric',
      hourCycle: 'h23',
    });
    const end = Date.UTC(2028, 0, 1);
    let hours = 0;
    for (let at = Date.UTC(2025, 0, 1) + 1_800_000; at < end; at += 3_600_000) {
      const midnight = nextPacificMidnight(at);
      const waitMs = midnight - at;
      assert.ok(waitMs > 0 && waitMs <= 25 * 3_600_000, new Date(at).toISOString());
      if (hours % 24 === 0)
        assert.equal(clock.format(midnight), '00:00', new Date(at).toISOString());
      hours += 1;
    }
  });

  test('the days of the two changes have 23 and 25 hours', () => {
    const day = (from: string) => nextPacificMidnight(Date.parse(from)) - Date.parse(from);
    assert.equal(day('2026-03-08T08:00:00Z'), 23 * 3_600_000);
    assert.equal(day('2026-11-01T07:00:00Z'), 25 * 3_600_000);
  });

  test('a UTC day and a UTC month end where the next begins, years included', () => {
    const last = Date.parse('2026-12-31T23:59:59.999Z');
    assert.equal(nextUtcMidnight(last), last + 1);
    assert.equal(nextUtcMonth(last), last + 1);
    assert.equal(nextUtcMonth(last + 1), Date.parse('2027-02-01T00:00:00Z'));
  });
});
