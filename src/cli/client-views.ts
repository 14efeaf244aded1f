// How the answers of /health, /stats, /blacklist, /fleet and /reset-keys look to a person. Layout
// and wording, nothing else. Fields that it does not know are shown too: the instance may be newer
// than this command.

import { REASONS, type Reason, reasonText } from '../policy/reason.ts';
import { type Cell, facts, grouped, heads, painted, span, table, toned } from './table.ts';
import { usageView } from './usage-view.ts';

/** The commands, each named for its endpoint. */
export type ClientCommand = 'health' | 'stats' | 'blacklist' | 'fleet' | 'reset-keys' | 'usage';

/** What an endpoint answered, of whichever version. */
export type JsonObject = { readonly [name: string]: unknown };

/** Rows of one list; the rest is counted, and `--json` has what the instance sent. */
const MAX_LISTED = 1_000;

/** The answer as text for a terminal of `columns`, or for a pipe (undefined: nothing is cut). */
export function viewOf(
  command: ClientCommand,
  answer: JsonObject,
  nowMs: number,
  columns: number | undefined,
): string {
  switch (command) {
    case 'health':
      return healthView(answer, columns);
    case 'stats':
      return statsView(answer, columns);
    case 'blacklist':
      return blacklistView(answer, nowMs, columns);
    case 'usage':
      return usageView(answer, columns);
    case 'fleet':
      return fleetView(answer, columns);
    case 'reset-keys':
      return facts([
        ['message', words(answer.message)],
        ['healthy keys', outOf(answer.healthy_keys, answer.total_keys)],
      ]);
  }
}

function healthView(answer: JsonObject, columns: number | undefined): string {
  const { status, healthy_keys, total_keys, uptime, timestamp: _, groups, ...more } = answer;
  const list = objects(groups);
  const rows = list.map((group) => [
    words(group.name),
    statusCell(group.status),
    outOf(group.healthy_keys, group.total_keys),
  ]);
  // One group says nothing that the lines above do not.
  const groupTable =
    list.length < 2 ? '' : `\n${table([heads(['GROUP', 'STATUS', 'KEYS']), ...rows], columns)}`;
  const lines = facts(
    [
      ['status', statusCell(status)],
      ['healthy keys', outOf(healthy_keys, total_keys)],
      ['uptime', typeof uptime === 'number' ? span(uptime * 1000) : words(uptime)],
      ...pairs(more),
    ],
    columns,
  );
  return lines + groupTable;
}

function statusCell(status: unknown): Cell {
  return toned(status === 'healthy' ? 'good' : 'bad', words(status));
}

/** A count that is worth a look when it is not 0. */
function countCell(tone: 'good' | 'wait' | 'bad', count: unknown): Cell {
  return toned(Number(count) > 0 ? tone : undefined, words(count));
}

function section(name: string, body: string): string {
  return `${painted('head', name)}\n${body.replace(/^(?=.)/gm, '  ')}`;
}

function statsView(answer: JsonObject, columns: number | undefined): string {
  const sections: string[] = [];
  for (const [name, value] of Object.entries(answer)) {
    if (name === 'timestamp') continue;
    if (name === 'limited_keys') {
      sections.push(limitedView(objects(value), columns));
      continue;
    }
    if (name === 'groups') {
      if (objects(value).length > 0) sections.push(groupsView(objects(value), columns));
      continue;
    }
    const body = Array.isArray(value)
      ? listView(value.filter(isObject), columns)
      : facts(pairs(isObject(value) ? value : { value }), columns && columns - 2);
    sections.push(section(title(name), body));
  }
  return sections.join('\n');
}

function groupsView(groups: readonly JsonObject[], columns: number | undefined): string {
  const rows = groups.map(({ name, keys, attempts, models }) => {
    const counts: JsonObject = isObject(keys) ? keys : {};
    const tried: JsonObject = isObject(attempts) ? attempts : {};
    const sum = Object.values(tried).reduce((all: number, one) => all + Number(one), 0);
    return [
      words(name),
      outOf(counts.healthy, counts.total),
      countCell('wait', counts.resting),
      countCell('bad', counts.blacklisted),
      grouped(sum),
      grouped(Number(tried.success ?? 0)),
      Array.isArray(models) ? models.join(' ') : '-',
    ];
  });
  const head = ['GROUP', 'HEALTHY', 'RESTING', 'BLACKLISTED', 'ATTEMPTS', 'SUCCEEDED', 'MODELS'];
  return section('groups', table([heads(head), ...rows], columns && columns - 2));
}

/** What keys may be asked, and how much of that is used. */
function limitedView(keys: readonly JsonObject[], columns: number | undefined): string {
  const rows = keys.slice(0, MAX_LISTED).map((key) => {
    const limits = isObject(key.limits) ? key.limits : {};
    const used = Object.entries(limits).map(([name, value]) => {
      const { used, limit } = isObject(value) ? value : {};
      return `${name} ${outOf(used, limit)}`;
    });
    const isPlain = key.weight === 1 && key.tier === 1;
    const turn = isPlain ? '-' : `weight ${words(key.weight)}, tier ${words(key.tier)}`;
    const name = key.name === undefined ? '-' : words(key.name);
    return [words(key.preview), name, turn, used.join(', ') || '-'];
  });
  const head = heads(['KEY', 'NAME', 'ROTATION', 'USED']);
  return section('keys with limits', table([head, ...rows], columns && columns - 2));
}

function blacklistView(answer: JsonObject, nowMs: number, columns: number | undefined): string {
  const dead = objects(answer.blacklisted_keys);
  const resting = objects(answer.resting_keys);
  const names = new Set([...dead, ...resting].map(({ group }) => group ?? 'default'));
  const isGrouped = names.size > 1 || (names.size === 1 && !names.has('default'));
  const groupOf = (key: JsonObject) => (isGrouped ? [words(key.group)] : []);
  const groupHead = isGrouped ? ['GROUP'] : [];
  const isProbed = dead.some(({ probeAt }) => probeAt !== undefined);
  const probeOf = (key: JsonObject) => (isProbed ? [until(key.probeAt, nowMs)] : []);
  const deadRows = dead.map((key) => [
    ...groupOf(key),
    words(key.preview),
    toned('bad', words(key.reason)),
    since(key.blacklistAt, nowMs),
    words(key.failCount),
    ...probeOf(key),
  ]);
  const restingRows = resting.map((key) => [
    ...groupOf(key),
    words(key.preview),
    key.model === '' || key.model === undefined || key.model === null ? 'all' : words(key.model),
    until(key.until, nowMs),
    toned('wait', words(key.reason)),
  ]);
  return (
    list(
      { what: 'blacklisted', count: answer.count },
      [...groupHead, 'KEY', 'REASON', 'SINCE', 'FAILS', ...(isProbed ? ['PROBE'] : [])],
      deadRows,
      columns,
    ) +
    (resting.length === 0
      ? ''
      : `\n${list({ what: 'resting' }, [...groupHead, 'KEY', 'MODEL', 'UNTIL', 'REASON'], restingRows, columns)}`) +
    legend([...dead, ...resting], columns)
  );
}

/** What each reason in the lists means, once. */
function legend(keys: readonly JsonObject[], columns: number | undefined): string {
  const meanings = new Map<string, string>();
  for (const { reason, explanation } of keys) {
    const isKnown = REASONS.includes(reason as Reason);
    const meaning = explanation ?? (isKnown ? reasonText(reason as Reason) : undefined);
    if (typeof meaning === 'string') meanings.set(words(reason), meaning);
  }
  if (meanings.size === 0) return '';
  return `\n${facts(
    [...meanings].map(([reason, meaning]) => [reason, toned('dim', meaning)]),
    columns,
  )}`;
}

function fleetView(answer: JsonObject, columns: number | undefined): string {
  const { instances, connected, trouble, lag_ms, clock_offset_ms, timestamp: _, ...more } = answer;
  const listed = objects(instances);
  const rows = listed.map((one) => [
    one.self === true ? `${words(one.name)} *` : words(one.name),
    words(one.version),
    typeof one.uptime === 'number' ? span(one.uptime * 1000) : words(one.uptime),
    milliseconds(one.lag_ms),
    words(one.keys),
  ]);
  const lines = facts(
    [
      [
        'connected',
        connected === true ? toned('good', 'yes') : toned('bad', `no: ${words(trouble)}`),
      ],
      ...(listed.length === 0
        ? []
        : ([
            ['instances', words(listed.length)],
            ['lag', milliseconds(lag_ms)],
            ['clock behind the server', milliseconds(clock_offset_ms)],
          ] as [Cell, Cell][])),
      ...pairs(more),
    ],
    columns,
  );
  if (rows.length === 0) return lines;
  const head = heads(['INSTANCE', 'VERSION', 'UPTIME', 'LAG', 'KEYS']);
  return `${lines}\n${table([head, ...rows], columns)}`;
}

function milliseconds(value: unknown): string {
  return typeof value === 'number' ? `${grouped(value)} ms` : words(value);
}

/** `count` is given where the instance lists fewer keys than there are. */
function list(
  of: { readonly what: string; readonly count?: unknown },
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  columns: number | undefined,
): string {
  if (rows.length === 0) return `no key is ${of.what}\n`;
  const total = Math.max(rows.length, Number(of.count) || 0);
  const title = `${grouped(total)} ${total === 1 ? 'key is' : 'keys are'} ${of.what}\n`;
  const left = total - Math.min(rows.length, MAX_LISTED);
  const more = left > 0 ? `and ${grouped(left)} more\n` : '';
  return title + table([heads(head), ...rows.slice(0, MAX_LISTED)], columns) + more;
}

function listView(rows: readonly JsonObject[], columns: number | undefined): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  if (names.length === 0) return 'none\n';
  const head = names.map((name) => title(name).toUpperCase());
  return table(
    [heads(head), ...rows.map((row) => names.map((name) => words(row[name])))],
    columns && columns - 2,
  );
}

function pairs(object: JsonObject, prefix = ''): [string, string][] {
  return Object.entries(object).flatMap(([name, value]): [string, string][] =>
    isObject(value) && !Array.isArray(value)
      ? pairs(value, `${prefix}${title(name)} `)
      : [[prefix + title(name), named(name, value)]],
  );
}

/** Numbers whose name ends with a unit are shown in one that people read. */
function named(name: string, value: unknown): string {
  if (typeof value !== 'number') return words(value);
  if (name === 'pid') return String(value);
  if (/_bytes$/.test(name)) return `${(value / 1_048_576).toFixed(1)} MiB`;
  if (/_mb$/.test(name)) return `${value.toFixed(1)} MiB`;
  if (name === 'uptime') return span(value * 1000);
  return words(value);
}

function title(name: string): string {
  return name
    .replace(/_(mb|bytes)$/, '')
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replaceAll('_', ' ')
    .toLowerCase();
}

function words(value: unknown): string {
  if (value === undefined || value === null) return '-';
  if (typeof value === 'number') {
    return Number.isInteger(value) ? grouped(value) : String(Math.round(value * 1000) / 1000);
  }
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function outOf(part: unknown, whole: unknown): string {
  return `${words(part)} of ${words(whole)}`;
}

function since(value: unknown, nowMs: number): string {
  const atMs = timeOf(value);
  return atMs === undefined ? words(value) : `${span(nowMs - atMs)} ago`;
}

function until(value: unknown, nowMs: number): string {
  const atMs = timeOf(value);
  if (atMs === undefined) return words(value);
  return atMs <= nowMs ? 'now' : `in ${span(atMs - nowMs + 999)}`;
}

/** RFC 3339 text, or Unix time in milliseconds. */
function timeOf(value: unknown): number | undefined {
  const ms = typeof value === 'number' ? value : Date.parse(String(value));
  return Number.isNaN(ms) || value === null ? undefined : ms;
}

function objects(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null;
}
