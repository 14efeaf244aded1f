// Adds lines to a key file for an operator: each must follow the file's own rules, a backup of the
// file is kept next to it, and the new file replaces the old one atomically.

import { copyFile, open, readFile, rename, stat } from 'node:fs/promises';
import { keyAt, parseKeys } from '../../pool/keys/key-file.ts';
import type { ReloadReport } from '../worker-protocol.ts';

/** Problems that are told; a text that is no list of keys has one on every line. */
const MAX_TOLD = 5;

export async function appendKeys(path: string, text: string): Promise<ReloadReport> {
  const added = parseKeys(Buffer.from(text), 'line');
  if (!added.ok) {
    return {
      ok: false,
      message: added.problems.slice(0, MAX_TOLD).join('; ').replaceAll('line:', 'line '),
    };
  }
  try {
    const before = await readFile(path);
    const known = parseKeys(before, path);
    const names = new Set<string>();
    if (known.ok) for (let i = 0; i < known.keys.count; i++) names.add(nameOf(known.keys, i));
    const lines: string[] = [];
    let duplicates = 0;
    const source = text.split(/\r?\n/);
    for (let i = 0; i < added.keys.count; i++) {
      const name = nameOf(added.keys, i);
      if (names.has(name)) duplicates++;
      else lines.push((source[(added.keys.lines[i] ?? 1) - 1] ?? '').trim());
      names.add(name);
    }
    if (lines.length > 0) await write(path, before, lines);
    const told = duplicates === 0 ? '' : `, ${duplicates} already there`;
    return {
      ok: true,
      message: `${lines.length} ${lines.length === 1 ? 'key' : 'keys'} added${told}`,
    };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'an error';
    return { ok: false, message: `cannot write the key file (${code})` };
  }
}

/** The same key bound to another upstream is another key. */
function nameOf(keys: Parameters<typeof keyAt>[0], i: number): string {
  const pin = keys.pins[i] ?? 0;
  return pin === 0 ? keyAt(keys, i) : `${keyAt(keys, i)} ${keys.pinUrls[pin - 1]}`;
}

async function write(path: string, before: Buffer, lines: readonly string[]): Promise<void> {
  const { mode } = await stat(path);
  await copyFile(path, `${path}.backup`);
  const next = `${path}.new`;
  const ends = before.length === 0 || before.at(-1) === 0x0a;
  const file = await open(next, 'w', mode & 0o777);
  try {
    await file.write(
      Buffer.concat([before, Buffer.from(`${ends ? '' : '\n'}${lines.join('\n')}\n`)]),
    );
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(next, path);
}
