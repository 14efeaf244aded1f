// What lasts at OpenAI longer than one request: files, uploads in parts, and batches. Nothing is
// kept: a file or batch that is asked for is the one that there always is, and done.

import { uploadedFile } from '../multipart.ts';
import { createdS, type ProviderShape } from '../provider-shape.ts';
import { jsonReply, type Reply } from '../reply.ts';
import type { ScriptedRequest } from '../scripted-request.ts';

const fileId = 'file-scripted0001';
const uploadId = 'upload_scripted0001';
const batchId = 'batch_scripted0001';
const daySeconds = 86_400;

/** Undefined for paths that are of something else. */
export function openaiJob(
  request: ScriptedRequest,
  refuse: ProviderShape['refuse'],
): Reply | undefined {
  const [, kind = '', id = '', verb = ''] =
    /\/(files|uploads|batches)(?:\/([^/]+))?(?:\/(content|parts|complete|cancel))?$/.exec(
      request.path,
    ) ?? [];
  switch (kind) {
    case 'files':
      return verb === '' ? file(request, id, refuse) : undefined;
    case 'uploads':
      return upload(request, id, verb);
    case 'batches':
      return batch(request, id, verb);
    default:
      return undefined;
  }
}

function file(
  request: ScriptedRequest,
  id: string,
  refuse: ProviderShape['refuse'],
): Reply | undefined {
  if (request.method === 'DELETE') return jsonReply(200, { id, object: 'file', deleted: true }, 2);
  if (request.method !== 'POST') return one(id, fileObject({ filename: 'demo.jsonl', bytes: 0 }));
  const arrived = uploadedFile(request.body, request.headers['content-type']);
  if (arrived === undefined) return refuse('bad_request', request, 0);
  // `sha256` is not in the API: it lets a test see that the upload arrived whole.
  const { filename = '', bytes, sha256 } = arrived;
  return jsonReply(200, { ...fileObject({ filename, bytes }), sha256 }, 2);
}

function fileObject(about: { readonly filename: string; readonly bytes: number }) {
  const status = 'processed';
  const purpose = 'assistants';
  return { id: fileId, object: 'file', created_at: createdS, ...about, purpose, status };
}

function upload(request: ScriptedRequest, id: string, verb: string): Reply | undefined {
  if (request.method !== 'POST') return undefined;
  if (verb === 'parts') {
    const part = { id: 'part_scripted0001', object: 'upload.part', created_at: createdS };
    return jsonReply(200, { ...part, upload_id: id }, 2);
  }
  const { filename = 'demo.bin', bytes = 0, purpose = 'assistants' } = request.json ?? {};
  const status = verb === 'complete' ? 'completed' : verb === 'cancel' ? 'cancelled' : 'pending';
  const times = { created_at: createdS, expires_at: createdS + daySeconds };
  const object = { id: uploadId, object: 'upload', bytes, filename, purpose, status, ...times };
  const made = fileObject({ filename: String(filename), bytes: Number(bytes) });
  return jsonReply(200, { ...object, ...(verb === 'complete' ? { file: made } : {}) }, 2);
}

function batch(request: ScriptedRequest, id: string, verb: string): Reply | undefined {
  const isNew = request.method === 'POST' && id === '';
  const { endpoint = '/v1/chat/completions', input_file_id = fileId } = request.json ?? {};
  const object = {
    id: batchId,
    object: 'batch',
    endpoint,
    input_file_id,
    completion_window: '24h',
    status: isNew ? 'validating' : verb === 'cancel' ? 'cancelling' : 'completed',
    output_file_id: isNew ? null : fileId,
    error_file_id: null,
    created_at: createdS,
    expires_at: createdS + daySeconds,
    request_counts: isNew
      ? { total: 0, completed: 0, failed: 0 }
      : { total: 1, completed: 1, failed: 0 },
    metadata: request.json?.metadata ?? null,
  };
  return isNew ? jsonReply(200, object, 2) : one(id, object);
}

/** One object, or the list of it. */
function one(id: string, object: { readonly id: string }): Reply {
  if (id !== '') return jsonReply(200, { ...object, id }, 2);
  const ends = { first_id: object.id, last_id: object.id, has_more: false };
  return jsonReply(200, { object: 'list', data: [object], ...ends }, 2);
}
