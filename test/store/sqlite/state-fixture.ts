// What the tests of the state file share: a key, what is known about it, a folder that ends with
// its test, and a log that can be read.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Logger } from '../../../src/log/log.ts';
import type { StateRow, StateStore } from '../../../src/store/sqlite/state-store.ts';

export const KEY = 'sk-proj-Zk4t0nWqk3vBq8Yw1mR7';
const DEAD = { model: '', state: 'dead', reason: 'invalid_key', deadCount: 2, restCount: 0 };
const TIMES = { untilMs: 1_800_000_000_000, sinceMs: 1_700_000_000_123 };

export function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'gpt-load-state-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export function listener(): Logger & { lines: string[] } {
  const lines: string[] = [];
  const say = (line: string) => void lines.push(line);
  return { lines, debug: say, info: say, warn: say, error: say };
}

export function deadRow(store: StateStore, key: string, more: Partial<StateRow> = {}): StateRow {
  return { group: 'default', keyId: store.keyId(key), ...DEAD, ...TIMES, ...more };
}
