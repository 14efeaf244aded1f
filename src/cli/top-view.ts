// What `gpt-load top` shows: turns one answer per second into one screen. Keeps the window from
// which rates and latencies are computed; polling and drawing are in top.ts.

import type { JsonObject } from './client-views.ts';
import { type Cell, counted, grouped, heads, painted, span, table, toned } from './table.ts';
import { requestsView } from './trail-views.ts';

/** Latencies are those of requests that ended in so many last seconds. */
const WINDOW_MS = 10_000;
/** Of these requests, so many at most: the last of them. */
const MAX_WINDOW = 5_000;
/** Errors that are kept; the screen shows as many of them as it has room for. */
const MAX_ERRORS = 50;
/** Seconds of the little chart. */
const CHART_SECONDS = 40;
const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;
/** Errors that a screen without a height shows. */
const USUAL_ERRORS = 10;

/** What was asked at one moment. */
export interface Sample {
  readonly atMs: number;
  readonly stats: JsonObject;
  /** Requests that ended since the sample before, newest first. */
  readonly ended: readonly JsonObject[];
}

interface Room {
  readonly columns: number | undefined;
  readonly lines: number | undefined;
}

interface Ended {
  readonly atMs: number;
  readonly totalMs: number;
  readonly firstByteMs: number | undefined;
}

/** The numbers of one instance as they go on. */
export class TopView {
  readonly #place: string;
  #last: Sample | undefined;
  #before: Sample | undefined;
  #window: Ended[] = [];
  #errors: JsonObject[] = [];
  #rates: number[] = [];
  /** Why there is no newer sample; '' when there is. */
  #trouble = '';

  /** @param place where the instance is asked, for the first line */
  constructor(place: string) {
    this.#place = place;
  }

  /** Takes what was asked. A count that has fallen is an instance that was started anew. */
  add(sample: Sample): void {
    this.#trouble = '';
    const isSame = this.#last !== undefined && totalOf(sample.stats) >= totalOf(this.#last.stats);
    this.#before = isSame ? this.#last : undefined;
    this.#last = sample;
    for (const { total_ms, first_byte_ms } of sample.ended) {
      const firstByteMs = typeof first_byte_ms === 'number' ? first_byte_ms : undefined;
      this.#window.push({ atMs: sample.atMs, totalMs: Number(total_ms), firstByteMs });
    }
    const oldestMs = sample.atMs - WINDOW_MS;
    this.#window = this.#window.filter(({ atMs }) => atMs > oldestMs).slice(-MAX_WINDOW);
    const failed = sample.ended.filter(isFailed);
    this.#errors = [...failed, ...this.#errors].slice(0, MAX_ERRORS);
    if (this.#before !== undefined) {
      this.#rates = [...this.#rates, this.#rate(totalOf)].slice(-CHART_SECONDS);
    }
  }

  /** It could not be asked. */
  miss(trouble: string): void {
    this.#trouble = trouble;
  }

  /** The screen as lines. */
  text(room: Room): string {
    const { columns, lines } = room;
    if (this.#last === undefined) return `${this.#trouble}\n`;
    const { stats } = this.#last;
    const above = [
      this.#title(stats),
      this.#requests(stats),
      this.#latency(),
      keysLine(stats),
      '\n',
      this.#groups(stats, columns),
      '\n',
    ].join('');
    const left = lines === undefined ? USUAL_ERRORS : lines - above.split('\n').length - 1;
    return above + this.#lastErrors(left, columns);
  }

  #title(stats: JsonObject): string {
    const { version, uptime, workers } = objectOf(stats.system);
    const { rss_mb } = objectOf(stats.memory);
    const facts = [
      `up ${span(Number(uptime) * 1000)}`,
      counted(Number(workers), 'worker'),
      `${Math.round(Number(rss_mb))} MiB`,
    ];
    const name = painted('head', `gpt-load ${plain(version)}`);
    const trouble = this.#trouble === '' ? '' : `\n${painted('bad', plain(this.#trouble))}`;
    return `${name} at ${plain(this.#place)}, ${facts.join(', ')}${trouble}\n`;
  }

  #requests(stats: JsonObject): string {
    const requests = objectOf(stats.requests);
    const rate = this.#rate(totalOf);
    const failing = this.#rate((of) => Number(objectOf(of.requests).failure_count));
    const most = Math.max(1, ...this.#rates);
    const chart = this.#rates.map((each) => {
      return BARS[Math.min(BARS.length - 1, Math.floor((each / most) * BARS.length))];
    });
    const failed = `${perSecond(failing)} failed`;
    return (
      `requests  ${perSecond(rate)}, ${failing > 0 ? painted('bad', failed) : failed}, ` +
      `${grouped(Number(requests.in_flight))} in flight, ` +
      `${grouped(totalOf(stats))} in total  ${chart.join('')}\n`
    );
  }

  #latency(): string {
    const totals = this.#window.map(({ totalMs }) => totalMs);
    const firsts = this.#window.flatMap(({ firstByteMs }) => firstByteMs ?? []);
    if (totals.length === 0) return 'latency   no request finished in the last 10 s\n';
    const first = firsts.length === 0 ? '' : `first byte ${quantiles(firsts)}; `;
    return `latency   ${first}total ${quantiles(totals)} (last 10 s)\n`;
  }

  #groups(stats: JsonObject, columns: number | undefined): string {
    const before = new Map(listOf(this.#before?.stats.groups).map((group) => [group.name, group]));
    const rows = listOf(stats.groups).map((group): Cell[] => {
      const keys = objectOf(group.keys);
      const tries = objectOf(group.attempts);
      const old = objectOf(before.get(group.name)?.attempts);
      const since = (name: string) => {
        const count = Number(tries[name] ?? 0) - Number(old[name] ?? 0);
        return this.#before === undefined ? 0 : this.#perSecond(count);
      };
      const failing = Object.keys(tries).filter((name) => name !== 'success');
      const rates = failing
        .filter((name) => since(name) > 0)
        .map((name) => `${name} ${perSecond(since(name))}`);
      return [
        plain(group.name),
        `${plain(keys.healthy)} of ${plain(keys.total)}`,
        toned(Number(keys.resting) > 0 ? 'wait' : undefined, plain(keys.resting)),
        toned(Number(keys.blacklisted) > 0 ? 'bad' : undefined, plain(keys.blacklisted)),
        perSecond(since('success')),
        toned('wait', rates.join(', ') || '-'),
      ];
    });
    const head = heads(['GROUP', 'HEALTHY', 'RESTING', 'BLACKLISTED', 'SUCCEEDING', 'FAILING']);
    return table([head, ...rows], columns);
  }

  #lastErrors(room: number, columns: number | undefined): string {
    const shown = this.#errors.slice(0, Math.max(0, room - 1));
    if (shown.length === 0) return `${painted('dim', 'no failed requests so far')}\n`;
    return requestsView({ requests: shown }, columns);
  }

  #rate(count: (stats: JsonObject) => number): number {
    if (this.#last === undefined || this.#before === undefined) return 0;
    return this.#perSecond(count(this.#last.stats) - count(this.#before.stats));
  }

  #perSecond(count: number): number {
    const passedMs = (this.#last?.atMs ?? 0) - (this.#before?.atMs ?? 0);
    return Math.max(0, (count * 1000) / Math.max(1, passedMs));
  }
}

function keysLine({ keys }: JsonObject): string {
  const { total, healthy, resting, blacklisted } = objectOf(keys);
  const told = [
    painted('good', `${plain(healthy)} of ${plain(total)} healthy`),
    ...(Number(resting) > 0 ? [painted('wait', `${plain(resting)} resting`)] : []),
    ...(Number(blacklisted) > 0 ? [painted('bad', `${plain(blacklisted)} blacklisted`)] : []),
  ];
  return `keys      ${told.join(', ')}\n`;
}

/** Left early (status 0), refused or failed. */
function isFailed({ status }: JsonObject): boolean {
  return Number(status) === 0 || Number(status) >= 400;
}

function quantiles(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => {
    const ms = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
    return ms < 10_000 ? `${grouped(Math.round(ms))} ms` : span(ms);
  };
  return `p50 ${at(0.5)}, p95 ${at(0.95)}`;
}

function perSecond(rate: number): string {
  return `${rate < 10 ? rate.toFixed(1) : grouped(Math.round(rate))}/s`;
}

function totalOf({ requests }: JsonObject): number {
  return Number(objectOf(requests).total_count) || 0;
}

/** A value from the instance, in which nothing moves the cursor. */
function plain(value: unknown): string {
  if (typeof value === 'number') return grouped(value);
  return String(value ?? '-').replace(/\p{Cc}|\p{Cf}/gu, '?');
}

function objectOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null ? (value as JsonObject) : {};
}

function listOf(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}
