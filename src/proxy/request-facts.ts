// What the proxy needs to know of a request's body: the model's name and whether a stream was asked
// for. Found by a bounded scan of the bytes, on demand; the body itself is never parsed as a whole
// or changed.

/** A longer body is searched only so far: models and flags stand near the start in practice. */
export const SCAN_LIMIT_BYTES = 256 * 1024;
/** Longer names are no model's. */
const MAX_MODEL_BYTES = 256;

const PLAIN_STRING = /^"[\x20\x21\x23-\x5b\x5d-\x7e]+"$/;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The model a request is for, from its path (Gemini, Azure) or its body (JSON, multipart). */
export function requestedModel(
  path: string,
  contentType: string | undefined,
  head: Buffer | undefined,
): string | undefined {
  const inPath = /\/(?:models|deployments)\/([^/:?]+)(?=[:/]|$)/.exec(path);
  if (inPath !== null) return inPath[1];
  if (head === undefined) return undefined;
  const bytes = head.subarray(0, SCAN_LIMIT_BYTES);
  if (contentType?.startsWith('multipart/form-data')) return multipartModel(bytes);
  const value = topLevelValue(bytes, '"model"');
  if (value?.charCodeAt(0) !== QUOTE) return undefined;
  return parseString(value);
}

/**
 * Whether a request asks for a streamed answer, as OpenAI, Anthropic (body) and Gemini (URL) spell
 * it.
 */
export function asksForStream(url: string, head: Buffer | undefined): boolean {
  if (url.includes(':stream')) return true;
  if (head === undefined) return false;
  return topLevelValue(head.subarray(0, SCAN_LIMIT_BYTES), '"stream"') === 'true';
}

function multipartModel(bytes: Buffer): string | undefined {
  const at = bytes.indexOf('name="model"');
  if (at < 0) return undefined;
  const start = bytes.indexOf('\r\n\r\n', at);
  if (start < 0) return undefined;
  const end = bytes.indexOf('\r\n', start + 4);
  if (end < 0 || end - start - 4 > MAX_MODEL_BYTES || end === start + 4) return undefined;
  return bytes.toString('utf8', start + 4, end);
}

function parseString(json: string): string | undefined {
  // Names of models have nothing that JSON would escape.
  if (PLAIN_STRING.test(json)) return json.slice(1, -1);
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'string' && value !== '' ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The raw text of a member of the outermost JSON object, or undefined. `quotedKey` includes its
 * quotes. A prompt may contain the same words: only depth 1 counts, so the scan walks strings and
 * nesting.
 */
function topLevelValue(bytes: Buffer, quotedKey: string): string | undefined {
  if (bytes.indexOf(quotedKey, 0, 'latin1') < 0) return undefined;
  let at = skipSpace(bytes, 0);
  if (bytes[at] !== 0x7b) return undefined;
  at += 1;
  for (;;) {
    at = skipSpace(bytes, at);
    if (bytes[at] === 0x2c) at = skipSpace(bytes, at + 1);
    if (bytes[at] !== QUOTE) return undefined;
    const keyEnd = endOfString(bytes, at);
    if (keyEnd < 0) return undefined;
    const found =
      keyEnd - at === quotedKey.length && bytes.toString('latin1', at, keyEnd) === quotedKey;
    at = skipSpace(bytes, keyEnd);
    if (bytes[at] !== 0x3a) return undefined;
    at = skipSpace(bytes, at + 1);
    const end = endOfValue(bytes, at);
    if (end < 0) return undefined;
    if (found) return end - at > MAX_MODEL_BYTES ? undefined : bytes.toString('utf8', at, end);
    at = end;
  }
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  while (at < bytes.length && (bytes[at] as number) <= 0x20) at += 1;
  return at;
}

/** The index after a string's closing quote, or -1 when it does not end within the bytes. */
function endOfString(bytes: Buffer, open: number): number {
  let at = open;
  for (;;) {
    at = bytes.indexOf(QUOTE, at + 1);
    if (at < 0) return -1;
    let escapes = 0;
    while (bytes[at - 1 - escapes] === BACKSLASH && at - 1 - escapes > open) escapes += 1;
    if (escapes % 2 === 0) return at + 1;
  }
}

/** The index after a JSON value, or -1. A bare value ends before `,`, `}`, `]` or white space. */
function endOfValue(bytes: Buffer, from: number): number {
  let depth = 0;
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) {
      at = endOfString(bytes, at);
      if (at < 0 || depth === 0) return at;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
      at += 1;
    } else if (byte === 0x7d || byte === 0x5d) {
      if (depth === 0) return at;
      depth -= 1;
      at += 1;
      if (depth === 0) return at;
    } else if (depth === 0 && (byte === 0x2c || byte <= 0x20)) return at;
    else at += 1;
  }
  return -1;
}
