// What must not mislead the classifier: prompts quoted in errors, pages, cut bodies, hostile bytes;
// and faults without an answer.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { classify, classifyFault } from '../../../src/policy/answers/classify.ts';
import type { FaultCode, Verdict } from '../../../src/policy/verdict.ts';
import { bestOfThree } from '../../support/best-of-three.ts';

const NOW_MS = Date.parse('2026-08-15T10:00:00Z');

function judge(status: number, body: unknown, inStream = false): Verdict {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const answer = { status, rawHeaders: [], text, inStream };
  return classify(answer, { host: 'api.openai.com', nowMs: NOW_MS });
}

/** Everything that would retire or rest a key if the provider said it. */
const DANGEROUS = [
  'insufficient_quota',
  'invalid_api_key',
  'quota',
  'credit',
  'Your credit balance is too low',
  'Incorrect API key provided',
  'This organization has been disabled.',
  'You exceeded your current quota, please check your plan and billing details.',
  'You have reached your specified API usage limits.',
  'reported as leaked',
  'insufficient balance',
  'monthly spending limit',
  'Provider returned error',
  'User location is not supported for the API use.',
  'engine is currently overloaded',
  '余额不足',
];

describe('a request quoted in an error is not what the provider says', () => {
  const quotes: readonly ((prompt: string) => unknown)[] = [
    (prompt) => ({
      error: { message: `Invalid 'messages[0].content': ${prompt}`, code: 'invalid_value' },
    }),
    (prompt) => ({ error: { message: `Invalid value: '${prompt}'. Supported: 'a'`, code: null } }),
    (prompt) => ({ error: { message: `Unknown name "${prompt}": Cannot find field.` } }),
    (prompt) => ({ error: { message: `Unrecognized argument supplied: ${prompt}` } }),
    (prompt) => ({ error: { message: 'bad value', param: prompt, type: 'invalid_request_error' } }),
    (prompt) => ({ message: `[{"role":"user","content":"${prompt}"}] is not valid` }),
    (prompt) => ({ detail: [{ msg: 'Input should be a list', input: { code: prompt, prompt } }] }),
    (prompt) => ({
      error: { message: 'no', metadata: { raw: prompt, previous_errors: [prompt] } },
    }),
  ];
  for (const prompt of DANGEROUS) {
    test(`400 and 422 that quote: ${prompt}`, () => {
      for (const quote of quotes) {
        for (const status of [400, 422]) {
          const told = JSON.stringify(quote(prompt));
          assert.equal(judge(status, told).kind, 'client_fault', told);
        }
      }
    });
  }

  test('a model of that name is merely not found', () => {
    for (const prompt of DANGEROUS) {
      const verdict = judge(404, {
        error: { message: `model: ${prompt}`, type: 'not_found_error' },
      });
      assert.equal(verdict.kind, 'client_fault', prompt);
    }
  });

  test('a stream that refuses a quoted prompt is the client’s', () => {
    for (const prompt of DANGEROUS) {
      const error = { type: 'invalid_request_error', message: `Invalid prompt: ${prompt}` };
      assert.equal(judge(200, { type: 'error', error }, true).kind, 'client_fault', prompt);
    }
  });
});

describe('single words decide nothing', () => {
  for (const word of [
    'quota',
    'billing',
    'credit',
    'balance',
    'suspended',
    'expired',
    'overloaded',
  ]) {
    test(`"${word}" in a 429 rests the key, in a 403 it passes it over`, () => {
      const body = { error: { message: `Something about ${word} and more ${word}.` } };
      assert.equal(judge(429, body).kind, 'key_cooldown');
      assert.equal(judge(403, body).kind, 'model_access');
    });
  }
});

describe('bodies that are no clean JSON', () => {
  const page = '<html><head><title>x</title></head><body>Incorrect API key provided</body></html>';
  const rows: readonly (readonly [string, number, string, Verdict['kind']])[] = [
    ['an HTML 403', 403, page, 'upstream_fault'],
    ['an HTML 429', 429, `\n\n${page}`, 'upstream_fault'],
    ['an HTML 401', 401, page, 'key_dead'],
    ['an HTML 413', 413, page, 'client_fault'],
    ['an HTML 404', 404, page, 'upstream_fault'],
    ['an XML prologue is not HTML', 403, '<?xml version="1.0"?><Error/>', 'model_access'],
    ['an empty 400', 400, '', 'client_fault'],
    ['an empty 401', 401, '', 'key_dead'],
    ['an empty 402', 402, '', 'key_dead'],
    ['an empty 403', 403, '', 'model_access'],
    ['an empty 404', 404, '', 'client_fault'],
    ['an empty 405', 405, '', 'client_fault'],
    ['an empty 407', 407, '', 'upstream_fault'],
    ['an empty 408', 408, '', 'upstream_fault'],
    ['an empty 409', 409, '', 'client_fault'],
    ['an empty 415', 415, '', 'client_fault'],
    ['an empty 422', 422, '', 'client_fault'],
    ['an empty 425', 425, '', 'upstream_fault'],
    ['an empty 429', 429, '', 'key_cooldown'],
    ['an empty 451', 451, '', 'client_fault'],
    ['an empty 499', 499, '', 'upstream_fault'],
    ['an empty 500', 500, '', 'upstream_fault'],
    ['an empty 529', 529, '', 'upstream_fault'],
    ['an unknown 599', 599, '', 'upstream_fault'],
    ['plain text with a phrase', 403, 'Your API key was reported as leaked.', 'key_dead'],
    ['a JSON null', 429, 'null', 'key_cooldown'],
    ['a JSON number', 400, '42', 'client_fault'],
    ['an empty array', 401, '[]', 'key_dead'],
    ['error true', 403, '{"error":true,"message":"no"}', 'model_access'],
    ['a BOM', 429, '\uFEFF{"error":{"code":"insufficient_quota"}}', 'key_dead'],
    ['an event in a 429', 429, 'data: {"error":{"code":"insufficient_quota"}}\n\n', 'key_dead'],
    ['two objects in a row', 429, '{"error":{"code":"insufficient_quota"}}{"a":1}', 'key_dead'],
  ];
  for (const [name, status, body, kind] of rows) {
    test(name, () => assert.equal(judge(status, body).kind, kind));
  }

  test('a code is found in JSON that was cut in the middle', () => {
    const echo = JSON.stringify({ prompt: '"code":"rate_limit_exceeded"'.repeat(5_000) });
    const whole = `{"error":{"code":"insufficient_quota","type":"x","message":"a, \\"b\\": [","echo":${echo}}}`;
    assert.equal(judge(429, whole.slice(0, 65_536)).kind, 'key_dead');
  });

  test('a code inside a string of a cut body is only text', () => {
    const cut = '{"error":{"message":"you sent {\\"code\\":\\"insufficient_quota\\",\\"a\\":1, and';
    assert.equal(judge(429, cut).kind, 'key_cooldown');
  });

  test('a 200 that is no stream is a success, whatever it contains', () => {
    assert.deepEqual(judge(200, { error: { code: 'invalid_api_key' } }), { kind: 'success' });
    assert.deepEqual(judge(304, ''), { kind: 'success' });
  });

  test('an empty error in a stream is a fault of the upstream', () => {
    assert.equal(judge(200, '', true).kind, 'upstream_fault');
  });
});

describe('hostile bodies', () => {
  test('no body and no header makes classify throw or a wait negative', () => {
    const value = fc.oneof(fc.json(), fc.string(), fc.string({ unit: 'binary' }));
    const headers = fc.array(
      fc.tuple(fc.constantFrom('retry-after', 'date', 'x', ''), fc.string()),
    );
    const status = fc.integer({ min: 200, max: 999 });
    fc.assert(
      fc.property(status, value, headers, fc.boolean(), (code, text, pairs, inStream) => {
        const answer = { status: code, rawHeaders: pairs.flat(), text, inStream };
        const verdict = classify(answer, { host: 'api.z.ai', nowMs: NOW_MS });
        const waitMs = 'retryAfterMs' in verdict ? verdict.retryAfterMs : null;
        assert.ok(waitMs === null || (waitMs > 0 && Number.isInteger(waitMs)));
      }),
      { numRuns: 300 },
    );
  });

  test('64 KiB of anything is judged within 100 ms', async () => {
    const units = [
      '[',
      '{"a":',
      '"',
      '`',
      "'a ",
      '{"error":',
      'data:\n\n',
      '\\"',
      '1',
      'try again in 1 ',
    ];
    for (const unit of units) {
      const body = unit.repeat(65_536 / unit.length);
      for (const text of [body, JSON.stringify({ error: { message: body } }), `{"m":"${body}`]) {
        await bestOfThree(() => {
          const startedAt = performance.now();
          judge(429, text);
          const elapsedMs = performance.now() - startedAt;
          return elapsedMs < 100 ? undefined : `${unit}: ${elapsedMs} ms`;
        });
      }
    }
  });
});

describe('a fault without an answer', () => {
  const fault = (code: FaultCode, sent: boolean) =>
    classifyFault({ kind: 'fault', code, sent, message: '' });

  test('is ambiguous after a timeout only, and only once the request was sent', () => {
    for (const code of ['headers_timeout', 'total_timeout', 'idle_timeout'] as const) {
      assert.partialDeepStrictEqual(fault(code, true), { kind: 'upstream_fault', ambiguous: true });
      assert.partialDeepStrictEqual(fault(code, false), { ambiguous: false });
    }
    for (const code of ['reset', 'refused_stream', 'connect'] as const) {
      assert.partialDeepStrictEqual(fault(code, true), {
        kind: 'upstream_fault',
        ambiguous: false,
      });
    }
  });

  test('of the outgoing proxy blames the route', () => {
    assert.partialDeepStrictEqual(fault('route', false), { route: true });
    assert.partialDeepStrictEqual(fault('dns', false), { route: false });
  });

  test('that the client or the shutdown caused is excluded', () => {
    for (const code of ['client_left', 'shutdown'] as const) {
      const rule = `fault_${code}`;
      assert.deepEqual(fault(code, true), { kind: 'excluded', reason: code, rule });
    }
  });
});

describe('a stream that begins with an error of the request passes on, once', () => {
  const failed = (code: string) => ({ type: 'response.failed', response: { error: { code } } });
  const event = (code: string | number) => ({
    event_type: 'error',
    error: { code, message: 'no' },
  });
  // The codes of a response's error, by OpenAI's API description, and of Gemini's interactions.
  const ofRequest = [
    failed('invalid_prompt'),
    failed('invalid_image'),
    failed('invalid_image_format'),
    failed('invalid_base64_image'),
    failed('invalid_image_url'),
    failed('invalid_image_mode'),
    failed('image_too_large'),
    failed('image_too_small'),
    failed('image_parse_error'),
    failed('image_content_policy_violation'),
    failed('image_file_too_large'),
    failed('image_file_not_found'),
    failed('unsupported_image_media_type'),
    failed('empty_image_file'),
    failed('failed_to_download_image'),
    event('invalid_request'),
    event('not_found'),
    event('failed_precondition'),
  ];
  for (const body of ofRequest) {
    test(JSON.stringify(body), () => assert.equal(judge(200, body, true).kind, 'client_fault'));
  }
  for (const code of ['server_error', 'vector_store_timeout', 'internal', 'unavailable']) {
    test(`but not ${code}`, () => {
      for (const body of [failed(code), event(code)]) {
        assert.equal(judge(200, body, true).kind, 'upstream_fault');
      }
    });
  }
});
