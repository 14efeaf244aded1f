// The hold of an event stream: what is preamble, what commits, what is an error; and that chunking
// never matters.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  type FirstEvent,
  FirstEventScanner,
  refusedByHead,
} from '../../../src/policy/answers/first-event.ts';

const encoder = new TextEncoder();

function scan(text: string): FirstEvent {
  return new FirstEventScanner().push(encoder.encode(text));
}

const CREATED =
  'event: response.created\ndata: {"type":"response.created","response":{"id":"r","status":"in_progress","error":null}}\n\n';
const MESSAGE_START =
  'event: message_start\ndata: {"type":"message_start","message":{"id":"m","content":[],"usage":{}}}\n\n';
const PING = 'event: ping\ndata: {"type": "ping"}\n\n';
const CHAT =
  'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n';
const OVERLOADED =
  'data: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n';

const PREAMBLES: Record<string, string> = {
  nothing: '',
  'a comment': ': OPENROUTER PROCESSING\n\n',
  'DeepSeek keep-alive comments': ': keep-alive\n\n: keep-alive\n\n',
  'a BOM alone': '\uFEFF',
  'retry and id lines': 'retry: 3000\nid: 7\n\n',
  'an empty data line': 'data:\n\n',
  'response.created with error null': CREATED,
  'response.created without its type in the data': 'event: response.created\ndata: {"id":"r"}\n\n',
  'response.queued and response.in_progress':
    'data: {"type":"response.queued"}\n\ndata: {"type":"response.in_progress"}\n\n',
  'message_start without content, then ping': MESSAGE_START + PING,
  'an error event that is not complete yet': 'event: error\ndata: {"type":"error"}\n',
};

const CONTENTS: Record<string, string> = {
  'the first chat chunk': CHAT,
  'a chat chunk with error null': 'data: {"choices":[{"delta":{"content":"hi"}}],"error":null}\n\n',
  'a chat chunk that talks about an "error"':
    'data: {"choices":[{"delta":{"content":"\\"error\\": {} means an error"}}]}\n\n',
  'data that is no JSON': 'data: hello error\n\n',
  '[DONE]': 'data: [DONE]\n\n',
  'message_start that carries content':
    'data: {"type":"message_start","message":{"content":[{"type":"text","text":"hi"}]}}\n\n',
  'a Gemini chunk': 'data: {"candidates":[{"content":{"parts":[{"text":"hi"}]}}]}\r\n\r\n',
  'a Responses delta': 'data: {"type":"response.output_text.delta","delta":"error"}\n\n',
  'a Responses answer that is done at once':
    'data: {"type":"response.completed","response":{"error":null}}\n\n',
  'preamble and then content': CREATED + PING + CHAT,
  'content and then an error': CHAT + OVERLOADED,
  'a page': '<!DOCTYPE html>\n',
  'a bare JSON answer': '{"choices":[]}\n',
};

const ERRORS: Record<string, string> = {
  'an Anthropic error frame': OVERLOADED,
  'event: error': 'event: error\ndata: {"code":"rate_limit_exceeded","message":"slow"}\n\n',
  'event: error without data': 'event: error\n\n',
  'event: error with plain text': 'event: error\ndata: upstream went away\n\n',
  'an error string': 'data: {"error":"overloaded"}\n\n',
  'an error beside choices':
    ': OPENROUTER PROCESSING\n\ndata: {"choices":[{"delta":{"content":""}}],"error":{"code":"server_error"}}\n\n',
  'response.failed':
    'data: {"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded"}}}\n\n',
  'preamble and then an error': CREATED + OVERLOADED,
  'message_start and then an error': MESSAGE_START + PING + OVERLOADED,
  'an error after a BOM': `\uFEFF${OVERLOADED}`,
  'data over several lines': 'data: {"error":\ndata: {"message":"no"}}\n\n',
  'CRLF frames': OVERLOADED.replaceAll('\n', '\r\n'),
  'CR frames': OVERLOADED.replaceAll('\n', '\r'),
  'no space after the colon': OVERLOADED.replace('data: ', 'data:'),
  'bare JSON on a line': '{"error":{"message":"quota"}}\n',
};

describe('FirstEventScanner', () => {
  for (const [name, text] of Object.entries(PREAMBLES)) {
    test(`holds ${name}`, () => assert.equal(scan(text).kind, 'preamble'));
  }
  for (const [name, text] of Object.entries(CONTENTS)) {
    test(`commits at ${name}`, () => assert.equal(scan(text).kind, 'content'));
  }
  for (const [name, text] of Object.entries(ERRORS)) {
    test(`reports ${name}`, () => assert.equal(scan(text).kind, 'error'));
  }
});

describe('a finding', () => {
  test('hands on the data of the event that carries the error', () => {
    const found = scan(CREATED + OVERLOADED);
    assert.deepEqual(found, { kind: 'error', text: OVERLOADED.slice('data: '.length).trim() });
  });

  test('keeps its finding when more bytes come', () => {
    const scanner = new FirstEventScanner();
    scanner.push(encoder.encode(CHAT));
    assert.equal(scanner.push(encoder.encode(OVERLOADED)).kind, 'content');
  });

  test('counts an event without its closing blank line once the stream has ended', () => {
    const scanner = new FirstEventScanner();
    assert.equal(scanner.push(encoder.encode(OVERLOADED.trimEnd())).kind, 'preamble');
    assert.equal(scanner.end().kind, 'error');
  });

  test('an ended stream of preamble stays preamble', () => {
    const scanner = new FirstEventScanner();
    scanner.push(encoder.encode(CREATED));
    assert.equal(scanner.end().kind, 'preamble');
  });

  test('takes an event of more than 64 KiB for content without keeping it', () => {
    const scanner = new FirstEventScanner();
    const piece = encoder.encode(`data: ${'x'.repeat(30_000)}`);
    let found = scanner.push(piece);
    for (let n = 0; n < 3; n += 1) found = scanner.push(piece);
    assert.equal(found.kind, 'content');
  });

  test('reads 64 KiB that come byte by byte in well under a second', () => {
    const scanner = new FirstEventScanner();
    const startedAt = performance.now();
    const bytes = encoder.encode(`data: ${'x'.repeat(65_000)}`);
    for (const byte of bytes) scanner.push(Uint8Array.of(byte));
    assert.ok(performance.now() - startedAt < 1_000);
  });
});

describe('the bytes', () => {
  test('any chunking of any stream gives the same finding', () => {
    const streams = [
      ...Object.values(PREAMBLES),
      ...Object.values(CONTENTS),
      ...Object.values(ERRORS),
    ];
    const endings = fc.constantFrom('\n', '\r\n', '\r');
    const extra = fc.constantFrom('', ': öäü ✓ 🙂\n\n', 'id: ✓\n', ':\n');
    const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(
        fc.constantFrom(...streams),
        extra,
        endings,
        cuts,
        (text, comment, ending, sizes) => {
          // A BOM counts at the very start only.
          const stream = text.startsWith('\uFEFF') ? text : comment + text;
          const bytes = encoder.encode(stream.replaceAll('\r', '').replaceAll('\n', ending));
          const scanner = new FirstEventScanner();
          let found: FirstEvent = { kind: 'preamble' };
          for (let at = 0, n = 0; at < bytes.length; n += 1) {
            const size = sizes[n % sizes.length] ?? 1;
            found = scanner.push(bytes.subarray(at, at + size));
            at += size;
          }
          assert.deepEqual(found, new FirstEventScanner().push(bytes));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('no bytes at all make it throw', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }), (chunks) => {
        const scanner = new FirstEventScanner();
        for (const chunk of chunks) scanner.push(chunk);
        scanner.end();
      }),
      { numRuns: 200 },
    );
  });
});

describe('refusedByHead', () => {
  test('Azure refuses a stream with Retry-After on the 200', () => {
    const head = ['Content-Type', 'text/event-stream', 'Retry-After', '4'];
    assert.equal(refusedByHead(head, 'azure'), true);
    assert.equal(refusedByHead(head, 'openai'), false);
  });

  test('an overdrawn bucket alone is no refusal', () => {
    assert.equal(refusedByHead(['x-ratelimit-remaining-tokens', '-27978'], 'azure'), false);
  });

  test('Bedrock names the exception', () => {
    assert.equal(refusedByHead(['x-amzn-errortype', 'ThrottlingException:'], 'bedrock'), true);
  });
});
