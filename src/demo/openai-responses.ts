// OpenAI's Responses API, streamed and not: its stream has named, numbered events and ends without
// [DONE]. Who gets one is up to behaviour.ts.

import { answerText, createdS, pieces, pretendedTokens, textOf } from './provider-shape.ts';
import { eventStream, jsonReply, type Reply } from './reply.ts';
import type { ScriptedRequest } from './scripted-request.ts';

interface ResponsesBody {
  readonly model?: string;
  readonly stream?: boolean;
  readonly input?: string | readonly { readonly content?: unknown }[];
}

const messageId = 'msg_scripted0001';

export function modelResponse(request: ScriptedRequest): Reply {
  const body = (request.json ?? {}) as ResponsesBody;
  const prompt =
    typeof body.input === 'string' ? body.input : textOf(body.input?.at(-1)?.content ?? '');
  const text = answerText(prompt);
  const usage = responseUsage(request);
  if (body.stream === true) return eventStream(responseFrames(body, text, usage));
  return jsonReply(200, responseObject(body, [messageItem('completed', text)], usage), 2);
}

function responseUsage(request: ScriptedRequest) {
  const { input, cached, output, reasoning } = pretendedTokens(request);
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: cached },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: input + output,
  };
}

/** @param usage null: it is not complete yet */
function responseObject(body: ResponsesBody, output: unknown[], usage: object | null) {
  return {
    id: 'resp_scripted0001',
    object: 'response',
    created_at: createdS,
    status: usage === null ? 'in_progress' : 'completed',
    error: null,
    incomplete_details: null,
    instructions: null,
    model: body.model ?? 'scripted',
    output,
    parallel_tool_calls: true,
    tool_choice: 'auto',
    tools: [],
    usage,
    metadata: {},
  };
}

function textPart(text: string) {
  return { type: 'output_text', text, annotations: [] };
}

function messageItem(status: string, text?: string) {
  const content = text === undefined ? [] : [textPart(text)];
  return { id: messageId, type: 'message', status, role: 'assistant', content };
}

function* responseFrames(body: ResponsesBody, text: string, usage: object): Iterable<string> {
  let number = 0;
  const frame = (type: string, fields: object) => {
    const data = JSON.stringify({ type, sequence_number: number, ...fields });
    number += 1;
    return `event: ${type}\ndata: ${data}\n\n`;
  };
  const place = { item_id: messageId, output_index: 0, content_index: 0 };
  const started = responseObject(body, [], null);
  yield frame('response.created', { response: started });
  yield frame('response.in_progress', { response: started });
  yield frame('response.output_item.added', { output_index: 0, item: messageItem('in_progress') });
  yield frame('response.content_part.added', { ...place, part: textPart('') });
  for (const delta of pieces(text)) yield frame('response.output_text.delta', { ...place, delta });
  yield frame('response.output_text.done', { ...place, text });
  yield frame('response.content_part.done', { ...place, part: textPart(text) });
  const item = messageItem('completed', text);
  yield frame('response.output_item.done', { output_index: 0, item });
  yield frame('response.completed', { response: responseObject(body, [item], usage) });
}
