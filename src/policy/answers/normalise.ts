// Brings the many shapes of error bodies to one: codes, messages and a few signs. Judging is up to
// rules.ts. Shapes seen: {error:{}}, {error:""}, [{error:{}}], {error:{error:{}}}, {errors:[{}]},
// {code,message}, {detail}, {response:{error}}, "text". `metadata.raw` and `previous_errors` quote
// other accounts' errors and are never read.

import type { AnswerView } from '../verdict.ts';
import { isRecord, parseErrorBody } from './error-body.ts';

/** Things that are neither code nor wording. */
export type Sign =
  | 'html'
  /** Cloudflare Workers' bare "error code: 522". */
  | 'edge_text'
  /** OpenRouter's moderation: `metadata.flagged_input` or `metadata.reasons`. */
  | 'flagged'
  /** Rate-limit headers of an account: the key was authenticated, whatever the status. */
  | 'authenticated'
  | 'retry_after'
  /** Gemini's QuotaFailure names a quota per day. */
  | 'quota_per_day'
  /** Gemini's QuotaFailure names a quota of 0. */
  | 'quota_zero'
  /** An Anthropic subscription's window is used up. */
  | 'window_rejected';

/** What an answer says, in one shape. */
export interface Facts {
  /** First value of each header, by lower-case name. */
  readonly headers: ReadonlyMap<string, string>;
  /** Machine-readable codes that are words, in lower case, a trailing "exception" removed. */
  readonly codes: ReadonlySet<string>;
  /** Codes that are bare numbers: they mean something only together with the provider. */
  readonly numbers: ReadonlySet<string>;
  /** Wording without what it quotes, outermost layer first; each ends with a line break. */
  readonly messages: readonly string[];
  readonly signs: ReadonlySet<Sign>;
  /** google.rpc.RetryInfo's delay, such as "56s". */
  readonly retryDelay: string | undefined;
  /** OpenRouter's reset in `metadata.headers`, epoch milliseconds. */
  readonly resetAt: string | undefined;
}

const MAX_LAYERS = 8;
const MAX_DETAILS = 16;
const MAX_CODE_LENGTH = 128;
const MAX_MESSAGE_LENGTH = 4_096;

const CODE_FIELDS = [
  'code',
  'type',
  'status',
  'reason',
  'error_code',
  'error_type',
  'limit_source',
];
const MESSAGE_FIELDS = ['message', 'msg', 'error', 'detail', 'error_description'];

interface Draft {
  codes: Set<string>;
  numbers: Set<string>;
  messages: string[];
  signs: Set<Sign>;
  retryDelay: string | undefined;
  resetAt: string | undefined;
}

/** Reads an answer's headers and body. Never throws, whatever they contain. */
export function factsOf(answer: AnswerView): Facts {
  const draft: Draft = {
    codes: new Set(),
    numbers: new Set(),
    messages: [],
    signs: new Set(),
    retryDelay: undefined,
    resetAt: undefined,
  };
  const headers = firstValues(answer.rawHeaders);
  readHeaders(headers, draft);
  const body = parseErrorBody(answer.text);
  if (typeof body === 'string') readText(body, draft);
  else for (const layer of layersOf(body)) readLayer(layer, draft);
  return { headers, ...draft };
}

function firstValues(rawHeaders: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? '';
    if (!headers.has(name)) headers.set(name, rawHeaders[at + 1]?.trim() ?? '');
  }
  return headers;
}

function readHeaders(headers: ReadonlyMap<string, string>, draft: Draft): void {
  // Bedrock's bodies have no code: "ThrottlingException:http://internal.amazon.com/coral/...". In
  // its binary event streams it is in the headers of the exception frame instead.
  for (const name of ['x-amzn-errortype', 'x-stream-exception-type']) {
    addCode(headers.get(name)?.split(':')[0]?.split('#').at(-1), draft);
  }
  // Azure's firewall: "ThrowExceptionDueToTrafficDenied".
  addCode(headers.get('policy-id'), draft);
  if (headers.has('retry-after') || headers.has('retry-after-ms')) draft.signs.add('retry_after');
  for (const [name, value] of headers) {
    if (/^x-ratelimit-(?:limit|remaining)-(?:requests|tokens)$/.test(name)) {
      draft.signs.add('authenticated');
    }
    if (/^anthropic-ratelimit-unified-.*status$/.test(name) && value === 'rejected') {
      draft.signs.add('window_rejected');
    }
  }
}

function readText(text: string, draft: Draft): void {
  if (
    /^<(?:!doctype\s+html|!--|html|head|body|title|center)\b/i.test(text) ||
    text.startsWith('<!--')
  ) {
    draft.signs.add('html');
    return;
  }
  if (/^error code: \d{3,4}$/.test(text)) draft.signs.add('edge_text');
  addMessage(text, draft);
}

/** The body and the error objects inside it, outermost first. */
function layersOf(body: unknown): readonly Readonly<Record<string, unknown>>[] {
  const layers: Readonly<Record<string, unknown>>[] = [];
  const queue: unknown[] = [body];
  for (let at = 0; at < queue.length && layers.length < MAX_LAYERS; at += 1) {
    const value = queue[at];
    const layer = Array.isArray(value) ? value[0] : value;
    if (!isRecord(layer)) continue;
    layers.push(layer);
    const response = layer.response;
    queue.push(layer.error, layer.errors, layer.detail, layer.innererror);
    if (isRecord(response)) queue.push(response.error);
  }
  return layers;
}

function readLayer(layer: Readonly<Record<string, unknown>>, draft: Draft): void {
  for (const field of CODE_FIELDS) addCode(layer[field], draft);
  // AWS JSON protocols: "com.amazonaws.bedrock#ThrottlingException".
  const awsType = layer.__type;
  if (typeof awsType === 'string') addCode(awsType.split('#').at(-1), draft);
  for (const field of MESSAGE_FIELDS) addMessage(layer[field], draft);
  readDetails(layer.details, draft);
  if (isRecord(layer.metadata)) readMetadata(layer.metadata, draft);
}

/**
 * Google's list of details (google.rpc.ErrorInfo, RetryInfo, QuotaFailure), or Anthropic's single
 * object.
 */
function readDetails(details: unknown, draft: Draft): void {
  const list: readonly unknown[] = Array.isArray(details) ? details : [details];
  for (const detail of list.slice(0, MAX_DETAILS)) {
    if (!isRecord(detail)) continue;
    addCode(detail.reason, draft);
    addCode(detail.error_code, draft);
    if (typeof detail.retryDelay === 'string') draft.retryDelay ??= detail.retryDelay;
    const violations = detail.violations;
    if (!Array.isArray(violations)) continue;
    for (const violation of violations.slice(0, MAX_DETAILS)) {
      if (!isRecord(violation)) continue;
      if (String(violation.quotaId).includes('PerDay')) draft.signs.add('quota_per_day');
      if (violation.quotaValue === '0') draft.signs.add('quota_zero');
    }
  }
}

/**
 * OpenRouter's metadata, except `raw`: that is the answer its own upstream gave to its own account.
 */
function readMetadata(metadata: Readonly<Record<string, unknown>>, draft: Draft): void {
  addCode(metadata.limit_source, draft);
  addCode(metadata.error_type, draft);
  const reasons = metadata.reasons;
  if (
    typeof metadata.flagged_input === 'string' ||
    (Array.isArray(reasons) && reasons.length > 0)
  ) {
    draft.signs.add('flagged');
  }
  if (!isRecord(metadata.headers)) return;
  for (const [name, value] of Object.entries(metadata.headers)) {
    if (name.toLowerCase() === 'x-ratelimit-reset') draft.resetAt = String(value);
  }
}

function addCode(value: unknown, draft: Draft): void {
  if (typeof value !== 'string' && typeof value !== 'number') return;
  const code = String(value).toLowerCase();
  // xAI's codes are sentences; a code has no spaces.
  if (code === '' || code.length > MAX_CODE_LENGTH || /\s/.test(code)) return;
  if (/^-?\d+$/.test(code)) draft.numbers.add(code);
  else draft.codes.add(code.replace(/(.)exception$/, '$1'));
}

function addMessage(value: unknown, draft: Draft): void {
  if (typeof value !== 'string' || value === '') return;
  draft.messages.push(`${withoutQuotes(value.slice(0, MAX_MESSAGE_LENGTH))}\n`);
}

/**
 * What a message quotes is the client's text, or a model's name: no part of what the provider says.
 */
function withoutQuotes(message: string): string {
  return message
    .replaceAll('’', "'")
    .replace(/`[^`]*`|"[^"]*"|\u201c[^\u201d]*\u201d|(?<![\p{L}\d])'[^']*'(?![\p{L}\d])/gu, '``');
}
