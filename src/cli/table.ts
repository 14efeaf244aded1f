// Aligned columns for people. Columns are cut where a terminal is too narrow; a pipe gets
// everything. What stands in the cells is up to the caller, control characters excepted.

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
export function table(rows: readonly (readonly string[])[], columns: number | undefined): string {
  const cells = rows.map((row) => row.map((cell) => cell.replace(CONTROL, '?')));
  const count = Math.max(0, ...cells.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, at) => widest(cells, at));
  if (columns !== undefined) shrink(widths, columns - GAP.length * (count - 1));
  return cells.map((row) => line(row, widths)).join('');
}

/** One fact per line: `name   value`. */
export function facts(pairs: readonly (readonly [string, string])[], columns?: number): string {
  return table(pairs, columns);
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
 * seconds.
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
  if (first === -1) return '0 s';
  const parts = units.slice(first, first + 2).map(([unit, size], at) => {
    const over = at === 0 ? seconds : seconds % (units[first]?.[1] ?? 1);
    return [Math.floor(over / size), unit] as const;
  });
  return parts
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(' ');
}

function widest(cells: readonly (readonly string[])[], at: number): number {
  return cells.reduce((width, row) => Math.max(width, (row[at] ?? '').length), 0);
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

function line(row: readonly string[], widths: readonly number[]): string {
  const fitted = row.map((cell, at) => {
    const width = widths[at] ?? 0;
    if (cell.length > width) return `${cell.slice(0, width - 1)}…`;
    return /^[\d,.]+$/.test(cell) && row.length > 2 ? cell.padStart(width) : cell.padEnd(width);
  });
  return `${fitted.join(GAP).trimEnd()}\n`;
}
