// Rows of usage as the fleet's server keeps them: a field that names the row and a value with its
// sums. What stands there may have been written by another version, or by somebody else: it is
// read with care. When it is written is fleet-usage.ts.

import type { UsageAnswer, UsageSums } from '../../store/usage-question.ts';

const SUMS = 8;
/** Of names; those of models are shorter. */
const MAX_NAME_LENGTH = 256;

/** The sums of a row. */
export function sumsOf(sums: UsageSums): string {
  const { requests, failed, unknown, input, cached, cacheWrite, output, reasoning } = sums;
  return [requests, failed, unknown, input, cached, cacheWrite, output, reasoning].join(',');
}

/** The row of a field, which is its name (`rowName`), and of its value; undefined: it is none. */
export function rowOf(field: string, value: string): UsageAnswer | undefined {
  let names: unknown;
  try {
    names = JSON.parse(field);
  } catch {
    return undefined;
  }
  if (!Array.isArray(names) || names.length !== 5) return undefined;
  const [hour, ...rest] = names as unknown[];
  if (!Number.isSafeInteger(hour) || !rest.every(isName)) return undefined;
  const [client = '', group = '', model = '', key = ''] = rest as string[];
  const words = value.split(',');
  if (words.length !== SUMS || !words.every((word) => /^\d{1,15}$/.test(word))) return undefined;
  const [requests = 0, failed = 0, unknown = 0, input = 0, ...more] = words.map(Number);
  const [cached = 0, cacheWrite = 0, output = 0, reasoning = 0] = more;
  const tokens = { input, cached, cacheWrite, output, reasoning };
  return { hour: hour as number, client, group, model, key, requests, failed, unknown, ...tokens };
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && value.length <= MAX_NAME_LENGTH;
}
