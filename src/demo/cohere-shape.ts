// Cohere's own API (https://docs.cohere.com/reference): embeddings of both versions, chat and
// rerank. Who gets one is up to behaviour.ts.

import { openaiRefusal, openaiStreamError } from './openai-refusals.ts';
import {
  answerText,
  embedding,
  mockTokens,
  type ProviderShape,
  pieces,
  textOf,
} from './provider-shape.ts';
import { eventStream, jsonReply, type Reply } from './reply.ts';
import type { ScriptedRequest } from './scripted-request.ts';

const id = 'scripted-0001';

/** Whether only Cohere has this path. */
export function isCoherePath(path: string): boolean {
  return /\/v1\/(embed|rerank|chat)$|\/v2\/(embed|rerank|chat)$/.test(path);
}

export const cohereShape: ProviderShape = {
  answer(request) {
    const isNew = request.path.includes('/v2/');
    if (request.path.endsWith('/embed')) return embed(request, isNew);
    if (request.path.endsWith('/rerank')) return rerank(request);
    return isNew ? chat(request) : oldChat(request);
  },
  refuse: openaiRefusal,
  streamError: openaiStreamError,
};

/** @param byType by the kind of numbers, as version 2 has it, and version 1 where it is asked */
function embed({ json = {} }: ScriptedRequest, byType: boolean): Reply {
  const texts = Array.isArray(json.texts) ? json.texts.map(String) : [];
  const numbers = texts.map((text) => embedding(text, Number(json.output_dimension ?? 8)));
  const isByType = byType || Array.isArray(json.embedding_types);
  return jsonReply(200, {
    response_type: isByType ? 'embeddings_by_type' : 'embeddings_floats',
    id,
    embeddings: isByType ? { float: numbers } : numbers,
    texts,
    meta: meta({ input_tokens: texts.length }, byType),
  });
}

function rerank({ json = {}, path }: ScriptedRequest): Reply {
  const documents = Array.isArray(json.documents) ? json.documents : [];
  const results = documents.map((_, index) => ({ index, relevance_score: 1 / (index + 1) }));
  const top = results.slice(0, Number(json.top_n ?? results.length));
  return jsonReply(200, {
    id,
    results: top,
    meta: meta({ search_units: 1 }, path.includes('/v2/')),
  });
}

function meta(billed_units: object, isNew: boolean) {
  return { api_version: { version: isNew ? '2' : '1' }, billed_units };
}

function chat(request: ScriptedRequest): Reply {
  const { messages, stream } = request.json ?? {};
  const last = Array.isArray(messages) ? messages.at(-1) : undefined;
  const text = answerText(textOf(last?.content));
  const { input, output } = mockTokens(request);
  const tokens = { input_tokens: input, output_tokens: output };
  const usage = { billed_units: tokens, tokens };
  if (stream === true) return eventStream(chatFrames(text, usage));
  const message = { role: 'assistant', content: [{ type: 'text', text }] };
  return jsonReply(200, { id, finish_reason: 'COMPLETE', message, usage });
}

function oldChat(request: ScriptedRequest): Reply {
  const text = answerText(textOf(request.json?.message));
  const { input, output } = mockTokens(request);
  const billed = meta({ input_tokens: input, output_tokens: output }, false);
  return jsonReply(200, { generation_id: id, text, finish_reason: 'COMPLETE', meta: billed });
}

function* chatFrames(text: string, usage: object): Iterable<string> {
  const frame = (type: string, fields: object) => {
    return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
  };
  const part = (content: object) => ({ index: 0, delta: { message: { content } } });
  const message = { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] };
  yield frame('message-start', { id, delta: { message } });
  yield frame('content-start', part({ type: 'text', text: '' }));
  for (const piece of pieces(text)) yield frame('content-delta', part({ text: piece }));
  yield frame('content-end', { index: 0 });
  yield frame('message-end', { id, delta: { finish_reason: 'COMPLETE', usage } });
}
