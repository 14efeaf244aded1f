// How far a long command has got: one line that redraws itself on a terminal, a plain line now and
// then otherwise. What is counted is up to the command. Writes to stderr, so that results can be
// piped.

import { grouped, span } from './table.ts';
import type { Terminal } from './terminal.ts';

const REDRAW_MS = 100;
const PLAIN_LINE_MS = 10_000;
const MAX_BAR_CELLS = 24;
const MIN_BAR_CELLS = 5;
/** Weight of the newest rate in the average that the remaining time is told from. */
const SMOOTHING = 0.2;
const RATE_SAMPLE_MS = 1_000;

/** Erases the line and goes back to its start (ECMA-48 EL and CR). */
const CLEAR_LINE = '\r\u001b[2K';

export class Progress {
  readonly #terminal: Terminal;
  readonly #total: number;
  readonly #clock: () => number;
  readonly #startedMs: number;
  #shownMs: number;
  #drawn = false;
  #rate = 0;
  #sampledMs: number;
  #sampledDone = 0;

  /** @param clock monotonic milliseconds */
  constructor(terminal: Terminal, total: number, clock: () => number) {
    this.#terminal = terminal;
    this.#total = total;
    this.#clock = clock;
    this.#startedMs = clock();
    this.#shownMs = this.#startedMs;
    this.#sampledMs = this.#startedMs;
  }

  /**
   * Call as often as there is news; it shows what there is time to read. `note` says what was
   * found.
   */
  update(done: number, note: string): void {
    if (done >= this.#total) return;
    const nowMs = this.#clock();
    const isTerminal = this.#terminal.complaintColumns !== undefined;
    if (nowMs - this.#shownMs < (isTerminal ? REDRAW_MS : PLAIN_LINE_MS)) return;
    this.#shownMs = nowMs;
    this.#sample(done, nowMs);
    const text = this.#text(done, note, nowMs);
    if (isTerminal) this.#draw(text);
    else this.#terminal.complain(`${text}\n`);
  }

  /** Takes the line away, so that what follows starts on a clean one. */
  end(): void {
    if (this.#drawn) this.#terminal.complain(CLEAR_LINE);
    this.#drawn = false;
  }

  #sample(done: number, nowMs: number): void {
    const passedMs = nowMs - this.#sampledMs;
    if (passedMs < RATE_SAMPLE_MS && this.#rate > 0) return;
    const rate = ((done - this.#sampledDone) * 1000) / Math.max(1, passedMs);
    this.#rate = this.#rate === 0 ? rate : this.#rate + SMOOTHING * (rate - this.#rate);
    this.#sampledMs = nowMs;
    this.#sampledDone = done;
  }

  #text(done: number, note: string, nowMs: number): string {
    const percent = `${Math.floor((done / this.#total) * 100)}%`.padStart(4);
    const rate = this.#rate < 10 ? this.#rate.toFixed(1) : grouped(Math.round(this.#rate));
    const leftMs = ((this.#total - done) * 1000) / this.#rate;
    const left = Number.isFinite(leftMs) ? `${span(leftMs)} left` : '';
    const isTerminal = this.#terminal.complaintColumns !== undefined;
    const elapsed = isTerminal ? '' : `after ${span(nowMs - this.#startedMs)}`;
    const facts = [`${grouped(done)}/${grouped(this.#total)}`, elapsed, `${rate}/s`, left, note];
    return `${percent}  ${facts.filter((text) => text !== '').join('  ')}`;
  }

  #draw(text: string): void {
    // One column is left free: some terminals wrap when the last one is written.
    const room = (this.#terminal.complaintColumns ?? 0) - 1;
    const cells = Math.min(MAX_BAR_CELLS, room - text.length - '[]'.length);
    const filled = Math.round((Number.parseInt(text, 10) / 100) * cells);
    const hasBar = cells >= MIN_BAR_CELLS;
    const bar = hasBar ? `[${'#'.repeat(filled)}${'.'.repeat(cells - filled)}]` : '';
    const line = (bar + (hasBar ? text : text.trimStart())).slice(0, room);
    this.#terminal.complain(CLEAR_LINE + line);
    this.#drawn = true;
  }
}
