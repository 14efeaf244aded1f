// `gpt-load top`: asks the running instance once a second and draws what it says over what was
// drawn before. On a terminal q and Ctrl-C end it and give the screen back; a pipe gets one view
// below the other. What a view says is top-view.ts.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { AskError, askInstance, placeAsked } from './client.ts';
import { show, type Terminal } from './terminal.ts';
import { type Sample, TopView } from './top-view.ts';

const INTERVAL_MS = 1_000;
/** Requests of one second that are looked at; of more, the newest. */
const MAX_ENDED = 1_000;
/** Of those that ended before the first view: enough for the errors that it shows. */
const FIRST_ENDED = 200;

const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_BELOW = '\x1b[J';
const CLEAR_LINE_END = '\x1b[K';

/** Keys that end it: q, Ctrl-C and Ctrl-D, of which a raw terminal makes no signal. */
const ENDING: ReadonlySet<string> = new Set(['q', 'Q', '\x03', '\x04']);

export interface TopOptions {
  readonly url: string | undefined;
  /** Views after which it ends; undefined: none. */
  readonly count: string | undefined;
}

/** Exit code: 0 ended by q, a signal or its count; 2 could not ask, or a wrong option. */
export async function top(
  options: TopOptions,
  config: Config,
  terminal: Terminal,
): Promise<number> {
  const count = options.count === undefined ? Number.POSITIVE_INFINITY : Number(options.count);
  if (!(count >= 1)) {
    terminal.complain(
      `gpt-load top: --count must be an integer of at least 1, got "${options.count}"\n`,
    );
    return 2;
  }
  try {
    const asker = new Asker(options.url, config);
    const view = new TopView(placeAsked(options.url, config));
    // The first answer decides, before anything is drawn, whether there is an instance at all.
    view.add(await asker.sample());
    if (terminal.columns === undefined) await draw(view, asker, { terminal, count });
    else await onScreen(terminal, (left) => draw(view, asker, { terminal, count, left }));
    return 0;
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    terminal.complain(`gpt-load top: ${error.message}\n`);
    return 2;
  }
}

class Asker {
  readonly #url: string | undefined;
  readonly #config: Config;
  #lastId = '';

  constructor(url: string | undefined, config: Config) {
    this.#url = url;
    this.#config = config;
  }

  /** Rejects with an AskError. */
  async sample(): Promise<Sample> {
    const page = new URLSearchParams({
      limit: String(this.#lastId === '' ? FIRST_ENDED : MAX_ENDED),
    });
    if (this.#lastId !== '') page.set('since_id', this.#lastId);
    const asked = { url: this.#url };
    const [stats, requests] = await Promise.all([
      askInstance('stats', { ...asked, query: '' }, this.#config),
      askInstance('requests', { ...asked, query: page.toString() }, this.#config),
    ]);
    const { requests: list, last_id } = requests.answer;
    const ended = Array.isArray(list) ? list : [];
    if (typeof last_id === 'string') this.#lastId = last_id;
    return { atMs: Date.now(), stats: stats.answer, ended };
  }
}

interface Drawing {
  readonly terminal: Terminal;
  readonly count: number;
  /** Aborted when the person has seen enough. */
  readonly left?: AbortSignal;
}

/** One view a second. An instance that is away is waited for, and the view says so. */
async function draw(view: TopView, asker: Asker, of: Drawing): Promise<void> {
  const { terminal, count, left } = of;
  for (let drawn = 1; ; drawn++) {
    const { columns, lines } = terminal;
    const text = view.text({ columns, lines });
    if (columns === undefined) show(terminal, drawn === 1 ? text : `\n${text}`);
    else redraw(terminal, text);
    if (drawn >= count) return;
    try {
      await sleep(INTERVAL_MS, undefined, left === undefined ? {} : { signal: left });
    } catch {
      return;
    }
    try {
      view.add(await asker.sample());
    } catch (error) {
      if (!(error instanceof AskError)) throw error;
      view.miss(`${error.message}; still trying`);
    }
    if (left?.aborted === true) return;
  }
}

/** Over the view before, without a moment in which the screen is empty. */
function redraw(terminal: Terminal, text: string): void {
  const rows = text.trimEnd().split('\n').slice(0, terminal.lines);
  terminal.write(HOME);
  for (const [at, row] of rows.entries()) {
    show(terminal, at === 0 ? row : `\n${row}`);
    terminal.write(CLEAR_LINE_END);
  }
  terminal.write(CLEAR_BELOW);
}

/** On the terminal's second screen; however it ends, the first one comes back. */
async function onScreen(
  terminal: Terminal,
  run: (left: AbortSignal) => Promise<void>,
): Promise<void> {
  const leaving = new AbortController();
  const leave = () => leaving.abort();
  const { stdin } = process;
  const onKeys = (keys: Buffer) => {
    if (ENDING.has(keys.toString('latin1'))) leave();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, leave);
  const isKeyed = stdin.isTTY === true;
  if (isKeyed) {
    stdin.setRawMode(true);
    stdin.on('data', onKeys).resume();
  }
  terminal.write(ENTER);
  try {
    await run(leaving.signal);
  } finally {
    terminal.write(LEAVE);
    if (isKeyed) {
      stdin.setRawMode(false);
      stdin.off('data', onKeys).pause();
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, leave);
  }
}
