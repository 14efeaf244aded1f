// Model and stream flag, found in bytes: the same as JSON.parse would say, at a bounded cost.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { asksForStream, modelInBody, modelInPath } from '../../src/proxy/request-facts.ts';

const json = 'application/json';

function requestedModel(path: string, type: string | undefined, body: Buffer | undefined) {
  return modelInPath(path) ?? (body === undefined ? undefined : modelInBody(body, type)?.name);
}

function model(body: unknown): string | undefined {
  return requestedModel('/v1/chat/completions', json, Buffer.from(JSON.stringify(body)));
}

describe('requestedModel', () => {
  it('is the outermost member, not one that a prompt or a tool mentions', () => {
    const messages = [{ role: 'user', content: 'say "model": "no" or \\"model\\": {' }];
    const tools = [{ function: { parameters: { properties: { model: { type: 'no' } } } } }];
    assert.equal(model({ messages, tools, model: 'gpt-5' }), 'gpt-5');
    assert.equal(model({ messages, tools }), undefined);
  });

  it('decodes escapes and refuses what is not a name', () => {
    assert.equal(requestedModel('/', json, Buffer.from('{"model":"\\u0067pt"}')), 'gpt');
    assert.equal(requestedModel('/', json, Buffer.from('{"model":5}')), undefined);
    assert.equal(requestedModel('/', json, Buffer.from('{"model":""}')), undefined);
    assert.equal(
      requestedModel('/', json, Buffer.from(`{"model":"${'x'.repeat(300)}"}`)),
      undefined,
    );
  });

  it('is the path’s for Gemini and Azure', () => {
    assert.equal(
      requestedModel('/v1beta/models/gemini-x:generateContent', undefined, undefined),
      'gemini-x',
    );
    assert.equal(requestedModel('/openai/deployments/dep-1/chat', undefined, undefined), 'dep-1');
  });

  it('is a multipart form’s field', () => {
    const form = Buffer.from(
      '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--',
    );
    assert.equal(
      requestedModel('/v1/audio/transcriptions', 'multipart/form-data; boundary=b', form),
      'whisper-1',
    );
  });

  it('is found behind a long prompt, and the last of several counts, as parsers have it', () => {
    assert.equal(model({ input: 'x'.repeat(2 ** 20), model: 'gpt-5' }), 'gpt-5');
    const twice = Buffer.from('{"model":"a","x":{"model":"c"},"mod\\u0065l":"b","y":1}');
    assert.equal(requestedModel('/', json, twice), 'b');
  });

  it('agrees with JSON.parse on any object, cut off anywhere without throwing', () => {
    const objects = fc.dictionary(fc.oneof(fc.string(), fc.constant('model')), fc.jsonValue());
    fc.assert(
      fc.property(objects, fc.nat(), (object, cut) => {
        const bytes = Buffer.from(JSON.stringify(object));
        const expected = (JSON.parse(bytes.toString()) as Record<string, unknown>).model;
        const named = typeof expected === 'string' && expected !== '' ? expected : undefined;
        assert.equal(requestedModel('/', json, bytes), named);
        requestedModel('/', json, bytes.subarray(0, cut % (bytes.length + 1)));
      }),
    );
  });
});

describe('asksForStream', () => {
  it('sees the flag at depth 1 only, and Gemini’s method name', () => {
    assert.equal(asksForStream('/v1/x', Buffer.from('{ "a": [1], "stream" : true }')), true);
    assert.equal(asksForStream('/v1/x', Buffer.from('{"stream":false}')), false);
    assert.equal(asksForStream('/v1/x', Buffer.from('{"x":{"stream":true}}')), false);
    assert.equal(asksForStream('/v1beta/models/m:streamGenerateContent', undefined), true);
    assert.equal(asksForStream('/v1/x', undefined), false);
  });
});
