// How `gpt-load usage` shows what was used: a table with totals for people, JSON or CSV for
// programs. The question is asked by client.ts.

import { grouped, heads, printable, table } from './table.ts';

type JsonObject = { readonly [name: string]: unknown };

export interface UsageOptions {
  readonly by: string | undefined;
  readonly groupBy: string | undefined;
  readonly since: string | undefined;
  readonly instance: string | undefined;
  readonly csv: boolean;
}

/** The query that asks for it. */
export function usageQuery({ by, groupBy, since, instance, csv }: UsageOptions): string {
  const query = new URLSearchParams();
  if (by !== undefined) query.set('by', by);
  if (groupBy !== undefined) query.set('group_by', groupBy);
  if (since !== undefined) query.set('from', since);
  if (instance !== undefined) query.set('instance', instance);
  if (csv) query.set('format', 'csv');
  return query.toString();
}

const NUMBERS = [
  ['requests', 'REQUESTS'],
  ['failed', 'FAILED'],
  ['unknown', 'UNKNOWN'],
  ['input_tokens', 'INPUT'],
  ['cached_tokens', 'CACHED'],
  ['output_tokens', 'OUTPUT'],
] as const;
const DIMENSIONS = ['client', 'group', 'model', 'key'] as const;

export function usageView(answer: JsonObject, columns: number | undefined): string {
  const rows = (Array.isArray(answer.rows) ? answer.rows : []) as readonly JsonObject[];
  const scope = scopeOf(answer);
  if (rows.length === 0) return `no usage in this period\n${scope}`;
  // What is empty in every row, the only client say, is not worth a column.
  const shown = DIMENSIONS.filter((name) => rows.some((row) => (row[name] ?? '') !== ''));
  const hasCost = rows.some((row) => 'cost_usd' in row);
  const isByDay = answer.by === 'day';
  const head = [isByDay ? 'DAY' : 'HOUR (UTC)', ...shown.map((name) => name.toUpperCase())];
  for (const [, title] of NUMBERS) head.push(title);
  if (hasCost) head.push('COST USD');
  const lines = rows.map((row) => {
    const start = String(row.start);
    const time = isByDay ? start.slice(0, 10) : start.replace('T', ' ').replace('Z', '');
    const names = shown.map((name) => String(row[name] ?? '') || '-');
    return [time, ...names, ...numbersOf(row, hasCost)];
  });
  const total: Record<string, number> = {};
  for (const row of rows) {
    for (const [name] of NUMBERS) total[name] = (total[name] ?? 0) + Number(row[name] ?? 0);
    total.cost_usd = (total.cost_usd ?? 0) + Number(row.cost_usd ?? 0);
  }
  lines.push(['total', ...shown.map(() => ''), ...numbersOf(total, hasCost)]);
  const isPartial = rows.some((row) => row.cost_incomplete === true);
  const note = isPartial ? 'some models have no price; their cost is not included\n' : '';
  return `${table([heads(head), ...lines], columns)}${note}${scope}`;
}

/** Whose usage that is, where there is a fleet. */
function scopeOf({ fleet, instances }: JsonObject): string {
  const names = Array.isArray(instances) ? instances.map((name) => printable(String(name))) : [];
  if (fleet === 'away')
    return `fleet unavailable; this is the usage of ${names.join(', ')} alone\n`;
  if (fleet === undefined) return '';
  return names.length === 1
    ? `usage of ${names[0]}\n`
    : `usage of ${names.length} instances: ${names.join(', ')}\n`;
}

function numbersOf(row: JsonObject, hasCost: boolean): string[] {
  const numbers = NUMBERS.map(([name]) => grouped(Number(row[name] ?? 0)));
  if (!hasCost) return numbers;
  const cost = Number(row.cost_usd ?? 0).toFixed(4);
  return [...numbers, row.cost_incomplete === true ? `${cost}+` : cost];
}
