// Which requests are one conversation: by what the client says, else by how it begins.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sessionOf } from '../../src/proxy/session.ts';

const of = (body: unknown, headers: Record<string, string> = {}, scope = '') =>
  sessionOf(headers, body === undefined ? undefined : Buffer.from(JSON.stringify(body)), scope);

const system = { role: 'system', content: 'You are [kind] {and} brief.' };
const hello = { role: 'user', content: 'Hello' };
const chat = (...messages: object[]) => ({ model: 'gpt-4o', messages, stream: true });

test('an id that the client sends decides, headers before the body', () => {
  const ids = { 'x-claude-code-session-id': 'a', 'session-id': 'b', 'x-session-id': 'c' };
  const first = of(chat(hello), ids);
  assert.equal(first, of(chat(system), { 'x-claude-code-session-id': 'a' }));
  assert.notEqual(first, of(chat(hello), { 'session-id': 'b' }));
  assert.equal(of(undefined, { 'x-session-id': 'c' }), of(chat(hello), { 'x-session-id': 'c' }));
  const keyed = { ...chat(hello), prompt_cache_key: 'k', metadata: { user_id: 'u' } };
  assert.equal(of(keyed), of({ ...chat(system), prompt_cache_key: 'k' }));
  assert.equal(
    of({ ...chat(hello), metadata: { user_id: 'u' } }),
    of({ ...chat(system), metadata: { other: 1, user_id: 'u' } }),
  );
});

test('else the system prompt and the first message do, in the words of every provider', () => {
  const more = [
    { role: 'assistant', content: 'Hi' },
    { role: 'user', content: 'More' },
  ];
  assert.equal(of(chat(system, hello)), of(chat(system, hello, ...more)));
  assert.notEqual(of(chat(system, hello)), of(chat(system, { ...hello, content: 'Bye' })));
  assert.notEqual(of(chat(system, hello)), of(chat(hello)));
  const anthropic = { system: [{ type: 'text', text: 'x' }], messages: [hello] };
  assert.equal(of(anthropic), of({ ...anthropic, messages: [hello, ...more] }));
  assert.notEqual(of(anthropic), of({ messages: [hello] }));
  assert.equal(of({ input: 'once' }), of({ input: 'once', store: true }));
  assert.notEqual(of({ input: 'once' }), of({ input: 'twice' }));
  const gemini = { systemInstruction: { parts: [] }, contents: [{ parts: [{ text: 'a' }] }] };
  assert.equal(of(gemini), of({ ...gemini, contents: [...gemini.contents, { parts: [] }] }));
});

test('two clients have no conversation in common, and some requests have none', () => {
  assert.notEqual(of(chat(hello), {}, 'a'), of(chat(hello), {}, 'b'));
  assert.equal(of(undefined), undefined);
  assert.equal(of({ messages: [] }), undefined);
  assert.equal(of({ prompt: 'x' }), undefined);
  assert.equal(sessionOf({}, Buffer.from('no JSON'), ''), undefined);
});

test('of a long text the beginning, the end and the length count', () => {
  const long = (end: string) => chat({ role: 'user', content: 'x'.repeat(100_000) + end });
  assert.equal(of(long('a')), of(long('a')));
  assert.notEqual(of(long('a')), of(long('b')));
  assert.notEqual(of(long('a')), of(long('aa')));
});
