// Metric families as text: Prometheus' exposition format 0.0.4 and OpenMetrics 1.0, whichever is
// asked for. Syntax only: names, escaping, order, number forms. What is measured is
// metrics.ts.
// https://prometheus.io/docs/instrumenting/exposition_formats/ and
// https://prometheus.io/docs/specs/om/open_metrics_spec/

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/**
 * Observations: `buckets` are counts up to and including each bound, not cumulative; the last one
 * is +Inf.
 */
export interface Distribution {
  readonly labels: Labels;
  readonly bounds: readonly number[];
  readonly buckets: readonly number[];
  readonly sum: number;
}

interface Described {
  /** Without `_total`: that belongs to a counter's samples. */
  readonly name: string;
  readonly help: string;
  /** Base unit, also the end of the name; undefined for plain counts. */
  readonly unit?: 'seconds' | 'bytes';
}

export type Family =
  | (Described & { readonly type: 'counter' | 'gauge'; readonly samples: readonly Sample[] })
  | (Described & { readonly type: 'histogram'; readonly samples: readonly Distribution[] });

export type ExpositionFormat = 'text' | 'openmetrics';

export const CONTENT_TYPE: Readonly<Record<ExpositionFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/**
 * OpenMetrics for those who ask for it at least as much as for plain text; plain text for everybody
 * else.
 */
export function negotiateFormat(accept: string | undefined): ExpositionFormat {
  let open = 0;
  let text = 0;
  for (const range of (accept ?? '').toLowerCase().split(',')) {
    const [type, ...parameters] = range.split(';').map((part) => part.trim());
    const parameter = (name: string) =>
      parameters.find((text) => text.startsWith(`${name}=`))?.slice(name.length + 1);
    const weight = Number(parameter('q') ?? 1);
    if (type === 'text/plain') text = Math.max(text, weight);
    const version = parameter('version') ?? '1.0.0';
    if (type === 'application/openmetrics-text' && version === '1.0.0')
      open = Math.max(open, weight);
  }
  return open > 0 && open >= text ? 'openmetrics' : 'text';
}

/** The whole page. Families without samples are left out. */
export function exposition(families: readonly Family[], format: ExpositionFormat): string {
  const lines: string[] = [];
  for (const family of families) {
    if (family.samples.length > 0) addFamily(lines, family, format);
  }
  if (format === 'openmetrics') lines.push('# EOF');
  return `${lines.join('\n')}\n`;
}

function addFamily(lines: string[], family: Family, format: ExpositionFormat): void {
  const { name, type, unit } = family;
  const open = format === 'openmetrics';
  // In the older format the metadata of a counter carries the name of its samples.
  const described = type === 'counter' && !open ? `${name}_total` : name;
  lines.push(`# HELP ${described} ${escaped(family.help, open)}`, `# TYPE ${described} ${type}`);
  if (open && unit !== undefined) lines.push(`# UNIT ${name} ${unit}`);
  switch (family.type) {
    case 'counter':
      for (const { labels, value } of family.samples) add(lines, `${name}_total`, labels, value);
      break;
    case 'gauge':
      for (const { labels, value } of family.samples) add(lines, name, labels, value);
      break;
    case 'histogram':
      for (const sample of family.samples) addHistogram(lines, name, sample, open);
      break;
  }
}

function addHistogram(lines: string[], name: string, sample: Distribution, open: boolean): void {
  let count = 0;
  for (const [index, amount] of sample.buckets.entries()) {
    count += amount;
    const le = threshold(sample.bounds[index] ?? Number.POSITIVE_INFINITY, open);
    add(lines, `${name}_bucket`, { ...sample.labels, le }, count);
  }
  add(lines, `${name}_sum`, sample.labels, sample.sum);
  add(lines, `${name}_count`, sample.labels, count);
}

function add(lines: string[], name: string, labels: Labels, value: number): void {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text, true)}"`);
  lines.push(`${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${number(value)}`);
}

/** OpenMetrics wants floats that look like floats in `le`: 1.0, not 1. */
function threshold(value: number, open: boolean): string {
  const text = number(value);
  return open && /^-?\d+$/.test(text) ? `${text}.0` : text;
}

function number(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

function escaped(text: string, quotes: boolean): string {
  const safe = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
  return quotes ? safe.replaceAll('"', '\\"') : safe;
}
