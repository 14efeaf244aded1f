// Which conversation a request belongs to, as 32 bits: by the id that the client sends, in a header
// or in the body, else by how the conversation begins. The body is walked over, not parsed.

import type { IncomingHttpHeaders } from 'node:http';
import { type BodyContent, firstElements, memberOf, topMemberOf } from './request-facts.ts';

/** In this order: Claude Code's, Codex', and what others agreed on. */
const HEADERS = ['x-claude-code-session-id', 'session-id', 'x-session-id'] as const;
/** Where the system prompt stands: Anthropic, OpenAI's Responses, Gemini in both spellings. */
const SYSTEM = ['system', 'instructions', 'systemInstruction', 'system_instruction'] as const;
/** Where the messages stand: chat and Anthropic, Responses, Gemini. */
const MESSAGES = ['messages', 'input', 'contents'] as const;
/** A system prompt among the messages: with it, the message after it begins the conversation. */
const IS_SYSTEM = /^\{[^{[]*"role"\s*:\s*"(?:system|developer)"/;
/** Of a long text its length, its beginning and its end count. */
const END_BYTES = 2048;

/**
 * The session of a request; undefined when nothing tells one.
 * @param scope the client: what two clients call alike is not the same conversation
 */
export function sessionOf(
  headers: IncomingHttpHeaders,
  body: BodyContent | undefined,
  scope: string,
): number | undefined {
  for (const name of HEADERS) {
    const id = headers[name];
    if (typeof id === 'string' && id !== '') return hashed(Buffer.from(id), hashed(scope));
  }
  if (body === undefined) return undefined;
  const id = idIn(topMemberOf(body, 'prompt_cache_key')) ?? userId(body);
  if (id !== undefined) return hashed(id, hashed(scope));
  return beginningOf(body, scope);
}

/** Claude Code puts account and session into `metadata.user_id`. */
function userId(body: BodyContent): Buffer | undefined {
  const metadata = topMemberOf(body, 'metadata');
  return metadata === undefined ? undefined : idIn(memberOf(metadata, 'user_id'));
}

/** A string that is not empty. */
function idIn(value: Buffer | undefined): Buffer | undefined {
  return value?.[0] === 0x22 && value.length > 2 ? value : undefined;
}

function beginningOf(body: BodyContent, scope: string): number | undefined {
  for (const name of MESSAGES) {
    const messages = topMemberOf(body, name);
    if (messages === undefined) continue;
    let session = hashed(scope);
    for (const place of SYSTEM) {
      const system = topMemberOf(body, place);
      if (system !== undefined) session = hashed(system, session);
    }
    const [first, second] = firstElements(messages, 2);
    // A list is empty, or the whole is a string: Responses take both.
    if (first === undefined) return messages[0] === 0x22 ? hashed(messages, session) : undefined;
    session = hashed(first, session);
    const isSystem = IS_SYSTEM.test(first.toString('latin1', 0, END_BYTES));
    return isSystem && second !== undefined ? hashed(second, session) : session;
  }
  return undefined;
}

/** FNV-1a, for keys of a table and not for secrets. */
function hashed(text: Buffer | string, seed = 0x811c9dc5): number {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  let hash = Math.imul(seed ^ bytes.length, 0x01000193);
  const isLong = bytes.length > 2 * END_BYTES;
  const end = isLong ? END_BYTES : bytes.length;
  for (let i = 0; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
  if (!isLong) return hash | 0;
  for (let i = bytes.length - END_BYTES; i < bytes.length; i++) {
    hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
  }
  return hash | 0;
}
