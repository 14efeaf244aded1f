// The lines of a key file as validate-keys needs them: which keys there are, where they stand, and
// which stand there twice. Also what is left of the file without some of them, byte for byte.
// Parsing is pool/key-file.ts.

import { keyAt, type ParsedKeys } from '../../pool/keys/key-file.ts';

/** One key, where it stands first. */
export interface KeyEntry {
  readonly key: string;
  /** Base URL that it is bound to; undefined: it may go to any. */
  readonly pin: string | undefined;
  /** From 1. */
  readonly line: number;
  /** What stands behind the key, without a comment: its upstream and its attributes. */
  readonly rest: string;
  /** What it is called; '' for nothing. */
  readonly name: string;
  /** The outgoing proxy that it always leaves by; '' for none of its own. */
  readonly proxy: string;
}

export interface Duplicate {
  readonly key: string;
  readonly line: number;
  readonly firstLine: number;
}

export interface KeyLines {
  readonly entries: readonly KeyEntry[];
  readonly duplicates: readonly Duplicate[];
}

const LF = 0x0a;

/** The same key with another pin is another entry: it may be good for one upstream only. */
export function readKeyLines(keys: ParsedKeys): KeyLines {
  const entries = new Map<string, KeyEntry>();
  const duplicates: Duplicate[] = [];
  for (let i = 0; i < keys.count; i++) {
    const entry = entryAt(keys, i);
    const { key, line } = entry;
    const first = entries.get(lineText(entry));
    if (first === undefined) entries.set(lineText(entry), entry);
    else duplicates.push({ key, line, firstLine: first.line });
  }
  return { entries: [...entries.values()], duplicates };
}

/** An entry as it stands in a key file; also what tells entries apart. */
export function lineText({ key, pin }: Pick<KeyEntry, 'key' | 'pin'>): string {
  return pin === undefined ? key : `${key} ${pin}`;
}

/** The key's line as it stands in its file, without a comment. */
export function keyLine({ key, rest }: KeyEntry): string {
  return rest === '' ? key : `${key} ${rest}`;
}

/** The file without the lines whose {@link lineText} is in `unwanted`, and how many those are. */
export function withoutKeys(
  keys: ParsedKeys,
  unwanted: ReadonlySet<string>,
): { readonly kept: readonly Buffer[]; readonly removed: number } {
  const { source } = keys;
  const kept: Buffer[] = [];
  let from = 0;
  let removed = 0;
  for (let i = 0; i < keys.count; i++) {
    if (!unwanted.has(lineText(entryAt(keys, i)))) continue;
    // A byte order mark is the file's, not its first key's.
    const lineStart = source.lastIndexOf(LF, keys.starts[i]) + 1 || lengthOfMark(source);
    const lineEnd = source.indexOf(LF, keys.ends[i]) + 1 || source.length;
    kept.push(source.subarray(from, lineStart));
    from = lineEnd;
    removed++;
  }
  kept.push(source.subarray(from));
  return { kept, removed };
}

function entryAt(keys: ParsedKeys, i: number): KeyEntry {
  const pin = keys.pins[i] ?? 0;
  return {
    key: keyAt(keys, i),
    pin: pin === 0 ? undefined : keys.pinUrls[pin - 1],
    line: keys.lines[i] ?? 0,
    rest: restOf(keys, i),
    name: keys.names.get(i) ?? '',
    proxy: keys.attributeSets[keys.attributes[i] ?? 0]?.proxy ?? '',
  };
}

function restOf({ source, ends }: ParsedKeys, i: number): string {
  const start = ends[i] ?? 0;
  const end = source.indexOf(LF, start);
  const text = source.toString('utf8', start, end < 0 ? source.length : end);
  return text.replace(/\s#.*$/, '').trim();
}

function lengthOfMark(source: Buffer): number {
  return source.subarray(0, 3).toString('latin1') === '\u00ef\u00bb\u00bf' ? 3 : 0;
}
