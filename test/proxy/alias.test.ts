// A model's other name in the request: exactly its bytes are exchanged, wherever it stands, and the
// announced length follows.

import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseConfig } from '../../src/config/config.ts';
import { groupOfEnvironment } from '../../src/config/group-settings.ts';
import { parseTarget } from '../../src/policy/request-target.ts';
import type { Lease } from '../../src/pool/lease.ts';
import type { RelayedResponse } from '../../src/proxy/answer/relayed-response.ts';
import { Exchange } from '../../src/proxy/exchange.ts';
import { Plan } from '../../src/proxy/plan.ts';

const NAMES = new Map([
  ['gpt-4o', 'openai/gpt-4o'],
  ['caf\u00e9', 'x"y'],
  ['gemini-pro', 'tunedModels/a b'],
]);
const settings = { ...groupOfEnvironment(parseConfig({})), alias: NAMES };
const upstream = { basePath: '', host: 'one.test', provider: 'openai' };
const lease = { group: { settings }, upstream, key: 'sk-one' } as unknown as Lease;

/** What is sent for such a request. */
function sent(url: string, body: string | undefined, type = 'application/json', upgrade = false) {
  const bytes = Buffer.from(body ?? '');
  const headers = { 'content-type': type, 'content-length': String(bytes.length) };
  const request = { rawHeaders: ['Content-Type', type], headers, method: 'POST', upgrade };
  const target = parseTarget(url);
  assert.ok(target);
  const exchange = new Exchange(
    request as unknown as IncomingMessage,
    { ownedBy: () => {} } as unknown as RelayedResponse,
    target,
    { id: 'x', serial: -1, startMs: 0, clientAddress: '' },
  );
  // In pieces, as bodies come.
  const middle = bytes.length >> 1;
  const chunks = body === undefined ? [] : [bytes.subarray(0, middle), bytes.subarray(middle)];
  const plan = new Plan(exchange, {
    chunks,
    bytes: bytes.length,
    outline: undefined,
    source: undefined,
    isTurnOver: false,
    trailers: [],
  });
  const made = plan.requestFor(lease, undefined);
  assert.equal(Buffer.concat(made.chunks).length, made.bytes);
  return { path: made.path, body: Buffer.concat(made.chunks).toString() };
}

test('in JSON only the deciding name is exchanged, and every other byte stays', () => {
  for (const [given, expected] of [
    ['{"model":"gpt-4o"}', '{"model":"openai/gpt-4o"}'],
    ['{ "x" : {"model":"gpt-4o"},\n "model" :\t"gpt-4o" }', undefined],
    ['{"model":"a","model":"gpt-4o","s":"\\"model\\":\\"gpt-4o\\""}', undefined],
    ['{"mod\\u0065l":"gpt-4\\u006f","z":[{"model":"gpt-4o"}]}', undefined],
    ['{"model":"caf\u00e9","\u4e2d":"\ud83d\ude00"}', undefined],
    ['{"model":"other"}', '{"model":"other"}'],
    ['{"messages":[{"model":"gpt-4o"}]}', '{"messages":[{"model":"gpt-4o"}]}'],
    ['{"model":"gpt-4o"', '{"model":"openai/gpt-4o"'],
    ['no JSON "model":"gpt-4o"', 'no JSON "model":"gpt-4o"'],
  ] as const) {
    const { body } = sent('/v1/chat/completions', given);
    if (expected !== undefined) assert.equal(body, expected);
    else {
      const { model, ...rest } = JSON.parse(given) as Record<string, string>;
      assert.deepEqual(JSON.parse(body), { ...rest, model: NAMES.get(model ?? '') });
    }
  }
  const spaced = sent('/', '{ "x" : {"model":"gpt-4o"},\n "model" :\t"gpt-4o" , "y": 1.0e5 }').body;
  assert.equal(spaced, '{ "x" : {"model":"gpt-4o"},\n "model" :\t"openai/gpt-4o" , "y": 1.0e5 }');
});

test('any JSON object keeps its bytes but for the name', () => {
  const objects = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 5 });
  fc.assert(
    fc.property(objects, objects, (before, after) => {
      const [first, last] = [before, after].map((part) => {
        const { model: _, ...rest } = part;
        return JSON.stringify(rest).slice(1, -1);
      });
      const join = (name: string) =>
        `{${[first, `"model" : ${JSON.stringify(name)}`, last].filter(Boolean).join(' ,\n')}}`;
      assert.equal(sent('/v1/responses', join('gpt-4o')).body, join('openai/gpt-4o'));
    }),
  );
});

test('in a form, a path and a WebSocket’s query it is exchanged too', () => {
  const form = (name: string) =>
    `--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n${name}\r\n--b\r\n\r\ngpt-4o\r\n--b--`;
  const type = 'multipart/form-data; boundary=b';
  assert.equal(sent('/v1/audio', form('gpt-4o'), type).body, form('openai/gpt-4o'));
  const gemini = sent('/v1beta/models/gemini-pro:generateContent?alt=sse', '{"model":"gpt-4o"}');
  assert.equal(gemini.path, '/v1beta/models/tunedModels/a%20b:generateContent?alt=sse');
  assert.equal(gemini.body, '{"model":"gpt-4o"}');
  const live = sent('/v1/realtime?a=model&model=gpt-4o&b=%20', undefined, 'x/y', true);
  assert.equal(live.path, '/v1/realtime?a=model&model=openai%2Fgpt-4o&b=%20');
});
