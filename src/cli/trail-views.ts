// How the trails of requests look to a person: a table with one line each, and the story of one.
// Wording only; what is in a trail is decided by admin/shown-trail.ts. The instance that answers
// may be of another version.

import { REASONS, type Reason, reasonText } from '../policy/reason.ts';
import type { JsonObject } from './client-views.ts';
import { type Cell, counted, grouped, heads, span, table, toned } from './table.ts';

/** One column: how wide it is while rows keep coming, and what stands in it. */
interface Column {
  readonly head: string;
  readonly width: number;
  readonly of: (request: JsonObject) => string;
}

const COLUMNS: readonly Column[] = [
  { head: 'TIME', width: 8, of: ({ time }) => text(time).slice(11, 19) },
  { head: 'ID', width: 14, of: ({ id }) => text(id) },
  { head: 'STATUS', width: 6, of: ({ status }) => (status === 0 ? '-' : text(status)) },
  { head: 'MS', width: 7, of: ({ total_ms }) => grouped(Number(total_ms)) },
  { head: 'TRIES', width: 5, of: ({ attempts }) => text(objects(attempts).length) },
  { head: 'KEY', width: 13, of: ({ attempts }) => text(objects(attempts).at(-1)?.key) },
  { head: 'MODEL', width: 16, of: ({ model }) => text(model) },
  { head: 'CLIENT', width: 15, of: (request) => text(request.client_name ?? request.client) },
  { head: 'PATH', width: 24, of: ({ path }) => text(path) },
  { head: 'NOTE', width: 16, of: noteOf },
];
/** A narrow terminal goes without these, in this order. */
const SPARE = ['PATH', 'CLIENT', 'TRIES', 'KEY'];
const GAP = 2;

/** What most needs to be said of a request that did not simply succeed. */
function noteOf({ error_code, ended, attempts }: JsonObject): string {
  const last = objects(attempts).at(-1);
  return text(error_code ?? ended ?? last?.reason ?? '');
}

function columnsFor(columns: number | undefined): readonly Column[] {
  let chosen = COLUMNS;
  for (const spare of SPARE) {
    const width = chosen.reduce((sum, column) => sum + column.width + GAP, -GAP);
    if (columns === undefined || width <= columns) break;
    chosen = chosen.filter(({ head }) => head !== spare);
  }
  return chosen;
}

/** Said where there can be none. */
export const NOT_KEPT = 'requests are not remembered: ENABLE_TRAILS is false';

/** The requests of an answer, oldest first. */
export function requestsView(answer: JsonObject, columns: number | undefined): string {
  if (answer.enabled === false) return `${NOT_KEPT}\n`;
  const requests = objects(answer.requests).toReversed();
  if (requests.length === 0) return 'no matching requests\n';
  const chosen = columnsFor(columns);
  const rows = requests.map((request) => {
    return chosen.map(({ head, of }) => tonedCell(head, request, of(request)));
  });
  return table([heads(chosen.map(({ head }) => head)), ...rows], columns);
}

/** The same as rows that stand below those of earlier answers. */
export function followedView(answer: JsonObject, columns: number | undefined): string {
  const rows = objects(answer.requests)
    .toReversed()
    .map((request) =>
      columnsFor(columns).map((column) => {
        return tonedCell(column.head, request, fitted(column, request, columns));
      }),
    );
  return table(rows, undefined);
}

/** The status says by its colour how it went. */
function tonedCell(head: string, { status }: JsonObject, cell: string): Cell {
  if (head !== 'STATUS') return head === 'ID' ? toned('dim', cell) : cell;
  const code = Number(status);
  return toned(code >= 500 || code === 0 ? 'bad' : code >= 400 ? 'wait' : 'good', cell);
}

/** What stands above them. */
export function followedHead(columns: number | undefined): string {
  const names = columnsFor(columns).map(({ head, width }) => {
    return head === 'MS' ? head.padStart(width) : head.padEnd(width);
  });
  return table([heads(names)], undefined);
}

function fitted({ head, width, of }: Column, request: JsonObject, columns: number | undefined) {
  const cell = of(request);
  if (columns !== undefined && cell.length > width) return `${cell.slice(0, width - 1)}…`;
  return head === 'MS' ? cell.padStart(width) : cell.padEnd(width);
}

/** Where a request went, and why. */
export function whyView(request: JsonObject): string {
  const attempts = objects(request.attempts);
  const lines = [
    titleOf(request),
    originOf(request),
    '',
    ...attempts.flatMap((attempt, at) => attemptLines(request, attempt, at + 1)),
    ...(attempts.length === 0 ? [] : ['']),
    endOf(request, attempts.at(-1)),
    ...tokensOf(request.tokens),
  ];
  // As a table of one column, so that no name from outside moves the cursor.
  return table(
    lines.map((line) => [line]),
    undefined,
  );
}

function titleOf({ method, path, model, stream }: JsonObject): string {
  const forModel = typeof model === 'string' ? ` for ${model}` : '';
  return `${text(method)} ${text(path)}${forModel}${stream === true ? ', streamed' : ''}`;
}

function originOf({ client, client_name, group, time, id }: JsonObject): string {
  const who = client_name === undefined ? text(client) : `${text(client_name)} (${text(client)})`;
  const where = group === '' || group === undefined ? '' : `, group ${text(group)}`;
  const when = text(time).slice(0, 19).replace('T', ' ');
  return `from ${who}${where}, ${when} UTC, id ${text(id)}`;
}

function attemptLines(request: JsonObject, attempt: JsonObject, number: number): string[] {
  const { status, code, changes, rule, ms, waited_ms } = attempt;
  const answered = [typeof status === 'number' ? status : '', code ?? ''].join(' ').trim();
  const host = hostOf(attempt.upstream);
  const endMs = Date.parse(text(request.time)) + Number(attempt.after_ms) + Number(ms);
  const told = objects(changes).map((change) => changeText(change, host, endMs));
  const isSuccess = attempt.verdict === 'success';
  const facts = [...(isSuccess ? [host] : []), answered, ...told].filter((one) => one !== '');
  const after = isSuccess ? '' : ` after ${grouped(Number(ms))} ms`;
  const waited = Number(waited_ms) > 0 ? `, queued for ${grouped(Number(waited_ms))} ms` : '';
  const happened = happenedText(request, attempt, host);
  const pausedMs = Number(attempt.after_ms) - endedMs(request, number - 2) - Number(waited_ms);
  const paused = number > 1 && pausedMs >= 10 ? `after a pause of ${grouped(pausedMs)} ms: ` : '';
  const first = `${number}. ${paused}${happened} (${facts.join(', ')})${after}${waited}`;
  if (isSuccess) return [first];
  const named = rule === undefined ? '' : ` [rule ${text(rule)}]`;
  return [first.replace(' ()', ''), `   ${whyText(attempt.reason)}${named}`];
}

/** When the request's attempt of this place in the list was over, from its arrival. */
function endedMs({ attempts }: JsonObject, at: number): number {
  const attempt = objects(attempts)[at];
  return attempt === undefined ? 0 : Number(attempt.after_ms) + Number(attempt.ms);
}

function happenedText({ model }: JsonObject, attempt: JsonObject, host: string): string {
  const key = text(attempt.key);
  switch (attempt.verdict) {
    case 'success':
      return `${key} answered in ${grouped(Number(attempt.ms))} ms`;
    case 'key_cooldown':
      return attempt.reason === 'rate_limited'
        ? `${key} was rate limited by ${host}`
        : `${key} was refused by ${host} for now`;
    case 'key_dead':
      return `${key} was rejected by ${host}`;
    case 'model_access':
      return `${key} has no access to ${typeof model === 'string' ? model : 'this'} at ${host}`;
    case 'upstream_fault':
      return attempt.status === null
        ? `no answer from ${host} for ${key}`
        : `${host} returned an error to ${key}`;
    case 'client_fault':
      return `${host} rejected the request itself, not ${key}`;
    case 'excluded':
      return `the attempt with ${key} at ${host} was abandoned`;
    default:
      return `${key} at ${host}: ${text(attempt.verdict)}`;
  }
}

function changeText({ kind, model, until }: JsonObject, host: string, endMs: number): string {
  const untilMs = Date.parse(text(until));
  const long = Number.isNaN(untilMs) ? 'a while' : span(Math.max(1000, untilMs - endMs + 500));
  switch (kind) {
    case 'resting':
      return `rests for ${long}${model === 'all' ? '' : ` on ${text(model)}`}`;
    case 'blacklisted':
      return 'key blacklisted';
    case 'restored':
      return 'key works again';
    case 'upstream_ejected':
      return `${host} ejected for ${long}`;
    case 'upstream_restored':
      return `${host} works again`;
    default:
      return text(kind);
  }
}

function whyText(reason: unknown): string {
  const known = REASONS.find((one): one is Reason => one === reason);
  return known === undefined ? text(reason) : reasonText(known);
}

/** What the codes of gpt-load's own errors say, in short. */
const OWN_ANSWERS: Readonly<Record<string, string>> = {
  all_keys_busy: 'every key was at its limit',
  all_keys_resting: 'every key was resting, or resting for this model',
  client_limit: 'the client was at its own limit',
  concurrency_limit: 'MAX_CONCURRENT_REQUESTS was reached',
  group_not_found: 'the path names a group that does not exist',
  invalid_api_key: 'missing or wrong client key',
  internal_error: 'a bug in gpt-load; see the log',
  malformed_request: 'the request cannot be forwarded',
  method_not_allowed: 'this method is not proxied',
  model_not_found: 'no key has access to this model, or no group serves it',
  no_usable_key: 'every key was blacklisted',
  not_allowed: 'the client may not use this group or model',
  out_of_descriptors: 'the process had run out of file descriptors',
  upstream_error_unreadable: 'the upstream’s error could not be checked for the API key',
  upstream_timeout: 'no upstream answered in time',
  upstream_unreachable: 'no upstream answered',
};

function endOf(request: JsonObject, last: JsonObject | undefined): string {
  const { status, error_code, ended, first_byte_ms } = request;
  const totalMs = `${grouped(Number(request.total_ms))} ms`;
  const bytes = counted(Number(request.bytes_out), 'byte');
  if (ended === 'client_left') {
    const what =
      status === 0 ? 'before it got an answer' : `in the middle of a ${text(status)} answer`;
    return `The client disconnected after ${totalMs}, ${what} (${bytes}).`;
  }
  if (typeof error_code === 'string') {
    const why = OWN_ANSWERS[error_code];
    const words = why === undefined ? '' : `: ${why}`;
    return `gpt-load itself answered ${text(status)} ${error_code}${words} (${totalMs}).`;
  }
  if (typeof ended === 'string') {
    return `The answer (${text(status)}) was cut short: ${ended}, after ${bytes} and ${totalMs}.`;
  }
  const isPassedOn = last !== undefined && last.verdict !== 'success';
  const what = isPassedOn ? `${text(status)}, the upstream's own answer` : text(status);
  const first = typeof first_byte_ms === 'number' ? `first byte after ${first_byte_ms} ms, ` : '';
  return `The client got ${what}: ${first}${bytes} in ${totalMs}.`;
}

function tokensOf(tokens: unknown): string[] {
  if (typeof tokens !== 'object' || tokens === null) return [];
  const { input, cached, output } = tokens as JsonObject;
  const known = `${grouped(Number(cached))} cached`;
  return [`Tokens: ${grouped(Number(input))} in (${known}), ${grouped(Number(output))} out.`];
}

function hostOf(upstream: unknown): string {
  return URL.parse(text(upstream))?.host ?? text(upstream);
}

function text(value: unknown): string {
  return value === undefined || value === null ? '-' : String(value);
}

function objects(value: unknown): readonly JsonObject[] {
  if (!Array.isArray(value)) return [];
  return value.filter((one): one is JsonObject => typeof one === 'object' && one !== null);
}
