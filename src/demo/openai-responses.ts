// OpenAI's Responses API, streamed and not: its stream has named, numbered events and ends without
// [DONE]. Who gets one is up to behaviour.ts.

import {
  answerText,
  createdS,
  mockTokens,
  pieces,
  textOf,
  toolArguments,
} from './provider-shape.ts';
import { eventStream, jsonReply, type Reply } from './reply.ts';
import type { ScriptedRequest } from './scripted-request.ts';

interface ResponsesBody {
  readonly model?: string;
  readonly stream?: boolean;
  readonly input?: string | readonly InputItem[];
  readonly tools?: readonly {
    readonly type: string;
    readonly name?: string;
    readonly parameters?: unknown;
  }[];
}

interface InputItem {
  readonly type?: string;
  readonly content?: unknown;
  /** Of a tool. */
  readonly output?: unknown;
}

interface FunctionCall {
  readonly name: string;
  readonly arguments: string;
}

const messageId = 'msg_scripted0001';
const callId = 'fc_scripted0001';

export function modelResponse(request: ScriptedRequest): Reply {
  const body = (request.json ?? {}) as ResponsesBody;
  const last = typeof body.input === 'string' ? undefined : body.input?.at(-1);
  const prompt =
    typeof body.input === 'string' ? body.input : textOf(last?.content ?? last?.output);
  const call = last?.type === 'function_call_output' ? undefined : functionCall(body);
  const text = answerText(prompt);
  const usage = responseUsage(request);
  if (body.stream === true) {
    return eventStream(responseFrames(body, call === undefined ? { text } : { call }, usage));
  }
  const item = call === undefined ? messageItem('completed', text) : callItem('completed', call);
  return jsonReply(200, responseObject(body, [item], usage), 2);
}

/** The first tool that is a function is called. */
function functionCall({ tools }: ResponsesBody): FunctionCall | undefined {
  const tool = tools?.find(({ type, name }) => type === 'function' && name !== undefined);
  if (tool?.name === undefined) return undefined;
  return { name: tool.name, arguments: JSON.stringify(toolArguments(tool.parameters)) };
}

function callItem(status: string, call: FunctionCall) {
  return { id: callId, type: 'function_call', status, call_id: 'call_scripted0001', ...call };
}

function responseUsage(request: ScriptedRequest) {
  const { input, cached, output, reasoning } = mockTokens(request);
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

type Answer = { readonly text: string } | { readonly call: FunctionCall };

function* responseFrames(body: ResponsesBody, answer: Answer, usage: object): Iterable<string> {
  let number = 0;
  const frame = (type: string, fields: object) => {
    const data = JSON.stringify({ type, sequence_number: number, ...fields });
    number += 1;
    return `event: ${type}\ndata: ${data}\n\n`;
  };
  const started = responseObject(body, [], null);
  yield frame('response.created', { response: started });
  yield frame('response.in_progress', { response: started });
  const item = yield* 'call' in answer
    ? callFrames(answer.call, frame)
    : textFrames(answer.text, frame);
  yield frame('response.output_item.done', { output_index: 0, item });
  yield frame('response.completed', { response: responseObject(body, [item], usage) });
}

type Frame = (type: string, fields: object) => string;

/** The item as it is in the end is what it returns. */
function* textFrames(text: string, frame: Frame): Generator<string, object> {
  const place = { item_id: messageId, output_index: 0, content_index: 0 };
  yield frame('response.output_item.added', { output_index: 0, item: messageItem('in_progress') });
  yield frame('response.content_part.added', { ...place, part: textPart('') });
  for (const delta of pieces(text)) yield frame('response.output_text.delta', { ...place, delta });
  yield frame('response.output_text.done', { ...place, text });
  yield frame('response.content_part.done', { ...place, part: textPart(text) });
  return messageItem('completed', text);
}

function* callFrames(call: FunctionCall, frame: Frame): Generator<string, object> {
  const place = { item_id: callId, output_index: 0 };
  const begun = callItem('in_progress', { ...call, arguments: '' });
  yield frame('response.output_item.added', { output_index: 0, item: begun });
  for (const delta of [call.arguments.slice(0, 5), call.arguments.slice(5)]) {
    yield frame('response.function_call_arguments.delta', { ...place, delta });
  }
  yield frame('response.function_call_arguments.done', { ...place, ...call });
  return callItem('completed', call);
}
