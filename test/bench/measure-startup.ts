// Start-up, as test/bench/startup.ts measures it; only where executable and bundle are built.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../build/targets.ts';
import type { Bench, Finding } from './bench.ts';

const RUNS = 7;
const LIMIT_MS = 150;
const TIME_LIMIT_MS = 120_000;

export async function measureStartup(bench: Bench): Promise<Finding[]> {
  const needed = ['build/gpt-load', 'dist/main.cjs'].map((path) => join(ROOT, path));
  if (!needed.every((path) => existsSync(path))) return [];
  const json = join(bench.directory, 'startup.json');
  const runs = String(Math.max(1, Math.round(RUNS * bench.effort)));
  const script = join(import.meta.dirname, 'startup.ts');
  const { status, stderr } = spawnSync(process.execPath, [script, '--runs', runs, '--json', json], {
    encoding: 'utf8',
    timeout: TIME_LIMIT_MS,
  });
  if (status !== 0) throw new Error(`startup.ts failed: ${stderr}`);
  const { results } = JSON.parse(readFileSync(json, 'utf8'));
  const values = Object.fromEntries(
    Object.entries<{ firstAnswerMs: number }>(results).map(([name, { firstAnswerMs }]) => [
      name === 'binary' ? bench.subject : name,
      firstAnswerMs,
    ]),
  );
  return [{ measure: 'exec to first answer', unit: 'ms', values, limit: LIMIT_MS }];
}
