// Anthropic's message batches. Nothing is kept: a batch that is asked for is the one that there
// always is, and has ended.

import { answerText } from '../provider-shape.ts';
import { jsonReply, type Reply } from '../reply.ts';
import type { ScriptedRequest } from '../scripted-request.ts';

const batchId = 'msgbatch_scripted0001';
const time = '2026-01-01T00:00:00Z';

/** @param id '' for all of them, or for a new one; `verb`: `cancel`, `results` or nothing */
export function messageBatch(request: ScriptedRequest, id: string, verb: string): Reply {
  if (request.method === 'DELETE') return jsonReply(200, { id, type: 'message_batch_deleted' });
  if (verb === 'results') return results();
  const asked = request.json?.requests;
  const count = Array.isArray(asked) ? asked.length : 1;
  const isNew = request.method === 'POST' && id === '';
  const batch = batchObject(
    request,
    isNew ? 'in_progress' : verb === 'cancel' ? 'canceling' : 'ended',
    count,
  );
  if (isNew || id !== '') return jsonReply(200, batch);
  const ends = { first_id: batchId, last_id: batchId, has_more: false };
  return jsonReply(200, { data: [batch], ...ends });
}

function batchObject({ path, headers }: ScriptedRequest, status: string, count: number) {
  const hasEnded = status === 'ended';
  const base = path.slice(0, path.indexOf('/messages/'));
  return {
    id: batchId,
    type: 'message_batch',
    processing_status: status,
    request_counts: {
      processing: hasEnded ? 0 : count,
      succeeded: hasEnded ? count : 0,
      errored: 0,
      canceled: 0,
      expired: 0,
    },
    created_at: time,
    expires_at: '2026-01-02T00:00:00Z',
    ended_at: hasEnded ? time : null,
    archived_at: null,
    cancel_initiated_at: status === 'canceling' ? time : null,
    results_url: hasEnded
      ? `http://${headers.host}${base}/messages/batches/${batchId}/results`
      : null,
  };
}

function results(): Reply {
  const message = {
    id: 'msg_scripted0001',
    type: 'message',
    role: 'assistant',
    model: 'claude-opus-4-5',
    content: [{ type: 'text', text: answerText('') }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: { input_tokens: 9, output_tokens: 12 },
  };
  const line = { custom_id: 'demo-1', result: { type: 'succeeded', message } };
  const headers = { 'content-type': 'application/x-jsonl' };
  return { status: 200, headers, body: `${JSON.stringify(line)}\n` };
}
