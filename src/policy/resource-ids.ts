// Which things of a provider a request makes or names: files, batches, stored responses and the
// like exist for the account of one key only. Reads them from paths, bodies and answers; which key
// they belong to is pool/resource-keys.ts.

import { rememberLast } from './remember-last.ts';

/** Collections whose members belong to the account that made them (API references of OpenAI,
 * Anthropic and Google), as the last segment of the path that makes one. */
const COLLECTIONS = new Set([
  'files',
  'uploads',
  'batches',
  'responses',
  'conversations',
  'vector_stores',
  'assistants',
  'threads',
  'containers',
  'jobs',
  'videos',
  'cachedContents',
]);
/** Members whose values are such names, wherever in a body they stand. */
const BODY_MEMBERS =
  /"(?:previous_response_id|conversation|file_id|input_file_id|training_file|validation_file|assistant_id|cachedContent|cached_content)"\s*:\s*(?:\{\s*"id"\s*:\s*)?"([\w./-]{3,256})"/g;
/** Names that one request may have; more say nothing new. */
const MAX_NAMES = 16;
const NAME = /^[\w-][\w.-]{2,255}$/;

const endsAtCollection = rememberLast((path) => {
  const last = path.slice(path.lastIndexOf('/') + 1);
  return COLLECTIONS.has(last) || last.endsWith(':batchGenerateContent');
});

/** Whether the answer to a request may name something new that only its key will know. */
export function makesResource(method: string, path: string): boolean {
  return method === 'POST' && endsAtCollection(path);
}

/** The names that a path has: `/v1/files/file-1/content`, `/v1beta/cachedContents/abc`. */
export function namesInPath(path: string): string[] {
  const names: string[] = [];
  const segments = path.split('/');
  for (let i = 0; i + 1 < segments.length && names.length < MAX_NAMES; i++) {
    const name = segments[i + 1] ?? '';
    if (!COLLECTIONS.has(segments[i] ?? '') || !NAME.test(name)) continue;
    // Of Gemini's `files/abc:download` the verb is none.
    names.push(name);
  }
  return names;
}

/** The names that a body has. */
export function namesInBody(text: string): string[] {
  const names: string[] = [];
  for (const [, value = ''] of text.matchAll(BODY_MEMBERS)) {
    names.push(lastSegment(value));
    if (names.length === MAX_NAMES) break;
  }
  return names;
}

/**
 * What an answer made: the first `id`, or Gemini's `name` with a collection before it. Of an event
 * stream the first event that has one says it.
 * @param head the beginning of the body
 */
export function nameInAnswer(head: string): string | undefined {
  const id = /"id"\s*:\s*"([\w.-]{3,256})"/.exec(head);
  const name = /"name"\s*:\s*"((?:files|batches|cachedContents)\/[\w.-]{3,256})"/.exec(head);
  if (name !== null && (id === null || name.index < id.index)) return lastSegment(name[1] ?? '');
  return id?.[1];
}

function lastSegment(value: string): string {
  return value.slice(value.lastIndexOf('/') + 1);
}
