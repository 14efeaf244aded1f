// Findings as people read them: a table with the ratios in front. Decides nothing about them but
// whether a limit is kept.

import type { Finding } from './bench.ts';

/** Whether the subject keeps its limit; undefined without one. */
export function keepsLimit(finding: Finding, subject: string): boolean | undefined {
  const { limit, ratio, ratioOf, values } = finding;
  if (limit === undefined) return undefined;
  // A limit on a ratio says nothing where there was nothing to compare with.
  const value = ratioOf === undefined ? values[subject] : ratio;
  return value === undefined ? undefined : value <= limit;
}

export function table(findings: readonly Finding[], subject: string): string {
  const rows = findings.map((finding) => {
    const { measure, unit, values, ratio, ratioOf, limit } = finding;
    const kept = keepsLimit(finding, subject);
    return [
      measure,
      ratio === undefined ? '' : `${ratio.toFixed(2)}x`,
      ratioOf ?? '',
      limit === undefined ? '' : `<= ${limit}${ratioOf === undefined ? ` ${unit}` : 'x'}`,
      kept === undefined ? '' : kept ? 'yes' : 'NO',
      Object.entries(values)
        .map(([name, value]) => `${name} ${rounded(value)}`)
        .join(', '),
      unit,
    ];
  });
  return columns([['measure', 'ratio', 'of', 'limit', 'kept', 'values', 'unit'], ...rows]);
}

function rounded(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  const line = (row: readonly string[]) =>
    row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}
