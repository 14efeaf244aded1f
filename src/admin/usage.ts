// GET /usage: what was used, by hour or day and by client, group, model and key, as JSON or CSV.
// The sums are kept by the coordinator; here questions are read and answers written down, these in
// its thread too: many rows would keep a worker from its requests.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { type OwnError, sendError, sendJson } from '../proxy/answer/own-answer.ts';
import {
  badQuery,
  FLEET_AWAY,
  TOO_MANY_ROWS,
  USAGE_UNAVAILABLE,
} from '../proxy/answer/own-errors.ts';
import {
  USAGE_DIMENSIONS,
  type UsageAnswer,
  type UsageDimension,
  type UsageQuestion,
} from '../store/usage-question.ts';

const HOUR_MS = 3_600_000;
const HOURS_PER_DAY = 24;
/** Without `from`: the last week. */
const DEFAULT_DAYS = 7;
/** Instances that an error names. */
const MAX_NAMED = 20;

export type UsageFormat = 'json' | 'csv';

/** What is asked, and how it is to be answered. */
export interface UsageAsked {
  readonly question: UsageQuestion;
  readonly format: UsageFormat;
  /** Only what this instance of the fleet has used. */
  readonly instance?: string;
}

/** Whose usage an answer is about, where there is a fleet; `away`: this instance's alone. */
export interface UsageScope {
  readonly fleet: 'connected' | 'away';
  readonly instances: readonly string[];
}

/**
 * An answer as it goes to the client, or why there is none: `away`, the instance that was named is
 * another one and the fleet cannot be asked; the names of those that there are, it is none of them.
 */
export type WrittenUsage =
  | { readonly body: string; readonly isAway: boolean }
  | { readonly instances: readonly string[] }
  | 'too_many'
  | 'away'
  | undefined;
/** Asks the coordinator; undefined: it cannot say. */
export type AskUsage = (asked: UsageAsked) => Promise<WrittenUsage>;

/** Columns of an answer, in their order. */
const COLUMNS = [
  'start',
  'client',
  'group',
  'model',
  'key',
  'requests',
  'failed',
  'unknown',
  'input_tokens',
  'cached_tokens',
  'cache_write_tokens',
  'output_tokens',
  'reasoning_tokens',
] as const;

type Row = Readonly<Record<string, string | number | boolean>>;

/**
 * Answers 400 for a question that is not understood or asks for too much, 503 when the books cannot
 * be read.
 */
export async function sendUsage(
  request: IncomingMessage,
  response: ServerResponse,
  ask: AskUsage,
): Promise<void> {
  const query = new URLSearchParams(request.url?.split('?')[1] ?? '');
  const question = readQuestion(query, Date.now());
  if ('code' in question) return sendError(response, question);
  const wantsCsv = /\btext\/csv\b/.test(request.headers.accept ?? '');
  const format = wantsCsv || query.get('format') === 'csv' ? 'csv' : 'json';
  const instance = query.get('instance') ?? '';
  const asked = { question, format, ...(instance === '' ? {} : { instance }) } as const;
  const written = await ask(asked).catch(() => undefined);
  if (written === undefined) return sendError(response, USAGE_UNAVAILABLE);
  if (written === 'too_many') return sendError(response, TOO_MANY_ROWS);
  if (written === 'away') return sendError(response, FLEET_AWAY);
  if ('instances' in written) {
    const known = written.instances.slice(0, MAX_NAMED).join(', ');
    return sendError(response, refusal('instance', `one of ${known}`, instance));
  }
  if (format === 'json') sendJson(response, 200, written.body);
  else sendCsv(response, written);
}

/** Writes an answer down for the client. */
export function writtenUsage(
  answers: readonly UsageAnswer[],
  { question, format }: UsageAsked,
  scope?: UsageScope,
): string {
  const rows = answers.map((answer) => rowOf(answer, question));
  if (format === 'csv') return csvOf(rows, question);
  const { fromHour, toHour, by } = question;
  return JSON.stringify({ from: isoOf(fromHour), to: isoOf(toHour), by, ...scope, rows });
}

/** `from` and `to` are dates or times of ISO 8601, or days back such as `7d`. */
function readQuestion(query: URLSearchParams, nowMs: number): UsageQuestion | OwnError {
  const by = query.get('by') ?? 'day';
  if (by !== 'hour' && by !== 'day') return refusal('by', 'hour or day', by);
  const nextHour = Math.floor(nowMs / HOUR_MS) + 1;
  const to = timeOf(query.get('to'), nowMs, nextHour);
  if (to === undefined) return refusal('to', TIME, query.get('to'));
  const from = timeOf(query.get('from'), nowMs, to - DEFAULT_DAYS * HOURS_PER_DAY);
  if (from === undefined) return refusal('from', TIME, query.get('from'));
  const groupBy: UsageDimension[] = [];
  for (const name of (query.get('group_by') ?? 'client,group,model').split(',')) {
    const dimension = USAGE_DIMENSIONS.find((known) => known === name.trim());
    if (dimension === undefined && name.trim() !== '') {
      return refusal('group_by', `a list of ${USAGE_DIMENSIONS.join(', ')}`, name);
    }
    if (dimension !== undefined && !groupBy.includes(dimension)) groupBy.push(dimension);
  }
  const whole = (hour: number, up: boolean) => {
    if (by === 'hour') return hour;
    const days = up ? Math.ceil(hour / HOURS_PER_DAY) : Math.floor(hour / HOURS_PER_DAY);
    return days * HOURS_PER_DAY;
  };
  return { fromHour: whole(from, false), toHour: whole(to, true), by, groupBy };
}

const TIME = 'a date, a time (2026-01-31T08:00Z), or a number of days or hours ago (7d, 12h)';

/** In hours since 1970; undefined: not understood. */
function timeOf(text: string | null, nowMs: number, otherwise: number): number | undefined {
  if (text === null || text === '') return otherwise;
  const back = /^(\d{1,4})([dh])$/.exec(text);
  if (back !== null) {
    const hours = Number(back[1]) * (back[2] === 'd' ? HOURS_PER_DAY : 1);
    return Math.floor(nowMs / HOUR_MS) + 1 - hours;
  }
  if (!/^\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:\d{2})?)?$/.test(text)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : Math.floor(ms / HOUR_MS);
}

function refusal(name: string, rule: string, value: string | null): OwnError {
  const shown = JSON.stringify((value ?? '').slice(0, 64));
  return badQuery(`${name}: must be ${rule}, got ${shown}`);
}

function rowOf(answer: UsageAnswer, { groupBy }: UsageQuestion): Row {
  const of = (name: UsageDimension) => (groupBy.includes(name) ? { [name]: answer[name] } : {});
  return {
    start: isoOf(answer.hour),
    ...of('client'),
    ...of('group'),
    ...of('model'),
    ...of('key'),
    requests: answer.requests,
    failed: answer.failed,
    unknown: answer.unknown,
    input_tokens: answer.input,
    cached_tokens: answer.cached,
    cache_write_tokens: answer.cacheWrite,
    output_tokens: answer.output,
    reasoning_tokens: answer.reasoning,
    ...(answer.cost === undefined ? {} : { cost_usd: Number(answer.cost.toFixed(6)) }),
    ...(answer.isCostPartial === true ? { cost_incomplete: true } : {}),
  };
}

function csvOf(rows: readonly Row[], { groupBy }: UsageQuestion): string {
  const isDimension = (name: string) => USAGE_DIMENSIONS.some((known) => known === name);
  const names: string[] = COLUMNS.filter((name) => {
    return !isDimension(name) || groupBy.some((asked) => asked === name);
  });
  if (rows.some((row) => 'cost_usd' in row)) names.push('cost_usd', 'cost_incomplete');
  const lines = rows.map((row) => names.map((name) => csvField(row[name] ?? '')).join(','));
  return [names.join(','), ...lines, ''].join('\r\n');
}

function sendCsv(
  response: ServerResponse,
  { body, isAway }: { readonly body: string; readonly isAway: boolean },
): void {
  response.writeHead(200, {
    'Content-Type': 'text/csv; charset=utf-8; header=present',
    'Content-Length': Buffer.byteLength(body),
    'Content-Disposition': 'attachment; filename="usage.csv"',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    // There is no place for it among the rows.
    ...(isAway ? { 'X-Gpt-Load-Fleet': 'away' } : {}),
  });
  response.end(body);
}

/** RFC 4180; names come from clients, and spreadsheets take what begins with these for formulas. */
function csvField(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function isoOf(hour: number): string {
  return new Date(hour * HOUR_MS).toISOString().replace(':00.000Z', 'Z');
}
