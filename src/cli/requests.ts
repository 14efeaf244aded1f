// `gpt-load requests [--follow]` and `gpt-load why ID`: what the running instance remembers of its
// last requests. Asks and pages; wording is trail-views.ts.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { AskError, askInstance, type ClientOptions } from './client.ts';
import type { JsonObject } from './client-views.ts';
import { show, type Terminal } from './terminal.ts';
import { followedHead, followedView, NOT_KEPT, requestsView, whyView } from './trail-views.ts';

/** How often --follow asks. */
const FOLLOW_MS = 1_000;
/** Rows that --follow shows of those before it. */
const FOLLOW_FIRST = 10;
/** Rows of one further answer; the newest, where more have come. */
const FOLLOW_MOST = 1_000;

/** What the command line may name; each is a parameter of /requests. */
const FILTERS = ['limit', 'client', 'group', 'model', 'status'] as const;

export type RequestsOptions = ClientOptions & {
  readonly follow: boolean;
  readonly filters: Readonly<Partial<Record<(typeof FILTERS)[number], string | undefined>>>;
};

/** Exit code: 0 fine, 1 none are remembered (--follow), 2 could not ask. */
export async function requests(
  options: RequestsOptions,
  config: Config,
  terminal: Terminal,
): Promise<number> {
  try {
    if (options.follow) return await follow(options, config, terminal);
    const { text, answer } = await askInstance('requests', asked(options, {}), config);
    if (options.json) terminal.write(`${text}\n`);
    else show(terminal, requestsView(answer, terminal.columns));
    return 0;
  } catch (error) {
    return complained('requests', error, terminal);
  }
}

/** Exit code: 0 fine, 1 no such request, 2 could not ask. */
export async function why(
  id: string,
  options: ClientOptions,
  config: Config,
  terminal: Terminal,
): Promise<number> {
  try {
    const path = `requests/${encodeURIComponent(id)}`;
    const { text, answer } = await askInstance(path, options, config);
    terminal.write(options.json ? `${text}\n` : whyView(answer));
    return 0;
  } catch (error) {
    return complained('why', error, terminal);
  }
}

/**
 * Rows as requests end, until the process is ended. An instance that is away is waited for, one
 * that remembers no requests is not.
 */
async function follow(
  options: RequestsOptions,
  config: Config,
  terminal: Terminal,
): Promise<number> {
  let page: Record<string, string> = { limit: options.filters.limit ?? String(FOLLOW_FIRST) };
  let answer = (await askInstance('requests', asked(options, page), config)).answer;
  if (!options.json && answer.enabled !== false) show(terminal, followedHead(terminal.columns));
  let isAway = false;
  for (;;) {
    if (answer.enabled === false) {
      terminal.complain(`gpt-load requests: ${NOT_KEPT}\n`);
      return 1;
    }
    if (options.json) terminal.write(jsonLines(answer));
    else show(terminal, followedView(answer, terminal.columns));
    if (typeof answer.last_id === 'string') {
      page = { limit: String(FOLLOW_MOST), since_id: answer.last_id };
    }
    await sleep(FOLLOW_MS);
    try {
      answer = (await askInstance('requests', asked(options, page), config)).answer;
      isAway = false;
    } catch (error) {
      if (!(error instanceof AskError)) throw error;
      if (!isAway) terminal.complain(`gpt-load requests: ${error.message}; still trying\n`);
      isAway = true;
      answer = {};
    }
  }
}

function asked(
  { url, filters }: RequestsOptions,
  page: Readonly<Record<string, string>>,
): Pick<ClientOptions, 'url' | 'query'> {
  const query = new URLSearchParams();
  for (const name of FILTERS) if (filters[name] !== undefined) query.set(name, filters[name]);
  for (const [name, value] of Object.entries(page)) query.set(name, value);
  return { url, query: query.toString() };
}

/** One request a line, oldest first. */
function jsonLines({ requests: list }: JsonObject): string {
  const rows: readonly unknown[] = Array.isArray(list) ? list.toReversed() : [];
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

function complained(command: string, error: unknown, terminal: Terminal): number {
  if (!(error instanceof AskError)) throw error;
  terminal.complain(`gpt-load ${command}: ${error.message}\n`);
  return error.status === 404 ? 1 : 2;
}
