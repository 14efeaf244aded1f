// The Gemini API as its official SDK sees it: generateContent streamed and not, function calls,
// embeddings, models, files. Its stream has CRLF frames and ends without [DONE]; its refusals to a
// streamed call are JSON labelled as an event stream.

import type { Refusal } from './behaviour.ts';
import { geminiBatch, geminiJob } from './jobs/gemini-jobs.ts';
import {
  answerText,
  audioBytes,
  binaryBytes,
  embedding,
  imageBase64,
  mockTokens,
  type ProviderShape,
  pieces,
  textOf,
  toolArguments,
} from './provider-shape.ts';
import { eventStream, jsonReply, type Reply } from './reply.ts';
import type { ScriptedRequest } from './scripted-request.ts';

interface GenerateBody {
  readonly contents?: readonly { readonly parts?: readonly Record<string, unknown>[] }[];
  readonly tools?: readonly {
    readonly functionDeclarations?: readonly {
      readonly name: string;
      readonly parameters?: unknown;
      readonly parametersJsonSchema?: unknown;
    }[];
  }[];
}

const models = ['gemini-2.5-flash', 'gemini-2.5-pro', 'gemini-embedding-001'];

export const geminiShape: ProviderShape = {
  answer(request) {
    const verb = /:([A-Za-z]+)$/.exec(request.path)?.[1];
    switch (verb) {
      case 'generateContent':
        return jsonReply(200, generated(request, partsOf(request), 'STOP'), 2);
      case 'streamGenerateContent':
        return eventStream(frames(request));
      case 'embedContent':
        return jsonReply(200, { embedding: { values: embedding(embedText(request.json)) } }, 2);
      case 'batchEmbedContents':
        return batchEmbed(request);
      case 'countTokens':
        return jsonReply(200, { totalTokens: mockTokens(request).input }, 2);
      case 'predict': {
        const prediction = { mimeType: 'image/png', bytesBase64Encoded: imageBase64 };
        return jsonReply(200, { predictions: [prediction] }, 2);
      }
      case 'batchGenerateContent':
        return geminiBatch();
      case 'download':
        return {
          status: 200,
          headers: { 'content-type': 'audio/mpeg' },
          body: binaryBytes(audioBytes),
        };
      default:
        if (request.path.endsWith('/models')) {
          return jsonReply(200, { models: models.map(modelEntry) }, 2);
        }
        return (
          geminiJob(request) ?? errorReply(404, 'NOT_FOUND', 'Requested entity was not found.')
        );
    }
  },
  refuse(refusal, request, retryAfterS) {
    const reply = geminiRefusal(refusal, request, retryAfterS);
    if (request.query.get('alt') !== 'sse') return reply;
    return { ...reply, headers: { 'content-type': 'text/event-stream' } };
  },
  streamError: () => {
    const error = {
      code: 503,
      message: 'The model is overloaded. Please try again later.',
      status: 'UNAVAILABLE',
    };
    return eventStream([`data: ${JSON.stringify({ error })}\r\n\r\n`]);
  },
};

function errorReply(status: number, name: string, message: string, details?: unknown[]): Reply {
  const error = { code: status, message, status: name, ...(details && { details }) };
  return jsonReply(status, { error }, 2);
}

function errorInfo(reason: string) {
  return {
    '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
    reason,
    domain: 'googleapis.com',
    metadata: { service: 'generativelanguage.googleapis.com' },
  };
}

function geminiRefusal(refusal: Refusal, request: ScriptedRequest, retryAfterS: number): Reply {
  switch (refusal) {
    case 'dead': {
      const text = 'API key not valid. Please pass a valid API key.';
      return errorReply(400, 'INVALID_ARGUMENT', text, [errorInfo('API_KEY_INVALID')]);
    }
    case 'unauthenticated': {
      const text = 'Request had invalid authentication credentials.';
      return errorReply(401, 'UNAUTHENTICATED', text, [errorInfo('ACCESS_TOKEN_TYPE_UNSUPPORTED')]);
    }
    case 'leaking': {
      const text = `Permission denied: Consumer 'api_key:${request.key}' has been suspended.`;
      return errorReply(403, 'PERMISSION_DENIED', text, [errorInfo('CONSUMER_SUSPENDED')]);
    }
    case 'rate_limited': {
      const text = `You exceeded your current quota, please check your plan and billing details.\nPlease retry in ${retryAfterS}s.`;
      const type = 'type.googleapis.com/google.rpc.RetryInfo';
      return errorReply(429, 'RESOURCE_EXHAUSTED', text, [
        { '@type': type, retryDelay: `${retryAfterS}s` },
      ]);
    }
    case 'quota':
      return errorReply(402, 'RESOURCE_EXHAUSTED', 'Your prepayment credits are depleted.');
    case 'broken':
      return errorReply(500, 'INTERNAL', 'An internal error has occurred. Please retry.');
    case 'overloaded':
      return errorReply(503, 'UNAVAILABLE', 'The model is overloaded. Please try again later.');
    case 'model_access': {
      const text = 'Requests to this API generativelanguage.googleapis.com method are blocked.';
      return errorReply(403, 'PERMISSION_DENIED', text, [errorInfo('API_KEY_SERVICE_BLOCKED')]);
    }
    case 'bad_request':
      return errorReply(400, 'INVALID_ARGUMENT', '* contents: contents is not specified');
  }
}

function partsOf(request: ScriptedRequest): unknown[] {
  const body = (request.json ?? {}) as GenerateBody;
  const parts = body.contents?.at(-1)?.parts ?? [];
  const answered = parts.some((part) => part.functionResponse !== undefined);
  const tool = answered ? undefined : body.tools?.[0]?.functionDeclarations?.[0];
  if (tool !== undefined) {
    const args = toolArguments(tool.parametersJsonSchema ?? tool.parameters);
    return [{ functionCall: { name: tool.name, args } }];
  }
  return [{ text: answerText(textOf(parts)) }];
}

function generated(request: ScriptedRequest, parts: unknown[], finishReason?: string) {
  const candidate = { content: { parts, role: 'model' }, index: 0 };
  return {
    candidates: [finishReason === undefined ? candidate : { ...candidate, finishReason }],
    usageMetadata: usageOf(request),
    modelVersion: request.model,
    responseId: 'scripted0001',
  };
}

function usageOf(request: ScriptedRequest) {
  const { input, cached, output, reasoning } = mockTokens(request);
  return {
    promptTokenCount: input,
    cachedContentTokenCount: cached,
    candidatesTokenCount: output - reasoning,
    thoughtsTokenCount: reasoning,
    totalTokenCount: input + output,
  };
}

function* frames(request: ScriptedRequest): Iterable<string> {
  const [part] = partsOf(request) as [{ text?: string }];
  const parts = part.text === undefined ? [part] : pieces(part.text).map((text) => ({ text }));
  for (const [index, each] of parts.entries()) {
    const finish = index === parts.length - 1 ? 'STOP' : undefined;
    yield `data: ${JSON.stringify(generated(request, [each], finish))}\r\n\r\n`;
  }
}

function embedText(body: unknown): string {
  return textOf((body as GenerateBody & { content?: { parts?: unknown } })?.content?.parts);
}

function batchEmbed(request: ScriptedRequest): Reply {
  const requests = request.json?.requests;
  const embeddings = (Array.isArray(requests) ? requests : []).map((each) => ({
    values: embedding(embedText(each)),
  }));
  return jsonReply(200, { embeddings }, 2);
}

function modelEntry(id: string) {
  return {
    name: `models/${id}`,
    displayName: id,
    version: '001',
    inputTokenLimit: 1_048_576,
    outputTokenLimit: 65_536,
    supportedGenerationMethods: ['generateContent', 'countTokens'],
  };
}
