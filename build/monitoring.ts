// Writes what Grafana and Prometheus are given: deploy/grafana-dashboard.json and
// deploy/alerts.yml, made from the metrics that src/admin/ answers with: a name that is not among
// them is refused. `--check` writes nothing and fails when something differs.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { metricNames } from '../src/admin/metric-names.ts';

const ROOT = join(import.meta.dirname, '..');
const DASHBOARD = 'deploy/grafana-dashboard.json';
const RULES = 'deploy/alerts.yml';

interface Panel {
  readonly title: string;
  readonly unit: string;
  /** PromQL by legend; `$g` is the selector of the groups that are looked at. */
  readonly queries: Readonly<Record<string, string>>;
  readonly kind?: 'stat' | 'timeseries';
  readonly stacked?: boolean;
}

const QUANTILE = (q: number, name: string) =>
  `histogram_quantile(${q}, sum by (le) (rate(${name}_bucket{instance=~"$instance"}[$__rate_interval])))`;
const i = 'instance=~"$instance"';
const g = `${i},group=~"$group"`;
const rate = (selector: string) => `rate(${selector}[$__rate_interval])`;

const PANELS: readonly Panel[] = [
  {
    title: 'Healthy keys',
    unit: 'short',
    kind: 'stat',
    queries: { '{{group}}': `sum by (group) (gpt_load_keys{${g},state="healthy"})` },
  },
  {
    title: 'Blacklisted keys',
    unit: 'short',
    kind: 'stat',
    queries: { '{{group}}': `sum by (group) (gpt_load_keys{${g},state="blacklisted"})` },
  },
  {
    title: 'Requests in flight',
    unit: 'short',
    kind: 'stat',
    queries: { 'in flight': `sum(gpt_load_requests_in_flight{${i}})` },
  },
  {
    title: 'Upstreams out of rotation',
    unit: 'short',
    kind: 'stat',
    queries: { out: `sum(gpt_load_upstream_available{${g}} == bool 0)` },
  },
  {
    title: 'Requests',
    unit: 'reqps',
    stacked: true,
    queries: { '{{outcome}}': `sum by (outcome) (${rate(`gpt_load_requests_total{${i}}`)})` },
  },
  {
    title: 'Time to first byte',
    unit: 's',
    queries: {
      p50: QUANTILE(0.5, 'gpt_load_time_to_first_byte_seconds'),
      p95: QUANTILE(0.95, 'gpt_load_time_to_first_byte_seconds'),
      p99: QUANTILE(0.99, 'gpt_load_time_to_first_byte_seconds'),
    },
  },
  {
    title: 'Attempts by verdict',
    unit: 'ops',
    stacked: true,
    queries: { '{{verdict}}': `sum by (verdict) (${rate(`gpt_load_attempts_total{${g}}`)})` },
  },
  {
    title: 'Attempts by upstream',
    unit: 'ops',
    stacked: true,
    queries: { '{{upstream}}': `sum by (upstream) (${rate(`gpt_load_attempts_total{${g}}`)})` },
  },
  {
    title: 'Keys by state',
    unit: 'short',
    stacked: true,
    queries: { '{{state}}': `sum by (state) (gpt_load_keys{${g}})` },
  },
  {
    title: 'Tokens',
    unit: 'short',
    stacked: true,
    queries: { '{{kind}}': `sum by (kind) (${rate(`gpt_load_tokens_total{${g}}`)})` },
  },
  {
    title: 'Tokens by model',
    unit: 'short',
    stacked: true,
    queries: { '{{model}}': `topk(10, sum by (model) (${rate(`gpt_load_tokens_total{${g}}`)}))` },
  },
  {
    title: 'Keys skipped at a limit',
    unit: 'ops',
    queries: { '{{limit}}': `sum by (limit) (${rate(`gpt_load_key_limit_skips_total{${g}}`)})` },
  },
  {
    title: 'Queueing time',
    unit: 's',
    queries: {
      p50: QUANTILE(0.5, 'gpt_load_queue_wait_seconds'),
      p95: QUANTILE(0.95, 'gpt_load_queue_wait_seconds'),
    },
  },
  {
    title: 'CPU and memory',
    unit: 'short',
    queries: {
      'cores, {{instance}}': rate(`process_cpu_seconds_total{${i}}`),
      'GB, {{instance}}': `process_resident_memory_bytes{${i}} / 1e9`,
    },
  },
];

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly forText: string;
  readonly severity: 'critical' | 'warning';
  readonly summary: string;
}

const ALERTS: readonly Rule[] = [
  {
    alert: 'GptLoadDown',
    expr: 'up{job="gpt-load"} == 0',
    forText: '1m',
    severity: 'critical',
    summary: 'gpt-load at {{ $labels.instance }} does not answer.',
  },
  {
    alert: 'GptLoadNoUsableKey',
    expr: 'sum by (instance, group) (gpt_load_keys{state="healthy"}) == 0',
    forText: '1m',
    severity: 'critical',
    summary: 'Group {{ $labels.group }} at {{ $labels.instance }} has no usable key.',
  },
  {
    alert: 'GptLoadFewKeys',
    expr: 'sum by (instance, group) (gpt_load_keys{state="healthy"}) / sum by (instance, group) (gpt_load_keys) < 0.5',
    forText: '10m',
    severity: 'warning',
    summary: 'Less than half of the keys of group {{ $labels.group }} are healthy.',
  },
  {
    alert: 'GptLoadUpstreamOut',
    expr: 'gpt_load_upstream_available == 0',
    forText: '2m',
    severity: 'warning',
    summary: 'Upstream {{ $labels.upstream }} of group {{ $labels.group }} is out of rotation.',
  },
  {
    alert: 'GptLoadUpstreamSuspect',
    expr: 'gpt_load_upstream_suspect == 1',
    forText: '2m',
    severity: 'critical',
    summary: 'Every key was rejected at {{ $labels.upstream }}: suspect the route, not the keys.',
  },
  {
    alert: 'GptLoadFleetAway',
    expr: 'gpt_load_fleet_connected == 0',
    forText: '5m',
    severity: 'warning',
    summary:
      'gpt-load at {{ $labels.instance }} has been disconnected from its fleet for 5 minutes.',
  },
  {
    alert: 'GptLoadManyFailures',
    expr: 'sum by (instance) (rate(gpt_load_requests_total{outcome="failure"}[5m])) / sum by (instance) (rate(gpt_load_requests_total[5m])) > 0.1',
    forText: '5m',
    severity: 'warning',
    summary: 'More than a tenth of the requests at {{ $labels.instance }} fail.',
  },
  {
    alert: 'GptLoadAtItsLimit',
    expr: 'rate(gpt_load_requests_rejected_total[5m]) > 0',
    forText: '5m',
    severity: 'warning',
    summary:
      'gpt-load at {{ $labels.instance }} rejects requests: MAX_CONCURRENT_REQUESTS is reached.',
  },
];

/** Grafana's own form (grafana.com/docs/grafana/latest/dashboards/json-model). */
export function dashboard(): string {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own placeholder.
  const datasource = { type: 'prometheus', uid: '${datasource}' };
  const panels = PANELS.map((panel, at) => grafanaPanel(panel, at, datasource));
  const variable = (name: string, query: string) => ({
    name,
    type: 'query',
    datasource,
    query,
    refresh: 2,
    includeAll: true,
    multi: true,
    current: { text: 'All', value: '$__all' },
  });
  const value = {
    title: 'gpt-load',
    uid: 'gpt-load',
    tags: ['gpt-load'],
    schemaVersion: 39,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    templating: {
      list: [
        { name: 'datasource', type: 'datasource', query: 'prometheus' },
        variable('instance', 'label_values(gpt_load_build_info, instance)'),
        variable('group', 'label_values(gpt_load_keys, group)'),
      ],
    },
    panels,
  };
  return `${JSON.stringify(value, null, 2)}\n`;
}

function grafanaPanel(panel: Panel, at: number, datasource: object): object {
  const { title, unit, queries, kind = 'timeseries', stacked = false } = panel;
  const isStat = kind === 'stat';
  const stats = PANELS.filter((one) => one.kind === 'stat').length;
  const gridPos = isStat
    ? { h: 4, w: 6, x: (at % 4) * 6, y: 0 }
    : { h: 8, w: 12, x: ((at - stats) % 2) * 12, y: 4 + Math.floor((at - stats) / 2) * 8 };
  const custom = stacked ? { stacking: { mode: 'normal' }, fillOpacity: 20 } : { fillOpacity: 5 };
  return {
    id: at + 1,
    title,
    type: kind,
    datasource,
    gridPos,
    fieldConfig: { defaults: { unit, min: 0, ...(isStat ? {} : { custom }) }, overrides: [] },
    targets: Object.entries(queries).map(([legendFormat, expr], target) => {
      return { refId: String.fromCharCode(65 + target), datasource, expr, legendFormat };
    }),
  };
}

/** Prometheus' own form (prometheus.io/docs/prometheus/latest/configuration/alerting_rules). */
export function alertRules(): string {
  const rules = ALERTS.map(({ alert, expr, forText, severity, summary }) => {
    return [
      `      - alert: ${alert}`,
      `        expr: ${JSON.stringify(expr)}`,
      `        for: ${forText}`,
      '        labels:',
      `          severity: ${severity}`,
      '        annotations:',
      `          summary: ${JSON.stringify(summary)}`,
    ].join('\n');
  });
  const head = '# Written by `make monitoring`; the scrape job must be named gpt-load.';
  return `${head}\ngroups:\n  - name: gpt-load\n    rules:\n${rules.join('\n')}\n`;
}

/** Names in queries that no metric has. */
export function unknownNames(): string[] {
  const known = new Set([...metricNames(), 'up']);
  const queries = [
    ...PANELS.flatMap(({ queries }) => Object.values(queries)),
    ...ALERTS.map((a) => a.expr),
  ];
  const used = queries.flatMap((query) => query.match(/\b(?:gpt_load|process)_[a-z_]+\b/g) ?? []);
  return [...new Set(used)].filter((name) => !known.has(name));
}

function write(isCheck: boolean): boolean {
  const unknown = unknownNames();
  if (unknown.length > 0) throw new Error(`no such metric: ${unknown.join(', ')}`);
  let isSame = true;
  for (const [file, text] of [
    [DASHBOARD, dashboard()],
    [RULES, alertRules()],
  ] as const) {
    const path = join(ROOT, file);
    if (!isCheck) writeFileSync(path, text);
    else if (readFileSync(path, 'utf8') !== text) {
      isSame = false;
      console.error(`${file} differs from the metrics; run \`make monitoring\``);
    }
  }
  return isSame;
}

if (import.meta.main) process.exitCode = write(process.argv.includes('--check')) ? 0 : 1;
