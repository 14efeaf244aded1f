// Makes a value out of an error body, whatever it is: JSON, JSON cut short, an event stream, or
// plain text. Content types are not asked: Gemini, DeepSeek and Perplexity mislabel their errors.
// What the value means is normalise.ts's.

/**
 * Bodies are looked at no further than this, in UTF-16 units; the caller's prefix is as long in
 * bytes.
 */
const MAX_BODY_LENGTH = 65_536;

/** Events of one text that are tried; an error comes first or right after the preamble. */
const MAX_EVENTS = 64;

/** The parsed body: a JSON value, or the text itself (a string) when it is not JSON. */
export function parseErrorBody(text: string): unknown {
  const body = text
    .slice(0, MAX_BODY_LENGTH)
    .replace(/^\uFEFF/, '')
    .trim();
  if (/^(?:event|data|id|retry)?:/.test(body)) return errorEvent(body);
  return parseJson(body) ?? body;
}

/** The data of the first event that carries an error, else of the last event that has data. */
function errorEvent(stream: string): unknown {
  let last: unknown = '';
  for (const block of stream.split(/\r\n\r\n|\n\n|\r\r/, MAX_EVENTS)) {
    const data = dataOf(block);
    if (data === '') continue;
    last = parseJson(data) ?? data;
    if (carriesError(last) || /^event: ?error\s*$/m.test(block)) return last;
  }
  return last;
}

function dataOf(block: string): string {
  return block
    .split(/\r\n|\n|\r/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice(5).trimStart())
    .join('\n');
}

/**
 * Whether an event's data tells of a failure: OpenAI, Anthropic and OpenRouter frames, and
 * `response.failed`.
 */
export function carriesError(data: unknown): boolean {
  if (!isRecord(data)) return false;
  if (data.type === 'error') return true;
  const response = data.response;
  return isPresent(data.error) || (isRecord(response) && isPresent(response.error));
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && value !== '';
}

/** A JSON object, as opposed to an array or anything else. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The JSON value of a text that is an object, an array or a string, also of one cut short; else
 * undefined.
 */
export function parseJson(text: string): unknown {
  if (!/^[{["]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return parseCut(text);
  }
}

/**
 * Parses JSON that breaks off: everything up to the last complete member, with the open brackets
 * closed. A lexer rather than a search for `"code"`, because a string that quotes the client's
 * prompt may contain anything.
 */
function parseCut(text: string): unknown {
  const open: string[] = [];
  let cut = 0;
  let closers = '';
  let quoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (quoted) {
      if (character === '\\') at += 1;
      else if (character === '"') quoted = false;
      continue;
    }
    if (character === '"') quoted = true;
    else if (character === '{' || character === '[') {
      open.push(character === '{' ? '}' : ']');
    } else if (character === '}' || character === ']') {
      open.pop();
    } else if (character !== ',') continue;
    if (character === '"' || open.length > MAX_CUT_DEPTH) continue;
    // Here a member is complete, or a container has just been opened: cutting leaves valid JSON.
    cut = character === ',' ? at : at + 1;
    closers = open.toReversed().join('');
    if (open.length === 0) break;
  }
  try {
    return JSON.parse(text.slice(0, cut) + closers);
  } catch {
    return undefined;
  }
}

/** Deeper than any provider's error; keeps the work on hostile nesting linear. */
const MAX_CUT_DEPTH = 32;
