// The files that validate-keys leaves: lists of keys by result, each a key file in its own right,
// and the pruned key file. All of them hold whole keys: mode 0600, whole or not at all.

import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseKeys } from '../../pool/keys/key-file.ts';
import { counted } from '../table.ts';
import { type CheckResult, checkReasonText, type ResultKind } from './key-check.ts';
import { type KeyEntry, keyLine, lineText, withoutKeys } from './key-lines.ts';
import { writePrivateFile } from './private-file.ts';
import type { Findings, PruneReport, Written } from './validate-report.ts';

/**
 * Which results go where. The first three are always written; the others when there is something to
 * tell.
 */
const LISTS: readonly {
  readonly name: string;
  readonly kinds: readonly ResultKind[];
  readonly always: boolean;
}[] = [
  { name: 'valid_keys.txt', kinds: ['valid', 'resting'], always: true },
  { name: 'invalid_keys.txt', kinds: ['dead'], always: true },
  { name: 'no_access_keys.txt', kinds: ['no_access'], always: false },
  { name: 'unchecked_keys.txt', kinds: ['unchecked'], always: false },
];
const DUPLICATES = 'duplicate_keys.txt';

/**
 * Writes the lists into `directory`, which is made if need be.
 * @throws what the file system says.
 */
export function writeLists(
  directory: string,
  findings: Findings,
  source: string,
): Written['lists'] {
  // Not recursive: a mistyped path is better told than made.
  if (!existsSync(directory)) mkdirSync(directory);
  const lists: Record<string, string> = {};
  for (const { name, kinds, always } of LISTS) {
    const indexes = findings.results.flatMap(({ kind }, index) =>
      kinds.includes(kind) ? [index] : [],
    );
    const path = join(directory, name);
    // An old list that no longer holds anything would be taken for today's.
    if (indexes.length === 0 && !always && !existsSync(path)) continue;
    writePrivateFile(path, listText(indexes, findings, source));
    for (const kind of kinds) lists[kind] = path;
  }
  lists.duplicate = join(directory, DUPLICATES);
  writePrivateFile(lists.duplicate, duplicatesText(findings, source));
  return lists;
}

/** Grouped by reason, each group under a comment that tells it. */
function* listText(
  indexes: readonly number[],
  { entries, results }: Findings,
  source: string,
): Generator<string, void> {
  yield `# ${indexes.length} of ${entries.length} keys of ${source}\n`;
  const groups = new Map<string, number[]>();
  for (const index of indexes) {
    const { kind, reason } = results[index] as CheckResult;
    const group = groups.get(`${kind} ${reason}`);
    if (group === undefined) groups.set(`${kind} ${reason}`, [index]);
    else group.push(index);
  }
  for (const group of groups.values()) {
    const { kind, reason } = results[group[0] ?? 0] as CheckResult;
    if (kind !== 'valid') yield `# ${kind}: ${checkReasonText(reason)}\n`;
    for (const index of group) {
      yield `${keyLine(entries[index] as KeyEntry)}\n`;
    }
  }
}

function* duplicatesText({ duplicates }: Findings, source: string): Generator<string, void> {
  yield `# ${counted(duplicates.length, 'line')} of ${source} repeating an earlier key\n`;
  for (const { key, line, firstLine } of duplicates) {
    yield `# line ${line}, first seen on line ${firstLine}\n${key}\n`;
  }
}

/**
 * Takes dead keys out of the key file, read again now: it may have changed since the check began.
 * Comments, order and line ends stay. The old file is copied to `<file>.bak-<time>` first.
 * @throws what the file system says.
 */
export function pruneKeyFile(file: string, findings: Findings, now: Date): PruneReport {
  const refusal = refusalOf(findings);
  if (refusal !== '') return { removed: 0, backup: '', refusal };
  const isDead = (_: KeyEntry, index: number) => findings.results[index]?.kind === 'dead';
  const dead = new Set(findings.entries.filter(isDead).map(lineText));
  const path = realpathSync(file);
  const parsed = parseKeys(readFileSync(path), file);
  if (!parsed.ok) return { removed: 0, backup: '', refusal: parsed.problems[0] ?? '' };
  const { kept, removed } = withoutKeys(parsed.keys, dead);
  if (removed === 0) return { removed, backup: '', refusal };
  const backup = `${path}.bak-${now.toISOString().replace(/[-:]|\.\d+/g, '')}`;
  copyFileSync(path, backup, constants.COPYFILE_EXCL);
  chmodSync(backup, 0o600);
  writePrivateFile(path, kept, statSync(path));
  return { removed, backup, refusal };
}

/** When every key is refused, the URL or the way there is wrong far more often than every key. */
function refusalOf({ results, interrupted }: Findings): string {
  if (interrupted) return 'the run was interrupted';
  const someLive = results.some(({ kind }) => kind !== 'dead' && kind !== 'unchecked');
  const someDead = results.some(({ kind }) => kind === 'dead');
  return someDead && !someLive ? 'no key was accepted; is the URL right?' : '';
}
