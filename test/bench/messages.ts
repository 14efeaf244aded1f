// The bytes of every benchmark request and answer, written down once for both raw ends. Sizes are
// those of a short chat completion: 500 bytes asked, 700 answered, 250 a streamed event.

/** What the upstream is asked to do; it goes in the query, which every proxy passes on. */
export type Deed =
  /** One answer of known length. */
  | 'small'
  /** The same, but one in a hundred is a server error. */
  | 'faulty'
  /** One event, then silence until the connection ends. */
  | 'hold'
  /** Events, one each event-loop turn of the upstream. */
  | 'turn'
  /** Events, as fast as the upstream can write, one write each. */
  | 'burst'
  /** Events, one every PACE_MS. */
  | 'paced';

export const PACE_MS = 4;

const SMALL_PATH = '/v1/chat/completions';
/** Streams have a path of their own, so that nginx can be told not to buffer them. */
export const STREAM_PATH = '/v1/responses';

const REQUEST_BODY_BYTES = 500;
const ANSWER_BODY_BYTES = 700;
const EVENT_BYTES = 250;
export const BENCH_KEY = 'sk-bench-0000000000000000000000000001';

/** JSON of exactly `bytes` bytes: `filled` gets the text that makes up the length. */
function padded(bytes: number, filled: (text: string) => unknown): string {
  const bare = JSON.stringify(filled('')).length;
  return JSON.stringify(filled('so it goes '.repeat(bytes).slice(0, bytes - bare)));
}

/** A request as the OpenAI SDK would send it, less its telemetry fields. */
export function requestBytes(deed: Deed, events = 0): Buffer {
  const isSmall = deed === 'small' || deed === 'faulty';
  const body = padded(REQUEST_BODY_BYTES, (content) => ({
    model: 'gpt-4o-mini',
    messages: [{ role: 'user', content }],
    temperature: 0.2,
    ...(isSmall ? {} : { stream: true }),
  }));
  return Buffer.from(
    `POST ${isSmall ? SMALL_PATH : STREAM_PATH}?do=${deed}&events=${events} HTTP/1.1\r\n` +
      'Host: 127.0.0.1\r\n' +
      `Authorization: Bearer ${BENCH_KEY}\r\n` +
      'Content-Type: application/json\r\n' +
      'Accept: application/json\r\n' +
      'User-Agent: OpenAI/JS 5.0.0\r\n' +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  );
}

export const ANSWER_BODY = padded(ANSWER_BODY_BYTES, (content) => ({
  id: 'chatcmpl-bench',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'gpt-4o-mini',
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 100, completion_tokens: 100, total_tokens: 200 },
}));

const COMMON_FIELDS =
  'Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n' +
  'openai-processing-ms: 12\r\n' +
  'openai-version: 2020-10-01\r\n' +
  'x-ratelimit-remaining-requests: 9999\r\n';

export const SMALL_ANSWER: Buffer = Buffer.from(
  'HTTP/1.1 200 OK\r\n' +
    'Content-Type: application/json\r\n' +
    `${COMMON_FIELDS}Content-Length: ${ANSWER_BODY.length}\r\n\r\n${ANSWER_BODY}`,
);

export const FAULT_ANSWER: Buffer = Buffer.from(
  'HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
);

export const STREAM_HEAD: Buffer = Buffer.from(
  'HTTP/1.1 200 OK\r\n' +
    'Content-Type: text/event-stream; charset=utf-8\r\n' +
    `Cache-Control: no-cache\r\n${COMMON_FIELDS}Transfer-Encoding: chunked\r\n\r\n`,
);

/** One event of EVENT_BYTES, `data: ` and the empty line included, in a chunk of its own. */
export const EVENT_CHUNK: Buffer = Buffer.from(
  `${EVENT_BYTES.toString(16)}\r\n${event(EVENT_BYTES)}\r\n`,
);

function event(bytes: number): string {
  const json = padded(bytes - 'data: \n\n'.length, (content) => ({
    id: 'chatcmpl-bench',
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: { content } }],
  }));
  return `data: ${json}\n\n`;
}

export const LAST_CHUNK: Buffer = Buffer.from('0\r\n\r\n');
/** What every header ends with. */
export const HEAD_END = '\r\n\r\n';
