// Names of what one key made: in paths, in bodies, in answers; and what only looks like one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  makesResource,
  nameInAnswer,
  namesInBody,
  namesInPath,
} from '../../src/policy/resource-ids.ts';

test('paths that make something, of every provider', () => {
  const making = [
    '/v1/files',
    '/v1/uploads',
    '/v1/batches',
    '/v1/responses',
    '/v1/vector_stores',
    '/v1/vector_stores/vs_1/files',
    '/v1/assistants',
    '/v1/threads',
    '/v1/containers',
    '/v1/fine_tuning/jobs',
    '/v1/videos',
    '/v1/messages/batches',
    '/upload/v1beta/files',
    '/v1beta/cachedContents',
    '/v1beta/models/gemini-2.5-flash:batchGenerateContent',
  ];
  for (const path of making) assert.ok(makesResource('POST', path), path);
  for (const path of ['/v1/chat/completions', '/v1/messages', '/v1/embeddings', '/v1/files/f-1']) {
    assert.ok(!makesResource('POST', path), path);
  }
  assert.ok(!makesResource('GET', '/v1/files'));
});

test('names in paths', () => {
  assert.deepEqual(namesInPath('/v1/files/file-abc/content'), ['file-abc']);
  assert.deepEqual(namesInPath('/v1/vector_stores/vs_1/files/file-2'), ['vs_1', 'file-2']);
  assert.deepEqual(namesInPath('/v1/fine_tuning/jobs/ftjob-1/events'), ['ftjob-1']);
  assert.deepEqual(namesInPath('/v1beta/files/abc-123'), ['abc-123']);
  assert.deepEqual(namesInPath('/v1/files'), []);
  assert.deepEqual(namesInPath('/v1/models/gpt-4o'), []);
});

test('names in bodies, however deep, and not in what a prompt says', () => {
  const body = JSON.stringify({
    model: 'gpt-4o',
    previous_response_id: 'resp_1',
    conversation: { id: 'conv_2' },
    input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file-3' }] }],
    metadata: 'he said "file_id": "file-not-me"',
  });
  assert.deepEqual(namesInBody(body), ['resp_1', 'conv_2', 'file-3']);
  assert.deepEqual(namesInBody('{"cachedContent": "cachedContents/xyz9"}'), ['xyz9']);
  assert.deepEqual(namesInBody('{"previous_response_id":null}'), []);
});

test('what an answer made', () => {
  assert.equal(nameInAnswer('{"object":"file","id":"file-1","bytes":3}'), 'file-1');
  assert.equal(nameInAnswer('{"file":{"name":"files/abc","mimeType":"x"}}'), 'abc');
  assert.equal(nameInAnswer('{"name":"cachedContents/q1w2","model":"models/m"}'), 'q1w2');
  const stream =
    'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_9",';
  assert.equal(nameInAnswer(stream), 'resp_9');
  assert.equal(nameInAnswer('{"object":"list"}'), undefined);
});
