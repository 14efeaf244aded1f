// How a metric family is written down: its name with the prefix of all, its type and its unit.
// Which families there are is metrics.ts, how they are printed exposition.ts.

import type { Family, Labels, Sample } from './exposition.ts';

/** `buckets` has one count more than `boundsSeconds`: what was slower than the last bound. */
export interface Histogram {
  readonly boundsSeconds: readonly number[];
  readonly buckets: readonly number[];
  readonly sumSeconds: number;
}

/** A family whose samples are single numbers. */
export type Plain = Extract<Family, { type: 'counter' | 'gauge' }>;

/** A count that only goes up; `name` without the prefix of all. */
export function counter(name: string, help: string, samples: readonly Sample[]): Plain {
  return { name: `gpt_load_${name}`, help, type: 'counter', samples };
}

/** A number that goes up and down. */
export function gauge(name: string, help: string, samples: readonly Sample[]): Plain {
  return { name: `gpt_load_${name}`, help, type: 'gauge', samples };
}

/** The same family with its unit. */
export function inBytes(family: Plain): Plain {
  return { ...family, unit: 'bytes' };
}

/** How long things took, in seconds. */
export function histogram(
  name: string,
  help: string,
  series: readonly { readonly labels: Labels; readonly measured: Histogram }[],
): Family {
  const samples = series.map(({ labels, measured: { boundsSeconds, buckets, sumSeconds } }) => {
    return { labels, bounds: boundsSeconds, buckets, sum: sumSeconds };
  });
  return { name: `gpt_load_${name}`, help, unit: 'seconds', type: 'histogram', samples };
}

/** The one sample of a family without labels. */
export function one(value: number): Sample[] {
  return [{ labels: {}, value }];
}

/** A sample for each entry, labelled with its name. */
export function by(
  label: string,
  values: Readonly<Record<string, number>>,
  more: Labels = {},
): Sample[] {
  return Object.entries(values).map(([name, value]) => {
    return { labels: { ...more, [label]: name }, value };
  });
}
