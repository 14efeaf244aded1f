// How the outcome of validate-keys is reported: a summary table for people, JSON for programs.
// Shows previews of keys only; whole keys go into the lists (validate-lists.ts) and nowhere else.

import { previewKey } from '../../policy/redact.ts';
import { splitAttribute } from '../../pool/keys/key-attributes.ts';
import { type Cell, counted, grouped, heads, span, type Tone, table, toned } from '../table.ts';
import type { DownUpstream } from './check-runner.ts';
import { type CheckResult, checkReasonText, RESULT_KINDS, type ResultKind } from './key-check.ts';
import type { Duplicate, KeyEntry } from './key-lines.ts';

/** All that came out. `results[i]` belongs to `entries[i]`. */
export interface Findings {
  readonly entries: readonly KeyEntry[];
  readonly results: readonly CheckResult[];
  readonly duplicates: readonly Duplicate[];
  readonly interrupted: boolean;
  readonly down: readonly DownUpstream[];
  readonly elapsedMs: number;
}

/** What was written: by result, and the key file if it was pruned. */
export interface Written {
  readonly lists: Readonly<Partial<Record<ResultKind | 'duplicate', string>>>;
  readonly prune: PruneReport | undefined;
}

export interface PruneReport {
  readonly removed: number;
  /** '' when nothing was changed. */
  readonly backup: string;
  /** Why nothing was changed; '' otherwise. */
  readonly refusal: string;
}

/** Keys that are shown one by one; more are counted by reason. */
const MAX_SHOWN_KEYS = 20;

export const LABELS: Readonly<Record<ResultKind, string>> = {
  valid: 'valid',
  resting: 'resting',
  dead: 'dead',
  no_access: 'no access',
  unchecked: 'not checked',
};

const TONES: Readonly<Record<ResultKind, Tone>> = {
  valid: 'good',
  resting: 'wait',
  dead: 'bad',
  no_access: 'bad',
  unchecked: 'wait',
};

function countByKind(results: readonly CheckResult[]): Record<ResultKind, number> {
  const counts = { valid: 0, resting: 0, dead: 0, no_access: 0, unchecked: 0 };
  for (const { kind } of results) counts[kind]++;
  return counts;
}

/**
 * 0: every key can be used (now or after its rest); 1: some cannot; 2: some could not be checked.
 */
export function exitCodeOf(results: readonly CheckResult[]): number {
  const counts = countByKind(results);
  if (counts.unchecked > 0) return 2;
  return counts.dead + counts.no_access > 0 ? 1 : 0;
}

/** For people: counts, what is wrong with which keys, and what was written. */
export function summary(
  findings: Findings,
  written: Written,
  nowMs: number,
  columns: number | undefined,
): string {
  const { entries, results, duplicates, down, elapsedMs } = findings;
  const counts = countByKind(results);
  const rows: Cell[][] = RESULT_KINDS.map((kind) => [
    counts[kind] > 0 ? toned(TONES[kind], LABELS[kind]) : LABELS[kind],
    grouped(counts[kind]),
    written.lists[kind] ?? '',
  ]);
  rows.push(['duplicate', grouped(duplicates.length), written.lists.duplicate ?? '']);
  const took = `${counted(entries.length, 'key')} in ${span(elapsedMs)}\n`;
  const notes = down.map(downText);
  if (findings.interrupted) notes.push('interrupted: the results so far were written\n');
  return [
    table([heads(['RESULT', 'KEYS', 'FILE']), ...rows], columns),
    '\n',
    details(findings, nowMs, columns),
    took,
    ...notes,
    pruneText(written.prune),
  ].join('');
}

function details(
  { entries, results }: Findings,
  nowMs: number,
  columns: number | undefined,
): string {
  const troubled = results.flatMap((result, index) => (result.kind === 'valid' ? [] : [index]));
  if (troubled.length === 0) return '';
  if (troubled.length > MAX_SHOWN_KEYS) return `${byReason(results, columns)}\n`;
  const rows = troubled.map((index) => {
    const { key, line, name } = entries[index] as KeyEntry;
    const result = results[index] as CheckResult;
    return [
      String(line),
      name === '' ? previewKey(key) : `${previewKey(key)} (${name})`,
      toned(TONES[result.kind], stateText(result, nowMs)),
      checkReasonText(result.reason),
    ];
  });
  return `${table([heads(['LINE', 'KEY', 'RESULT', 'WHY']), ...rows], columns)}\n`;
}

/** The keys that were asked stand in the table, each with its reason. */
function downText({ url, notAsked }: DownUpstream): string {
  const rest = notAsked === 0 ? '' : `; ${counted(notAsked, 'key')} not checked`;
  return `${url} does not answer, or answers every check with a server error${rest}\n`;
}

function byReason(results: readonly CheckResult[], columns: number | undefined): string {
  const groups = new Map<string, { readonly result: CheckResult; count: number }>();
  for (const result of results) {
    if (result.kind === 'valid') continue;
    const name = `${result.kind} ${result.reason}`;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, { result, count: 1 });
    else group.count++;
  }
  const sorted = [...groups.values()].sort((a, b) => b.count - a.count);
  const rows = sorted.map(({ result: { kind, reason }, count }) => {
    return [grouped(count), toned(TONES[kind], LABELS[kind]), checkReasonText(reason)];
  });
  return table([heads(['KEYS', 'RESULT', 'WHY']), ...rows], columns);
}

function stateText({ kind, untilMs }: CheckResult, nowMs: number): string {
  if (kind !== 'resting' || untilMs === null) return LABELS[kind];
  if (untilMs <= nowMs) return 'ready again';
  return `${LABELS[kind]} for ${span(untilMs - nowMs + 999)}`;
}

function pruneText(prune: PruneReport | undefined): string {
  if (prune === undefined) return '';
  if (prune.refusal !== '') return `key file unchanged: ${prune.refusal}\n`;
  if (prune.removed === 0) return 'key file unchanged: it has no dead keys\n';
  return `${counted(prune.removed, 'line')} removed from the key file; backup: ${prune.backup}\n`;
}

/** For programs, in pieces: one object, one line per key. */
export function* jsonReport(findings: Findings, written: Written): Generator<string, void> {
  const { entries, results, duplicates, interrupted, down, elapsedMs } = findings;
  const head = {
    total: entries.length,
    counts: countByKind(results),
    duplicates: duplicates.map(({ key, line, firstLine }) => ({
      preview: previewKey(key),
      line,
      firstLine,
    })),
    interrupted,
    upstreams_down: down.map(({ url }) => url),
    elapsed_ms: Math.round(elapsedMs),
    files: written.lists,
    ...(written.prune === undefined ? {} : { prune: written.prune }),
  };
  yield `${JSON.stringify(head).slice(0, -1)},"keys":[`;
  for (const [index, entry] of entries.entries()) {
    const { kind, reason, untilMs } = results[index] as CheckResult;
    const until = untilMs === null ? null : new Date(untilMs).toISOString();
    const about = { line: entry.line, preview: previewKey(entry.key), ...attributesOf(entry) };
    const text = JSON.stringify({ ...about, result: kind, reason, until });
    yield `${index === 0 ? '\n' : ',\n'}${text}`;
  }
  yield '\n]}\n';
}

/** What a key's line says of it, the way that it takes apart: that may hold a password. */
function attributesOf({ rest, name }: KeyEntry): Record<string, string> {
  const words = rest.split(/\s+/).flatMap((word) => {
    const [attribute, value] = splitAttribute(word) ?? [];
    if (attribute === undefined || value === undefined || attribute === 'name') return [];
    return [[attribute, attribute === 'proxy' ? '****' : value] as const];
  });
  return { ...(name === '' ? {} : { name }), ...Object.fromEntries(words) };
}
