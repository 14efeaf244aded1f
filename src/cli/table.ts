// Aligned columns for people. Columns are cut where a terminal is too narrow; a pipe gets
// everything. What stands in the cells is up to the caller, control characters excepted; whether
// colours reach the reader is up to terminal.ts.

import { styleText } from 'node:util';

/** What a colour says here: fine, wait, trouble; headings stand out, what matters less recedes. */
export type Tone = 'good' | 'wait' | 'bad' | 'head' | 'dim';

/** Text of one cell, with or without a tone. */
export type Cell = string | { readonly text: string; readonly tone: Tone };

const STYLES = { good: 'green', wait: 'yellow', bad: 'red', head: 'bold', dim: 'dim' } as const;

/** Between two columns. */
const GAP = '  ';
/** No column is cut below this, whatever the terminal. */
const NARROWEST = 6;
/** Anything that could move the cursor: names of models and reasons come from outside. */
const CONTROL = /\p{Cc}|\p{Cf}/gu;

/**
 * Rows as lines, columns left-aligned and as wide as their widest cell; cells that are numbers
 * right-aligned. With `columns` the widest columns are cut (ending in `…`) until every line fits.
 */
export function table(rows: readonly (readonly Cell[])[], columns: number | undefined): string {
  const cells = rows.map((row) => row.map(plainCell));
  const count = Math.max(0, ...cells.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, at) => widest(cells, at));
  if (columns !== undefined) shrink(widths, columns - GAP.length * (count - 1));
  return cells.map((row) => line(row, widths)).join('');
}

/** One fact per line: `name   value`. */
export function facts(pairs: readonly (readonly [Cell, Cell])[], columns?: number): string {
  return table(pairs, columns);
}

/** A cell in this tone; untouched where there is none. */
export function toned(tone: Tone | undefined, text: string): Cell {
  return tone === undefined ? text : { text, tone };
}

/** The first row of a table. */
export function heads(names: readonly string[]): Cell[] {
  return names.map((name) => toned('head', name));
}

/** Text in this tone that stands outside a table. Nothing from outside belongs into it. */
export function painted(tone: Tone, text: string): string {
  return styleText(STYLES[tone], text, { validateStream: false });
}

/** `1234567` as `1,234,567`, whatever the locale of the machine. */
export function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1 key`, `1,234 keys`. */
export function counted(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/**
 * A time span for people: `8 s`, `4 min 10 s`, `3 h 12 min`, `5 d 2 h`. Rounded down to whole
 * seconds; what is shorter than one is `less than 1 s`.
 */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const units = [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
    ['s', 1],
  ] as const;
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first === -1) return 'less than 1 s';
  const parts = units.slice(first, first + 2).map(([unit, size], at) => {
    const over = at === 0 ? seconds : seconds % (units[first]?.[1] ?? 1);
    return [Math.floor(over / size), unit] as const;
  });
  return parts
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(' ');
}

/** Control characters could do anything to a terminal. */
export function printable(text: string): string {
  return text.replace(CONTROL, '?');
}

interface PlainCell {
  readonly text: string;
  readonly tone: Tone | undefined;
}

function plainCell(cell: Cell): PlainCell {
  const { text, tone } = typeof cell === 'string' ? { text: cell, tone: undefined } : cell;
  return { text: printable(text), tone };
}

function widest(cells: readonly (readonly PlainCell[])[], at: number): number {
  return cells.reduce((width, row) => Math.max(width, (row[at]?.text ?? '').length), 0);
}

function shrink(widths: number[], room: number): void {
  let excess = widths.reduce((sum, width) => sum + width, 0) - room;
  while (excess > 0) {
    const widestAt = widths.indexOf(Math.max(...widths));
    const width = widths[widestAt] ?? 0;
    if (width <= NARROWEST) return;
    widths[widestAt] = width - 1;
    excess--;
  }
}

function line(row: readonly PlainCell[], widths: readonly number[]): string {
  const fitted = row.map(({ text, tone }, at) => {
    const width = widths[at] ?? 0;
    const shown = text.length > width ? `${text.slice(0, width - 1)}…` : text;
    const space = ' '.repeat(width - shown.length);
    const cell = tone === undefined ? shown : painted(tone, shown);
    return /^[\d,.]+$/.test(text) && row.length > 2 ? space + cell : cell + space;
  });
  return `${fitted.join(GAP).trimEnd()}\n`;
}
