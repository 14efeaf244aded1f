// `gpt-load validate-keys`: asks for every key of the key file whether it works, reports what it
// found and writes lists. The course of a run: options, file, checks, Ctrl-C, lists, pruning,
// report, exit code.

import type { Config } from '../../config/config.ts';
import type { GroupConfig } from '../../config/grouping.ts';
import { nearest } from '../../config/nearest.ts';
import { readKeyFile } from '../../pool/keys/key-file.ts';
import { UpstreamList } from '../../pool/upstreams/upstream-list.ts';
import { Deadlines } from '../../upstream/deadlines.ts';
import { Dialer } from '../../upstream/dial/dial.ts';
import { DnsCache } from '../../upstream/dial/dns-cache.ts';
import { trustedAuthorities } from '../../upstream/dial/tls-files.ts';
import { Http1Transport } from '../../upstream/http1/transport-http1.ts';
import type { Transport } from '../../upstream/transport.ts';
import type { CommandRuntime } from '../command-runtime.ts';
import { Progress } from '../progress.ts';
import { counted, grouped } from '../table.ts';
import { show, type Terminal } from '../terminal.ts';
import { type CheckItem, CheckRunner } from './check-runner.ts';
import type { CheckResult } from './key-check.ts';
import { type KeyEntry, type KeyLines, readKeyLines } from './key-lines.ts';
import { pruneKeyFile, writeLists } from './validate-lists.ts';
import { type OptionValues, readOptions, type ValidateOptions } from './validate-options.ts';
import {
  exitCodeOf,
  type Findings,
  jsonReport,
  LABELS,
  summary,
  type Written,
} from './validate-report.ts';

/** Also the exit code for options and files that cannot be used. */
const EXIT_NOT_CHECKED = 2;

/**
 * Exit code: 0 every key can be used (those that rest included), 1 some cannot, 2 some could not be
 * checked, or nothing could. SIGINT and SIGTERM end the checks; what is known by then is written
 * and told. Several groups are checked one after the other, each with lists in a folder of its own.
 */
export async function validateKeys(
  values: OptionValues,
  config: Config,
  { terminal, readGrouping }: CommandRuntime,
): Promise<number> {
  const { groups } = await readGrouping(config);
  const chosen = chooseGroups(values, groups);
  if (typeof chosen === 'string') return complain(terminal, chosen);
  if (chosen.length < 2) return (await validateGroup(values, config, chosen[0], terminal)).code;
  const json = values.json === true;
  let code = 0;
  for (const [i, group] of chosen.entries()) {
    if (json) terminal.write(`${i === 0 ? '{"groups":{' : ','}${JSON.stringify(group.name)}:`);
    const course = await validateGroup(values, config, group, terminal);
    if (json && !course.isReported) terminal.write('null');
    code = Math.max(code, course.code);
    if (course.isInterrupted) break;
  }
  if (json) terminal.write('}}\n');
  return code;
}

/** Which groups are checked; of a file or address that is named, none. */
function chooseGroups(
  values: OptionValues,
  groups: readonly GroupConfig[],
): GroupConfig[] | string {
  const { group: name } = values;
  if (typeof name === 'string') {
    const found = groups.find((group) => group.name === name);
    if (found !== undefined) return [found];
    const known = groups.map((group) => group.name);
    const near = nearest(name, known);
    return `--group: there is no group "${name}"${near === undefined ? '' : `; did you mean ${near}?`}`;
  }
  return values.file === undefined && values.url === undefined ? [...groups] : [];
}

function complain(terminal: Terminal, problem: string): number {
  terminal.complain(`gpt-load validate-keys: ${problem}\n`);
  return EXIT_NOT_CHECKED;
}

/** How the check of one group went. */
interface Course {
  readonly code: number;
  readonly isReported: boolean;
  readonly isInterrupted: boolean;
}

async function validateGroup(
  values: OptionValues,
  given: Config,
  group: GroupConfig | undefined,
  terminal: Terminal,
): Promise<Course> {
  const failed = (problem: string): Course => {
    return { code: complain(terminal, problem), isReported: false, isInterrupted: false };
  };
  const config = group === undefined ? given : { ...given, ...group.settings };
  const options = readOptions(values, config, group?.name);
  if (typeof options === 'string') return failed(options);
  const file = await readKeyFile(options.file);
  if (!file.ok) return failed(file.problems.join('\n'));
  const lines = readKeyLines(file.keys);
  const items = itemsOf(lines.entries, options.url);
  if (items === undefined) return failed(`${options.file}: too many different upstreams`);
  terminal.complain(opening(options, lines, config));
  const findings = await check(items, lines, { options, config, terminal });
  const isInterrupted = findings.interrupted;
  try {
    const written = writeDown(findings, options);
    if (options.json) for (const piece of jsonReport(findings, written)) terminal.write(piece);
    else show(terminal, summary(findings, written, Date.now(), terminal.columns));
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    const none: Written = { lists: {}, prune: undefined };
    show(terminal, summary(findings, none, Date.now(), terminal.columns));
    const code = complain(terminal, `cannot write the results: ${error.message}`);
    return { code, isReported: true, isInterrupted };
  }
  return { code: exitCodeOf(findings.results), isReported: true, isInterrupted };
}

function opening(
  { url, model, group }: ValidateOptions,
  { entries, duplicates }: KeyLines,
  config: Config,
): string {
  const repeated =
    duplicates.length === 0 ? '' : ` (${counted(duplicates.length, 'duplicate')} skipped)`;
  const what =
    model === undefined ? 'with the model list' : `with the model list and one token of ${model}`;
  const others = config.upstreams.length - 1;
  const note =
    others > 0 && url === config.upstreams[0]
      ? `note: only the first of ${others + 1} upstreams is used; choose another with --url\n`
      : '';
  const whose = group === undefined ? '' : ` of group ${group}`;
  return `checking ${counted(entries.length, 'key')}${whose}${repeated} at ${url} ${what}\n${note}`;
}

/** Undefined: more different upstreams than a process can know. */
function itemsOf(entries: readonly KeyEntry[], url: string): CheckItem[] | undefined {
  const upstreams = new UpstreamList(UpstreamList.create([url]));
  const indexes = new Map<string | undefined, number>([[undefined, 0]]);
  const items: CheckItem[] = [];
  for (const { key, pin, proxy } of entries) {
    const index = indexes.get(pin) ?? upstreams.add(pin ?? url);
    if (index < 0) return undefined;
    indexes.set(pin, index);
    const way = proxy === '' ? -1 : upstreams.proxies.add(proxy);
    const upstream = way < 0 ? upstreams.get(index) : upstreams.through(index, way);
    items.push({ key, upstream });
  }
  return items;
}

interface Surroundings {
  readonly options: ValidateOptions;
  readonly config: Config;
  readonly terminal: Terminal;
}

async function check(
  items: readonly CheckItem[],
  { entries, duplicates }: KeyLines,
  { options, config, terminal }: Surroundings,
): Promise<Findings> {
  const deadlines = new Deadlines(() => performance.now());
  const transport = transportFor(config, options, deadlines);
  const runner = new CheckRunner(transport, deadlines, { ...options, random: Math.random });
  const progress = new Progress(terminal, items.length, () => performance.now());
  const results: CheckResult[] = new Array(items.length);
  const tally = { done: 0, valid: 0, resting: 0, dead: 0, no_access: 0, unchecked: 0 };
  const startedMs = performance.now();
  let interrupted = false;
  const interrupt = (): void => {
    // A second signal finds nobody listening and ends the process as signals do.
    interrupted = true;
    runner.interrupt();
  };
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    await runner.run(items, (index, result) => {
      results[index] = result;
      tally.done++;
      tally[result.kind]++;
      progress.update(tally.done, noteOf(tally));
    });
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    progress.end();
    transport.close();
  }
  const { down } = runner;
  const elapsedMs = performance.now() - startedMs;
  return { entries, results, duplicates, interrupted, down, elapsedMs };
}

function noteOf(tally: Readonly<Record<keyof typeof LABELS, number>>): string {
  const kinds = ['dead', 'resting', 'no_access', 'unchecked'] as const;
  return kinds
    .filter((kind) => tally[kind] > 0)
    .map((kind) => `${grouped(tally[kind])} ${LABELS[kind]}`)
    .join(', ');
}

function transportFor(config: Config, options: ValidateOptions, deadlines: Deadlines): Transport {
  const dialer = new Dialer({
    dns: new DnsCache(() => performance.now()),
    proxies: config.proxies,
    connectTimeoutMs: Math.min(config.connectTimeoutMs, options.timeoutMs),
    authorities: trustedAuthorities(config.extraCaFile),
  });
  return new Http1Transport(dialer, deadlines, config.idleConnTimeoutMs);
}

function writeDown(findings: Findings, options: ValidateOptions): Written {
  const lists = writeLists(options.output, findings, options.file);
  const prune = options.prune ? pruneKeyFile(options.file, findings, new Date()) : undefined;
  return { lists, prune };
}
