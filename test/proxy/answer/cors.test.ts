// Cross-origin answers by the Fetch standard, for preflights and for proxied answers.

import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { parseConfig } from '../../../src/config/config.ts';
import { fieldValue } from '../../../src/policy/headers.ts';
import { Cors } from '../../../src/proxy/answer/cors.ts';

function cors(env: Record<string, string> = {}): Cors {
  return new Cors(parseConfig(env));
}

function mark(
  env: Record<string, string>,
  origin: string | undefined,
  upstream: string[] = [],
): string[] {
  const fields = [...upstream];
  cors(env).mark(fields, origin);
  return fields;
}

/** The fields of a preflight's answer, or undefined when it was none. */
function preflight(
  env: Record<string, string>,
  headers: Record<string, string>,
): string[] | undefined {
  let sent: string[] | undefined;
  const response = {
    writeHead: (_status: number, fields: string[]) => {
      sent = fields;
    },
    end: () => {},
  } as unknown as ServerResponse;
  const request = { method: 'OPTIONS', headers } as unknown as IncomingMessage;
  return cors(env).answerPreflight(request, response) ? sent : undefined;
}

const ORIGIN = 'https://app.example';
const ASK = {
  origin: ORIGIN,
  'access-control-request-method': 'POST',
  'access-control-request-headers': 'authorization, x-stainless-lang',
};

describe('CORS', () => {
  it('leaves exactly one Access-Control-Allow-Origin when the upstream sends its own', () => {
    const fields = mark({}, ORIGIN, [
      'access-control-allow-origin',
      'https://other',
      'Access-Control-Allow-Credentials',
      'true',
    ]);
    const origins = fields.filter((name) => /^access-control-allow-origin$/i.test(name));
    assert.equal(origins.length, 1);
    assert.equal(fieldValue(fields, 'access-control-allow-origin'), '*');
    assert.equal(fieldValue(fields, 'access-control-allow-credentials'), undefined);
  });

  it('says Vary: Origin once, keeping what else varies', () => {
    assert.deepEqual(
      mark({}, ORIGIN, ['Vary', 'Accept, Origin']).filter((f) => f === 'Vary').length,
      1,
    );
    assert.deepEqual(mark({}, ORIGIN, ['Vary', 'Accept-Encoding']).slice(0, 4), [
      'Vary',
      'Accept-Encoding',
      'Vary',
      'Origin',
    ]);
  });

  it('names an allowed origin and stays silent to another', () => {
    const env = { ALLOWED_ORIGINS: `${ORIGIN},https://b.example`, ALLOW_CREDENTIALS: 'true' };
    const fields = mark(env, ORIGIN);
    assert.equal(fieldValue(fields, 'access-control-allow-origin'), ORIGIN);
    assert.equal(fieldValue(fields, 'access-control-allow-credentials'), 'true');
    assert.deepEqual(mark(env, 'https://evil.example'), ['Vary', 'Origin']);
    assert.deepEqual(mark(env, undefined), ['Vary', 'Origin']);
  });

  it('answers a preflight with the headers that it asks for, as * never covers Authorization', () => {
    const fields = preflight({}, ASK) ?? [];
    assert.equal(
      fieldValue(fields, 'access-control-allow-headers'),
      'authorization, x-stainless-lang',
    );
    assert.equal(
      fieldValue(fields, 'access-control-allow-methods'),
      'GET, POST, PUT, DELETE, OPTIONS',
    );
  });

  it('answers a configured list of headers as it is', () => {
    const fields = preflight({ ALLOWED_HEADERS: 'authorization,content-type' }, ASK) ?? [];
    assert.equal(fieldValue(fields, 'access-control-allow-headers'), 'authorization, content-type');
  });

  it('does not take a plain OPTIONS for a preflight, nor any when CORS is off', () => {
    assert.equal(preflight({}, { origin: ORIGIN }), undefined);
    assert.equal(preflight({ ENABLE_CORS: 'false' }, ASK), undefined);
  });
});
