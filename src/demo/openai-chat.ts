// OpenAI's chat completions, streamed and not, with tool calls, as
// platform.openai.com/docs/api-reference/chat describes them. Who gets one is up to behaviour.ts.

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

interface ChatBody {
  readonly model?: string;
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
  readonly messages?: readonly { readonly role: string; readonly content: unknown }[];
  readonly tools?: readonly { readonly function?: { name: string; parameters?: unknown } }[];
}

const id = 'chatcmpl-scripted0001';

export function chatCompletion(request: ScriptedRequest): Reply {
  const body = (request.json ?? {}) as ChatBody;
  const last = body.messages?.at(-1);
  const tool = last?.role === 'tool' ? undefined : body.tools?.[0]?.function;
  const call = tool && {
    id: 'call_scripted0001',
    type: 'function',
    function: { name: tool.name, arguments: JSON.stringify(toolArguments(tool.parameters)) },
  };
  const text = answerText(textOf(last?.content));
  const usage = chatUsage(request);
  if (body.stream === true) return eventStream(chatFrames(body, text, call, usage));
  return jsonReply(
    200,
    {
      id,
      object: 'chat.completion',
      created: createdS,
      model: body.model ?? 'scripted',
      choices: [
        {
          index: 0,
          message: call
            ? { role: 'assistant', content: null, refusal: null, tool_calls: [call] }
            : { role: 'assistant', content: text, refusal: null },
          logprobs: null,
          finish_reason: call ? 'tool_calls' : 'stop',
        },
      ],
      usage,
      system_fingerprint: null,
    },
    2,
  );
}

function chatUsage(request: ScriptedRequest) {
  const { input, cached, output, reasoning } = mockTokens(request);
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: cached },
    completion_tokens_details: { reasoning_tokens: reasoning },
  };
}

interface ToolCall {
  readonly id: string;
  readonly type: string;
  readonly function: { readonly name: string; readonly arguments: string };
}

function* chatFrames(
  body: ChatBody,
  text: string,
  call: ToolCall | undefined,
  usage: object,
): Iterable<string> {
  const frame = (choices: unknown[], extra = {}) =>
    `data: ${JSON.stringify({
      id,
      object: 'chat.completion.chunk',
      created: createdS,
      model: body.model ?? 'scripted',
      choices,
      ...extra,
    })}\n\n`;
  const delta = (value: unknown, finish: string | null = null) =>
    frame([{ index: 0, delta: value, logprobs: null, finish_reason: finish }]);
  if (call) {
    const { name, arguments: args } = call.function;
    const opening = { index: 0, id: call.id, type: 'function', function: { name, arguments: '' } };
    yield delta({ role: 'assistant', content: null, tool_calls: [opening] });
    for (const part of [args.slice(0, 5), args.slice(5)]) {
      yield delta({ tool_calls: [{ index: 0, function: { arguments: part } }] });
    }
  } else {
    yield delta({ role: 'assistant', content: '' });
    for (const piece of pieces(text)) yield delta({ content: piece });
  }
  yield delta({}, call ? 'tool_calls' : 'stop');
  if (body.stream_options?.include_usage === true) yield frame([], { usage });
  yield 'data: [DONE]\n\n';
}
