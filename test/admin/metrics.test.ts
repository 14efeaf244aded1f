// The metrics page in both formats, read by a strict parser and by promtool.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { exposition, type Family, negotiateFormat } from '../../src/admin/exposition.ts';
import { type MetricsSnapshot, metricFamilies } from '../../src/admin/metrics.ts';

const BOUNDS = [0.1, 1, 60];

const NONE = { boundsSeconds: BOUNDS, buckets: [0, 0, 0, 0], sumSeconds: 0 };

const SNAPSHOT: MetricsSnapshot = {
  version: '1.2.3 "x"\\y',
  startSeconds: 1_760_000_000.5,
  requests: { success: 1_000_000_000_000, 'odd\nname': 0 },
  clients: [{ name: 'ci', requests: { success: 2, failure: 1 } }],
  rejected: 1,
  retries: 2,
  inFlight: 3,
  maxInFlight: 100,
  openStreams: 2,
  firstByte: { boundsSeconds: BOUNDS, buckets: [1, 2, 0, 4], sumSeconds: 300.25 },
  duration: NONE,
  queue: NONE,
  bytes: { received: 1, sent: 2 },
  groups: [
    {
      name: 'default',
      upstreams: [
        {
          name: 'https://api.openai.com',
          attempts: { success: 7, key_dead: 1 },
          available: true,
          consecutiveFailures: 0,
          suspect: false,
        },
        {
          name: 'http://[::1]:8080/v1',
          attempts: {},
          available: false,
          consecutiveFailures: 5,
          suspect: true,
        },
      ],
      keys: { healthy: 5, resting: 1, blacklisted: 2 },
      restingModels: 1,
      limitSkips: { concurrency: 0, rpd: 0, rpm: 3, tpm: 0 },
    },
  ],
  openLeases: 0,
  workers: [
    {
      worker: 0,
      heapUsedBytes: 1e7,
      heapTotalBytes: 2e7,
      externalBytes: 3e6,
      eventLoopDelay: { boundsSeconds: BOUNDS, buckets: [8, 0, 0, 1], sumSeconds: 61 },
    },
  ],
  logLinesDropped: 0,
  strayAnswers: 0,
  fleet: { instances: 3, connected: true, lag_ms: 12 },
  cpuSeconds: 1.25,
  residentBytes: 8e7,
};

interface Line {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Page {
  readonly types: Map<string, string>;
  readonly lines: Line[];
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const SAMPLE = new RegExp(
  `^(${NAME})(?:\\{(.*)\\})? (-?(?:\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?|Inf)|\\+Inf|NaN)$`,
);
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ['_total'],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
};

/** Accepts no more than the specifications: every line known, families whole and in one piece. */
function parse(page: string, open: boolean): Page {
  assert.ok(page.endsWith('\n'));
  const rest = page.slice(0, -1).split('\n');
  if (open) assert.equal(rest.pop(), '# EOF');
  const types = new Map<string, string>();
  const lines: Line[] = [];
  const seen = new Set<string>();
  let family = '';
  for (const line of rest) {
    const meta = /^# (HELP|TYPE|UNIT) (\S+) (.+)$/.exec(line);
    if (meta === null) {
      const sample = parseSample(line);
      const stem =
        types.get(family) === 'counter' && !open ? family.replace(/_total$/, '') : family;
      const allowed = SUFFIXES[types.get(family) ?? '']?.map((suffix) => stem + suffix);
      assert.ok(allowed?.includes(sample.name), `${sample.name} within ${family}`);
      assert.ok(!seen.has(line.replace(/ \S+$/, '')), `twice: ${line}`);
      seen.add(line.replace(/ \S+$/, ''));
      lines.push(sample);
      continue;
    }
    const [, what, name = '', text = ''] = meta;
    if (what === 'HELP') {
      assert.ok(!types.has(name), `${name} in two pieces`);
      family = name;
      types.set(name, '');
    }
    assert.equal(name, family);
    if (what === 'TYPE') {
      assert.ok(text in SUFFIXES);
      types.set(name, text);
      if (open) assert.ok(!name.endsWith('_total'));
    }
    if (what === 'UNIT') assert.ok(open && name.endsWith(`_${text}`), line);
  }
  return { types, lines };
}

function parseSample(line: string): Line {
  const match = SAMPLE.exec(line);
  assert.ok(match !== null, `not a sample: ${line}`);
  const labels: Record<string, string> = {};
  let rest = match[2] ?? '';
  while (rest !== '') {
    const pair = LABEL.exec(rest);
    assert.ok(pair !== null, `not labels: ${rest}`);
    const [whole, label = '', text = ''] = pair;
    assert.ok(!(label in labels));
    labels[label] = text.replace(/\\(.)/g, (_, after) => (after === 'n' ? '\n' : after));
    rest = rest.slice(whole.length);
  }
  const value = Number(match[3]?.replace('Inf', 'Infinity'));
  return { name: match[1] ?? '', labels, value };
}

function sampleOf(page: Page, name: string, labels: Readonly<Record<string, string>> = {}): number {
  const found = page.lines.filter(
    (line) =>
      line.name === name &&
      Object.entries(labels).every(([label, text]) => line.labels[label] === text),
  );
  assert.equal(found.length, 1, `${name} ${JSON.stringify(labels)}`);
  return found[0]?.value ?? Number.NaN;
}

for (const format of ['text', 'openmetrics'] as const) {
  test(`metrics in ${format} form follow the specification and carry the snapshot`, () => {
    const page = parse(exposition(metricFamilies(SNAPSHOT), format), format === 'openmetrics');
    const one = format === 'text' ? '1' : '1.0';
    assert.equal(sampleOf(page, 'gpt_load_requests_total', { outcome: 'success' }), 1e12);
    assert.equal(sampleOf(page, 'gpt_load_requests_total', { outcome: 'odd\nname' }), 0);
    assert.equal(sampleOf(page, 'gpt_load_build_info', { version: SNAPSHOT.version }), 1);
    const host = { upstream: 'https://api.openai.com' };
    assert.equal(sampleOf(page, 'gpt_load_attempts_total', { ...host, verdict: 'key_dead' }), 1);
    assert.equal(sampleOf(page, 'gpt_load_upstream_available', host), 1);
    assert.equal(sampleOf(page, 'gpt_load_time_to_first_byte_seconds_bucket', { le: one }), 3);
    assert.equal(sampleOf(page, 'gpt_load_time_to_first_byte_seconds_bucket', { le: '+Inf' }), 7);
    assert.equal(sampleOf(page, 'gpt_load_time_to_first_byte_seconds_count'), 7);
    assert.equal(sampleOf(page, 'gpt_load_time_to_first_byte_seconds_sum'), 300.25);
    assert.equal(sampleOf(page, 'gpt_load_client_sent_bytes_total'), 2);
    assert.equal(
      sampleOf(page, 'gpt_load_worker_event_loop_delay_seconds_count', { worker: '0' }),
      9,
    );
  });
}

test('metrics have one series per group and upstream and none per key', () => {
  const families = metricFamilies(SNAPSHOT);
  const labels = new Set(
    families.flatMap(({ samples }) => samples.flatMap((s) => Object.keys(s.labels))),
  );
  const allowed = [
    'area',
    'client',
    'group',
    'limit',
    'outcome',
    'state',
    'upstream',
    'verdict',
    'version',
    'worker',
  ];
  assert.deepEqual([...labels].sort(), allowed);
});

test('exposition leaves out a family without samples', () => {
  const empty: Family = { name: 'nothing', help: 'Nothing.', type: 'gauge', samples: [] };
  assert.equal(exposition([empty], 'text'), '\n');
  assert.equal(exposition([empty], 'openmetrics'), '# EOF\n');
});

test('metrics come as OpenMetrics to those who prefer it and as text to all others', () => {
  const prometheus =
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,' +
    'text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
  assert.equal(negotiateFormat(prometheus), 'openmetrics');
  assert.equal(negotiateFormat('application/openmetrics-text'), 'openmetrics');
  for (const accept of [
    undefined,
    '',
    '*/*',
    'text/html, */*;q=0.8',
    'application/openmetrics-text;version=0.0.1',
    'application/openmetrics-text;q=0',
    'application/openmetrics-text;q=0.2, text/plain',
    'application/openmetrics-text;q=x',
  ]) {
    assert.equal(negotiateFormat(accept), 'text', accept);
  }
});

test('promtool finds no fault in the metrics', (t) => {
  const input = exposition(metricFamilies(SNAPSHOT), 'text');
  const { error, status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input });
  if (error !== undefined) return t.skip('promtool (Debian: prometheus) is not installed');
  assert.equal(`${stdout}${stderr}`, '');
  assert.equal(status, 0);
});
