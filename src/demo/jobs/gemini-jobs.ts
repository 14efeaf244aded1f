// What lasts at Gemini longer than one request: files, which are uploaded to an address of their
// own (https://ai.google.dev/gemini-api/docs/files), and batches. Nothing is kept.

import { jsonReply, type Reply } from '../reply.ts';
import type { ScriptedRequest } from '../scripted-request.ts';

const time = '2026-01-01T00:00:00Z';

/** Undefined for paths that are of something else. */
export function geminiJob(request: ScriptedRequest): Reply | undefined {
  const { path, method } = request;
  if (/^\/upload\/.*\/files$/.test(path)) return upload(request);
  const [, kind = '', id = ''] = /\/(files|batches)(?:\/([^/:]+))?$/.exec(path) ?? [];
  if (kind === '') return undefined;
  if (method === 'DELETE') return jsonReply(200, {}, 2);
  if (kind === 'batches') return geminiBatch();
  const object = fileObject({ sizeBytes: '0' });
  return jsonReply(200, id === '' ? { files: [object] } : object, 2);
}

/** A batch that is done as soon as it is asked for. */
export function geminiBatch(): Reply {
  const name = 'batches/scripted0001';
  const type = 'type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch';
  const about = { displayName: 'demo', createTime: time, updateTime: time };
  const metadata = { '@type': type, name, ...about, state: 'BATCH_STATE_SUCCEEDED' };
  return jsonReply(200, { name, metadata, done: true }, 2);
}

function upload(request: ScriptedRequest): Reply {
  const command = String(request.headers['x-goog-upload-command'] ?? '');
  const { host } = request.headers;
  if (command === 'start') {
    const url = `http://${host}${request.path}?upload_id=scripted0001&upload_protocol=resumable`;
    return withFields(jsonReply(200, {}), { 'x-goog-upload-url': url }, 'active');
  }
  if (!command.includes('finalize')) return withFields(jsonReply(200, {}), {}, 'active');
  const sizeBytes = String(request.bodyBytes);
  return withFields(jsonReply(200, { file: fileObject({ sizeBytes }) }, 2), {}, 'final');
}

function withFields(reply: Reply, fields: Record<string, string>, status: string): Reply {
  const headers = { ...reply.headers, ...fields, 'x-goog-upload-status': status };
  return { ...reply, headers };
}

function fileObject(about: { readonly sizeBytes: string }) {
  return {
    name: 'files/scripted0001',
    mimeType: 'text/plain',
    ...about,
    createTime: time,
    updateTime: time,
    expirationTime: '2026-01-03T00:00:00Z',
    uri: 'https://generativelanguage.googleapis.com/v1beta/files/scripted0001',
    state: 'ACTIVE',
  };
}
