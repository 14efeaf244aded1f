// The Anthropic API as its official SDK sees it: messages streamed and not, tool use, models,
// files. Its stream is irregularly spaced on purpose, as the real one is: a proxy that
// re-serialises it is caught.

import type { Refusal } from './behaviour.ts';
import { messageBatch } from './jobs/anthropic-batches.ts';
import { uploadedFile } from './multipart.ts';
import {
  answerText,
  audioBytes,
  binaryBytes,
  mockTokens,
  type ProviderShape,
  pieces,
  textOf,
  toolArguments,
} from './provider-shape.ts';
import { eventStream, jsonReply, type Reply } from './reply.ts';
import type { ScriptedRequest } from './scripted-request.ts';

interface MessagesBody {
  readonly model?: string;
  readonly stream?: boolean;
  readonly messages?: readonly { readonly content: unknown }[];
  readonly tools?: readonly { readonly name: string; readonly input_schema?: unknown }[];
}

type ContentBlock =
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'tool_use';
      readonly id: string;
      readonly name: string;
      readonly input: object;
    };

const requestId = 'req_scripted0001';
const models = ['claude-opus-4-5', 'claude-haiku-4-5'];

export const anthropicShape: ProviderShape = {
  answer(request) {
    const { path } = request;
    if (request.method === 'POST' && path.endsWith('/messages'))
      return identified(message(request));
    if (path.endsWith('/messages/count_tokens')) {
      return identified(jsonReply(200, { input_tokens: mockTokens(request).input }));
    }
    const batch = /\/messages\/batches(?:\/([^/]+))?(?:\/(cancel|results))?$/.exec(path);
    if (batch !== null) return identified(messageBatch(request, batch[1] ?? '', batch[2] ?? ''));
    if (request.method === 'POST' && path.endsWith('/files')) return identified(file(request));
    if (request.method === 'GET' && path.endsWith('/content')) {
      const headers = { 'content-type': 'application/octet-stream' };
      return identified({ status: 200, headers, body: binaryBytes(audioBytes) });
    }
    if (request.method === 'GET' && path.endsWith('/models')) return identified(modelList());
    return errorReply(404, 'not_found_error', `Not found: ${path}`);
  },
  refuse: anthropicRefusal,
  streamError: () => {
    const error = { details: null, type: 'overloaded_error', message: 'Overloaded' };
    return identified(
      eventStream([`event: error\ndata: ${JSON.stringify({ type: 'error', error })}\n\n`]),
    );
  },
};

function identified(reply: Reply): Reply {
  return { ...reply, headers: { ...reply.headers, 'request-id': requestId } };
}

function errorReply(status: number, type: string, text: string, headers = {}): Reply {
  const error = { type, message: text };
  const reply = jsonReply(status, { type: 'error', error, request_id: requestId });
  // Every recorded 4xx says so, and the SDK obeys it: a proxy must pass it on.
  const retry = status < 500 ? { 'x-should-retry': 'false' } : {};
  return identified({ ...reply, headers: { ...reply.headers, ...retry, ...headers } });
}

function anthropicRefusal(refusal: Refusal, request: ScriptedRequest, retryAfterS: number): Reply {
  switch (refusal) {
    case 'dead':
    case 'unauthenticated':
      return errorReply(401, 'authentication_error', 'invalid x-api-key');
    case 'leaking':
      return errorReply(401, 'authentication_error', `invalid x-api-key: ${request.key}`);
    case 'rate_limited':
      return errorReply(
        429,
        'rate_limit_error',
        'Number of requests has exceeded your per-minute rate limit',
        {
          'retry-after': String(retryAfterS),
          'anthropic-ratelimit-requests-limit': '50',
          'anthropic-ratelimit-requests-remaining': '0',
        },
      );
    case 'quota':
      return errorReply(
        400,
        'invalid_request_error',
        'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.',
      );
    case 'broken':
      return errorReply(500, 'api_error', 'Internal server error');
    case 'overloaded':
      return errorReply(529, 'overloaded_error', 'Overloaded');
    case 'model_access':
      return errorReply(
        403,
        'permission_error',
        'Your API key does not have permission to use the specified resource.',
      );
    case 'bad_request':
      return errorReply(400, 'invalid_request_error', 'max_tokens: Field required');
  }
}

function message(request: ScriptedRequest): Reply {
  const body = (request.json ?? {}) as MessagesBody;
  const content = body.messages?.at(-1)?.content;
  const answered = Array.isArray(content) && content[0]?.type === 'tool_result';
  const tool = answered ? undefined : body.tools?.[0];
  const block: ContentBlock = tool
    ? {
        type: 'tool_use',
        id: 'toolu_scripted0001',
        name: tool.name,
        input: toolArguments(tool.input_schema),
      }
    : { type: 'text', text: answerText(textOf(content)) };
  const stop = tool ? 'tool_use' : 'end_turn';
  const usage = messageUsage(request);
  const { model } = body;
  if (body.stream === true) return eventStream(messageFrames({ model, block, stop, usage }));
  return jsonReply(200, messageObject(model, [block], { stop, usage }));
}

/** Input, cached and written tokens are disjoint here. */
function messageUsage(request: ScriptedRequest) {
  const { input, cached, output } = mockTokens(request);
  const written = cached > 0 ? 1 : 0;
  return {
    input_tokens: input - cached - written,
    cache_read_input_tokens: cached,
    cache_creation_input_tokens: written,
    output_tokens: output,
  };
}

type MessageUsage = ReturnType<typeof messageUsage>;

function messageObject(
  model: string | undefined,
  content: ContentBlock[],
  { stop, usage }: { readonly stop: string | null; readonly usage: MessageUsage },
) {
  return {
    id: 'msg_scripted0001',
    type: 'message',
    role: 'assistant',
    model: model ?? 'scripted',
    content,
    stop_reason: stop,
    stop_sequence: null,
    usage: stop === null ? { ...usage, output_tokens: 1 } : usage,
  };
}

interface Message {
  readonly model: string | undefined;
  readonly block: ContentBlock;
  readonly stop: string;
  readonly usage: MessageUsage;
}

function* messageFrames({ model, block, stop, usage }: Message): Iterable<string> {
  const frame = (type: string, fields: object) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
  yield frame('message_start', { message: messageObject(model, [], { stop: null, usage }) });
  const empty = block.type === 'text' ? { ...block, text: '' } : { ...block, input: {} };
  yield frame('content_block_start', { index: 0, content_block: empty });
  yield 'event: ping\ndata: {"type": "ping"}\n\n';
  if (block.type === 'text') {
    for (const text of pieces(block.text)) {
      yield frame('content_block_delta', { index: 0, delta: { type: 'text_delta', text } });
    }
  } else {
    const json = JSON.stringify(block.input);
    for (const partial_json of ['', json.slice(0, 5), json.slice(5)]) {
      const delta = { type: 'input_json_delta', partial_json };
      yield frame('content_block_delta', { index: 0, delta });
    }
  }
  yield 'event: content_block_stop\ndata: {"type":"content_block_stop","index":0         }\n\n';
  const delta = { stop_reason: stop, stop_sequence: null };
  const { output_tokens } = usage;
  yield frame('message_delta', { delta, usage: { output_tokens } });
  yield 'event: message_stop\ndata: {"type":"message_stop"    }\n\n';
}

function modelList(): Reply {
  const data = models.map((id) => ({
    type: 'model',
    id,
    display_name: id,
    created_at: '2026-01-01T00:00:00Z',
  }));
  return jsonReply(200, { data, has_more: false, first_id: models[0], last_id: models.at(-1) });
}

function file(request: ScriptedRequest): Reply {
  const upload = uploadedFile(request.body, request.headers['content-type']);
  if (upload === undefined) return errorReply(400, 'invalid_request_error', 'file: Field required');
  return jsonReply(200, {
    type: 'file',
    id: 'file_scripted0001',
    filename: upload.filename,
    mime_type: 'application/octet-stream',
    size_bytes: upload.bytes,
    created_at: '2026-01-01T00:00:00Z',
    downloadable: true,
    // Not in the API: lets a test see that the upload arrived whole.
    sha256: upload.sha256,
  });
}
