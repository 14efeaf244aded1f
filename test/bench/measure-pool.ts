// The key pool at a million keys: what loading them costs, and picking when all but one rest.

import { join } from 'node:path';
import type { Bench, Finding } from './bench.ts';
import type { PickCost } from './pick-cost.ts';
import { Role } from './role.ts';

const KEYS = 1_000_000;
const QUICK_KEYS = 100_000;
/** What the design asks for. */
const PICK_LIMIT_US = 5;
const LOAD_LIMIT_MS = 2000;
const LOAD_LIMIT_MB = 200;

export async function measurePool(bench: Bench): Promise<Finding[]> {
  const count = bench.effort < 1 ? QUICK_KEYS : KEYS;
  const args = [join(bench.directory, 'many-keys.txt'), String(count)];
  await using role = new Role('pick-cost.ts', { execArgv: ['--expose-gc'], args });
  const cost = await role.next<PickCost>();
  const finding = (measure: string, unit: string, value: number, limit?: number): Finding => ({
    measure: `${measure} at ${count.toLocaleString('en')} keys`,
    unit,
    values: { [bench.subject]: value },
    ...(limit === undefined ? {} : { limit }),
  });
  return [
    finding('pick, all but one resting,', 'us', cost.lastPickUs, PICK_LIMIT_US),
    finding('pick, all ready,', 'us', cost.freshPickUs),
    finding('pick, limits, weights and affinity on,', 'us', cost.limitedPickUs),
    finding('the same, all but one full,', 'us', cost.lastLimitedPickUs, PICK_LIMIT_US),
    finding('pick and rest a key', 'us', cost.restUs),
    finding('loading the key file', 'ms', cost.loadMs, LOAD_LIMIT_MS),
    finding('memory of the key table', 'MB', cost.loadBytes / 1e6, LOAD_LIMIT_MB),
  ];
}
