// What the providers say on a WebSocket: OpenAI's Realtime API and Gemini's Live API, in text. The
// bytes are websocket-peer.ts.

import { answerText, mockTokens, pieces, textOf } from '../provider-shape.ts';
import type { ScriptedRequest } from '../scripted-request.ts';
import type { Conversation } from './websocket-peer.ts';

type Message = Readonly<Record<string, unknown>>;

/** The conversation at this path, if there is one. */
export function conversationOf(request: ScriptedRequest): Conversation | undefined {
  if (request.path.endsWith('/realtime')) return realtime(request);
  if (request.path.endsWith('.BidiGenerateContent')) return live(request);
  return undefined;
}

/** https://platform.openai.com/docs/guides/realtime-conversations */
function realtime(request: ScriptedRequest): Conversation {
  let events = 0;
  let prompt = '';
  const event = (type: string, fields: object = {}) => {
    events += 1;
    return { type, event_id: `event_scripted${String(events).padStart(4, '0')}`, ...fields };
  };
  const model = request.query.get('model') ?? 'gpt-realtime';
  const session = { type: 'realtime', object: 'realtime.session', id: 'sess_scripted0001', model };
  return {
    opening: [event('session.created', { session })],
    answer(message) {
      switch (message.type) {
        case 'session.update':
          return [
            event('session.updated', { session: { ...session, ...objectOf(message.session) } }),
          ];
        case 'conversation.item.create': {
          const item = { id: 'item_scripted0001', ...objectOf(message.item) };
          prompt = textOf(objectOf(message.item).content);
          return ['added', 'done'].map((step) => event(`conversation.item.${step}`, { item }));
        }
        case 'input_audio_buffer.commit':
          return [event('input_audio_buffer.committed', { item_id: 'item_scripted0001' })];
        case 'response.create':
          return realtimeResponse(request, prompt, event);
        default:
          return [];
      }
    },
  };
}

function* realtimeResponse(
  request: ScriptedRequest,
  prompt: string,
  event: (type: string, fields?: object) => object,
): Iterable<object> {
  const text = answerText(prompt);
  const [responseId, itemId] = ['resp_scripted0001', 'item_scripted0002'];
  const response = (status: string, output: object[], usage: object | null) => {
    return { response: { object: 'realtime.response', id: responseId, status, output, usage } };
  };
  const item = (status: string, content: object[]) => {
    return {
      id: itemId,
      object: 'realtime.item',
      type: 'message',
      status,
      role: 'assistant',
      content,
    };
  };
  const place = { response_id: responseId, item_id: itemId, output_index: 0, content_index: 0 };
  const itemPlace = { response_id: responseId, output_index: 0 };
  const done = item('completed', [{ type: 'output_text', text }]);
  const { input, output } = mockTokens(request);
  const usage = { total_tokens: input + output, input_tokens: input, output_tokens: output };
  yield event('response.created', response('in_progress', [], null));
  yield event('response.output_item.added', { ...itemPlace, item: item('in_progress', []) });
  for (const delta of pieces(text)) yield event('response.output_text.delta', { ...place, delta });
  yield event('response.output_text.done', { ...place, text });
  yield event('response.output_item.done', { ...itemPlace, item: done });
  yield event('response.done', response('completed', [done], usage));
}

/** https://ai.google.dev/api/live */
function live(request: ScriptedRequest): Conversation {
  return {
    opening: [],
    answer(message) {
      if (message.setup !== undefined) return [{ setupComplete: {} }];
      const content = objectOf(message.clientContent);
      if (content.turnComplete === true) return liveTurn(request, lastPrompt(content.turns));
      const said = objectOf(message.realtimeInput).text;
      return typeof said === 'string' ? liveTurn(request, said) : [];
    },
  };
}

function* liveTurn(request: ScriptedRequest, prompt: string): Iterable<object> {
  for (const text of pieces(answerText(prompt))) {
    yield { serverContent: { modelTurn: { role: 'model', parts: [{ text }] } } };
  }
  const { input, output } = mockTokens(request);
  yield { serverContent: { generationComplete: true } };
  yield {
    serverContent: { turnComplete: true },
    usageMetadata: {
      promptTokenCount: input,
      responseTokenCount: output,
      totalTokenCount: input + output,
    },
  };
}

function lastPrompt(turns: unknown): string {
  const last: unknown = Array.isArray(turns) ? turns.at(-1) : undefined;
  return textOf(objectOf(last).parts);
}

function objectOf(value: unknown): Message {
  return typeof value === 'object' && value !== null ? (value as Message) : {};
}
