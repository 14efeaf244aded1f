// The page's own endpoints: its document, its data, its live feed, and what its buttons do. Data
// need AUTH_KEY where it is set; actions come by POST from the page itself, and without AUTH_KEY
// from this machine only.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Config } from '../../config/config.ts';
import type { GroupView } from '../../pool/group-view.ts';
import type { Semaphore } from '../../pool/semaphore.ts';
import { sendError, sendJson } from '../../proxy/answer/own-answer.ts';
import {
  badQuery,
  groupNotFound,
  LOOPBACK_ONLY,
  TOO_LARGE,
} from '../../proxy/answer/own-errors.ts';
import { sendDashboard } from './dashboard-document.ts';
import { type AskHistory, DashboardFeed } from './dashboard-feed.ts';
import { type LiveSources, liveState } from './dashboard-state.ts';
import { KEY_STATES, keyPage } from './key-page.ts';

/** What a button asks for. Rows are named with the life that the page saw. */
export type KeyAction =
  | {
      readonly action: 'probe' | 'blacklist' | 'release';
      readonly group: string;
      readonly row: number;
      readonly life: number;
    }
  | { readonly action: 'add'; readonly group: string; readonly text: string };

/** What became of it; the message is for the person at the page. */
export interface ActionReport {
  readonly ok: boolean;
  readonly message: string;
}

export interface DashboardParts extends LiveSources {
  readonly config: Config;
  readonly version: string;
  /** How this instance is called in its fleet; '' where it has none. */
  readonly instance: string;
  readonly startedAtMs: number;
  readonly seats: Semaphore;
  readonly history: AskHistory;
  /** Tokens of the keys in these rows, since the start. */
  readonly keyTokens: (group: string, rows: readonly number[]) => Promise<readonly number[]>;
  readonly act: (action: KeyAction) => Promise<ActionReport | undefined>;
}

const ROOT = '/dashboard';
const MAX_BODY_BYTES = 16 * 1024 * 1024;
const MAX_PAGE = 500;
const LOOPBACK = /^(?:127\.|::1$|::ffff:127\.)/;

export class Dashboard {
  readonly #parts: DashboardParts;
  readonly #feed: DashboardFeed;

  constructor(parts: DashboardParts) {
    this.#parts = parts;
    this.#feed = new DashboardFeed(parts, parts.seats, parts.history);
  }

  /** Whether a path belongs to the page. */
  serves(path: string): boolean {
    return (
      path === ROOT ||
      (ENDPOINTS.includes(path.slice(ROOT.length + 1)) && path.startsWith(`${ROOT}/`))
    );
  }

  /** The methods that a path takes. */
  allows(path: string): string {
    return path.endsWith('/actions') ? 'POST' : 'GET, HEAD';
  }

  async answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    switch (path.slice(ROOT.length + 1)) {
      case '':
        sendDashboard(request, response);
        break;
      case 'state':
        await this.#state(response);
        break;
      case 'events':
        this.#feed.open(request, response);
        break;
      case 'keys':
        await this.#keys(request, response);
        break;
      default:
        await this.#act(request, response);
    }
  }

  drain(): void {
    this.#feed.drain();
  }

  async #state(response: ServerResponse): Promise<void> {
    const { version, instance, startedAtMs, config, history, groups } = this.#parts;
    const live = liveState(this.#parts, Date.now());
    const body = {
      ...live,
      version,
      ...(instance === '' ? {} : { instance }),
      started: startedAtMs / 1000,
      workers: config.workers,
      max_in_flight: config.maxConcurrentRequests,
      may_act: config.authKey !== '' || undefined,
      settings: groups().map(({ name, settings: { models, fallback } }) => {
        return { name, models, fallback };
      }),
      news: await history(0).catch(() => undefined),
    };
    sendJson(response, 200, JSON.stringify(body));
  }

  async #keys(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const query = new URLSearchParams(request.url?.split('?')[1] ?? '');
    const group = this.#groupOf(query.get('group') ?? '');
    if (group === undefined) {
      sendError(response, groupNotFound('', undefined));
      return;
    }
    const state = KEY_STATES.find((known) => known === query.get('state'));
    const from = Math.max(0, Math.trunc(Number(query.get('from') ?? 0)) || 0);
    const wanted = Math.trunc(Number(query.get('limit') ?? 100)) || 100;
    const limit = Math.min(MAX_PAGE, Math.max(1, wanted));
    const text = (query.get('q') ?? '').slice(0, 64);
    const reason = query.get('reason') ?? '';
    const page = keyPage(group, { state, text, reason, from, limit }, this.#parts.now());
    const places = page.rows.map(({ row }) => row);
    const tokens = await this.#parts.keyTokens(group.name, places).catch(() => []);
    const rows = page.rows.map((row, i) => ({ ...row, tokens: tokens[i] ?? 0 }));
    sendJson(response, 200, JSON.stringify({ ...page, rows }));
  }

  async #act(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isLocal = LOOPBACK.test(request.socket.remoteAddress ?? '');
    if (this.#parts.config.authKey === '' && !isLocal) {
      request.resume();
      return sendError(response, LOOPBACK_ONLY);
    }
    const text = await bodyOf(request);
    if (text === undefined) return sendError(response, TOO_LARGE);
    const action = actionOf(text);
    if (action === undefined) return sendError(response, badQuery('unknown action'));
    if (this.#groupOf(action.group) === undefined) {
      return sendError(response, groupNotFound(action.group, undefined));
    }
    const report = await this.#parts.act(action).catch(() => undefined);
    const told = report ?? { ok: false, message: 'gpt-load could not do it; see its log' };
    sendJson(response, told.ok ? 200 : 409, JSON.stringify(told));
  }

  #groupOf(name: string): GroupView | undefined {
    const groups = this.#parts.groups();
    return name === '' ? groups[0] : groups.find((group) => group.name === name);
  }
}

const ENDPOINTS = ['state', 'events', 'keys', 'actions'];

async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function actionOf(text: string): KeyAction | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { action, group, row, life, text: lines } = value as Record<string, unknown>;
  if (typeof group !== 'string') return undefined;
  if (action === 'add') {
    return typeof lines === 'string' ? { action, group, text: lines } : undefined;
  }
  if (action !== 'probe' && action !== 'blacklist' && action !== 'release') return undefined;
  if (!Number.isSafeInteger(row) || !Number.isSafeInteger(life)) return undefined;
  return { action, group, row: row as number, life: life as number };
}
