// What one provider's API looks like from outside: its answers, its refusals, and an error inside a
// stream. Also the small things that all three share: the text that is answered, numbers for
// embeddings, made-up audio.

import { createHash } from 'node:crypto';
import type { Refusal } from './behaviour.ts';
import type { Reply } from './reply.ts';
import type { ScriptedRequest } from './scripted-request.ts';

export interface ProviderShape {
  /** The good answer; undefined where this provider has no such endpoint. */
  answer(request: ScriptedRequest): Reply | undefined;
  refuse(refusal: Refusal, request: ScriptedRequest, retryAfterS: number): Reply;
  /** A 200 whose first event is an error. */
  streamError(request: ScriptedRequest): Reply;
}

/** Fixed time of everything that carries one: 2026-01-01T00:00:00Z, in seconds. */
export const createdS = 1_767_225_600;

/** The answer to every prompt; the prompt comes back so that a test can see that it arrived. */
export function answerText(prompt: string): string {
  const said = prompt.length > 200 ? `${prompt.slice(0, 200)}...` : prompt;
  return `Hello from the mock provider. You said: ${said}`;
}

/** What a request of so many bytes is said to use; another one uses another number. */
export function mockTokens({ bodyBytes }: ScriptedRequest) {
  const input = 9 + (bodyBytes % 91);
  const output = 12 + (bodyBytes % 17);
  return { input, cached: input % 7, output, reasoning: output % 5 };
}

/** Splits text into pieces that a stream sends one by one; joined they are the text again. */
export function pieces(text: string): string[] {
  return text.match(/\S+\s*|\s+/g) ?? [];
}

/** The text of a message's content, which may be a string or a list of parts. */
export function textOf(content: unknown): string {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map((part: { text?: unknown }) => (typeof part?.text === 'string' ? part.text : ''))
    .join('');
}

/**
 * Arguments that satisfy a tool's JSON schema in shape: the first allowed value, or one of the
 * type.
 */
export function toolArguments(schema: unknown): Record<string, unknown> {
  const { properties } = (schema ?? {}) as { properties?: Record<string, SchemaNode> };
  return Object.fromEntries(
    Object.entries(properties ?? {}).map(([name, node]) => [name, sampleValue(node)]),
  );
}

interface SchemaNode {
  readonly type?: string;
  readonly enum?: readonly unknown[];
}

function sampleValue(node: SchemaNode): unknown {
  if (node.enum !== undefined) return node.enum[0];
  switch (node.type?.toLowerCase()) {
    case 'number':
    case 'integer':
      return 1;
    case 'boolean':
      return true;
    case 'array':
      return [];
    case 'object':
      return {};
    default:
      return 'Paris';
  }
}

/** An embedding that depends on the text only. Values are exact in 32-bit floats. */
export function embedding(text: string, dimensions = 8): number[] {
  const digest = createHash('sha256').update(text).digest();
  return Array.from({ length: Math.min(dimensions, 4096) }, (_, i) => {
    return ((digest[i % digest.length] ?? 0) - 128) / 128;
  });
}

/** Bytes that no text tool leaves alone, always the same: stands for an audio or image file. */
export function binaryBytes(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let state = 0x9e3779b9;
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** A PNG of one pixel. */
export const imageBase64 =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

/** Length of the audio that every shape serves, in bytes. */
export const audioBytes = 1024 * 1024;
