// /requests and /requests/ID: what the last requests were, and why each went where it went. Reads
// the question; the coordinator has the answer, because any worker may have had the request.

import type { ServerResponse } from 'node:http';
import { type OwnError, sendError, sendJson } from '../proxy/answer/own-answer.ts';
import {
  badQuery,
  REQUESTS_NOT_KEPT,
  requestNotFound,
  TOO_MANY_QUESTIONS,
} from '../proxy/answer/own-errors.ts';

const ROOT = '/requests';
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 10_000;
/** What /requests can be asked; anything else is a mistake, and is told. */
const PARAMETERS = ['limit', 'client', 'group', 'model', 'status', 'since_id'];

/** What is asked of the coordinator. */
export type TrailQuestion =
  | { readonly kind: 'one'; readonly id: string }
  | {
      readonly kind: 'list';
      /** The newest ones that fit, at most so many. */
      readonly limit: number;
      /** A client's name or address. */
      readonly client: string | undefined;
      readonly group: string | undefined;
      readonly model: string | undefined;
      readonly status: { readonly from: number; readonly to: number } | undefined;
      /** Only what came after this one; an id that is not known leaves nothing out. */
      readonly sinceId: string | undefined;
    };

/**
 * Asks the coordinator; it answers in JSON, null: there is no such request; undefined: too many
 * ask.
 */
export type AskRequests = (question: TrailQuestion) => Promise<string | null | undefined>;

/** Told while no requests are remembered. */
const NONE_KEPT = { requests: [], last_id: null, kept: 0, dropped: 0, enabled: false };

/** Whether a path asks for one request. */
export function namesRequest(path: string): boolean {
  return path.startsWith(`${ROOT}/`);
}

/** Sends what the question asks for. @param ask undefined: no requests are remembered */
export async function sendRequests(
  response: ServerResponse,
  target: { readonly path: string; readonly query: URLSearchParams },
  ask: AskRequests | undefined,
): Promise<void> {
  const question = namesRequest(target.path)
    ? one(target.path.slice(ROOT.length + 1))
    : list(target.query);
  if ('code' in question) return sendError(response, question);
  if (ask === undefined) {
    if (question.kind === 'one') return sendError(response, REQUESTS_NOT_KEPT);
    return sendJson(response, 200, JSON.stringify(NONE_KEPT));
  }
  const json = await ask(question).catch(() => undefined);
  if (response.destroyed) return;
  if (json === undefined) return sendError(response, TOO_MANY_QUESTIONS);
  if (json !== null) return sendJson(response, 200, json);
  sendError(response, requestNotFound(question.kind === 'one' ? question.id : ''));
}

function one(encoded: string): TrailQuestion {
  try {
    return { kind: 'one', id: decodeURIComponent(encoded) };
  } catch {
    return { kind: 'one', id: encoded };
  }
}

function list(query: URLSearchParams): TrailQuestion | OwnError {
  for (const name of query.keys()) {
    if (!PARAMETERS.includes(name)) {
      return badQuery(
        `unknown parameter ${JSON.stringify(name)}; ${ROOT} accepts ${PARAMETERS.join(', ')}`,
      );
    }
  }
  const text = (name: string): string | undefined => query.get(name) || undefined;
  const limit = wholeNumber(text('limit') ?? String(DEFAULT_LIMIT));
  if (limit === undefined || limit < 1 || limit > MAX_LIMIT) {
    return badQuery(`limit must be a whole number from 1 to ${MAX_LIMIT}`);
  }
  const status = statusRange(text('status'));
  if (status === null)
    return badQuery('status must be a code such as 429, a class such as 4xx, or 0 for no answer');
  return {
    kind: 'list',
    limit,
    client: text('client'),
    group: text('group'),
    model: text('model'),
    status,
    sinceId: text('since_id'),
  };
}

function statusRange(text: string | undefined) {
  if (text === undefined) return undefined;
  const family = /^([1-5])xx$/i.exec(text)?.[1];
  if (family !== undefined) return { from: Number(family) * 100, to: Number(family) * 100 + 99 };
  const status = /^(0|[1-9]\d\d)$/.test(text) ? Number(text) : undefined;
  return status === undefined ? null : { from: status, to: status };
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
