// The OpenAI API as its official SDK sees it: which path gets which answer. Chat, responses, files
// and batches live in their own files; models, embeddings, audio and images are small enough to be
// here.

import { openaiJob } from './jobs/openai-jobs.ts';
import { uploadedFile } from './multipart.ts';
import { chatCompletion } from './openai-chat.ts';
import { openaiNotFound, openaiRefusal, openaiStreamError } from './openai-refusals.ts';
import { modelResponse } from './openai-responses.ts';
import {
  audioBytes,
  binaryBytes,
  createdS,
  embedding,
  imageBase64,
  mockTokens,
  type ProviderShape,
} from './provider-shape.ts';
import { jsonReply, type Reply } from './reply.ts';
import type { ScriptedRequest } from './scripted-request.ts';

const models = ['gpt-4o', 'gpt-4o-mini', 'text-embedding-3-small', 'tts-1', 'whisper-1'];

export const openaiShape: ProviderShape = {
  answer(request) {
    const { path } = request;
    const post = request.method === 'POST';
    if (post && path.endsWith('/chat/completions')) return chatCompletion(request);
    if (post && path.endsWith('/responses')) return modelResponse(request);
    if (post && path.endsWith('/embeddings')) return embeddings(request);
    if (post && path.endsWith('/audio/speech')) return speech();
    if (post && path.endsWith('/audio/transcriptions')) return transcription(request);
    if (post && /\/images\/(generations|edits|variations)$/.test(path)) return image(request);
    const job = openaiJob(request, openaiRefusal);
    if (job !== undefined) return job;
    if (!post && path.endsWith('/content')) return speech('application/octet-stream');
    if (!post && path.endsWith('/models')) {
      return jsonReply(200, { object: 'list', data: models.map(modelEntry) }, 2);
    }
    if (!post && request.model !== undefined) return jsonReply(200, modelEntry(request.model), 2);
    return openaiNotFound(request);
  },
  refuse: openaiRefusal,
  streamError: openaiStreamError,
};

function modelEntry(id: string) {
  return { id, object: 'model', created: createdS, owned_by: 'scripted' };
}

/** The SDK asks for base64 unless told otherwise, and decodes it by itself. */
function embeddings(request: ScriptedRequest): Reply {
  const body = request.json ?? {};
  const input = body.input;
  const texts = Array.isArray(input) ? input : [input];
  const data = texts.map((text, index) => {
    const numbers = embedding(String(text), Number(body.dimensions ?? 8));
    const packed = Buffer.from(Float32Array.from(numbers).buffer).toString('base64');
    const asked = body.encoding_format === 'base64' ? packed : numbers;
    return { object: 'embedding', index, embedding: asked };
  });
  const usage = { prompt_tokens: texts.length, total_tokens: texts.length };
  // Mistral answers in the same shape, and its SDK insists on an id.
  const id = /^(mistral|codestral)-/.test(request.model ?? '') ? { id: 'embd-scripted0001' } : {};
  return jsonReply(200, { ...id, object: 'list', data, model: request.model, usage }, 2);
}

/** The smallest picture that there is, as often as it is asked for. */
function image(request: ScriptedRequest): Reply {
  const { n = 1, response_format } = request.json ?? {};
  const one =
    response_format === 'url'
      ? { url: `data:image/png;base64,${imageBase64}` }
      : { b64_json: imageBase64 };
  const data = Array.from({ length: Math.min(Number(n) || 1, 10) }, () => one);
  const { input, output } = mockTokens(request);
  const usage = { input_tokens: input, output_tokens: output, total_tokens: input + output };
  return jsonReply(200, { created: createdS, data, usage }, 2);
}

function speech(contentType = 'audio/mpeg'): Reply {
  return {
    status: 200,
    headers: { 'content-type': contentType },
    body: binaryBytes(audioBytes),
  };
}

function transcription(request: ScriptedRequest): Reply {
  const upload = uploadedFile(request.body, request.headers['content-type']);
  if (upload === undefined) return openaiRefusal('bad_request', request, 0);
  // `bytes` and `sha256` are not in the API: they let a test see that the upload arrived whole.
  const { bytes, sha256 } = upload;
  return jsonReply(200, { text: 'Hello from the mock provider.', bytes, sha256 }, 2);
}
