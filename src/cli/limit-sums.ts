// Whether the limits of a group's keys are enough for its clients: sums that a person would have to
// add up. Warnings only; nobody knows in advance who needs how much.

import type { GroupConfig, Grouping } from '../config/grouping.ts';
import { type ParsedKeys, readKeyFile } from '../pool/keys/key-file.ts';
import { UNLIMITED } from '../pool/limits/key-quotas.ts';
import { counted, grouped } from './table.ts';

/** Lines of key files that cannot be used, and groups whose limits look too low. */
export interface KeyFileFindings {
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** Reads every group's key file. One that is not there is told elsewhere. */
export async function checkKeyFiles(grouping: Grouping): Promise<KeyFileFindings> {
  const problems: string[] = [];
  const warnings: string[] = [];
  for (const group of grouping.groups) {
    const file = await readKeyFile(group.settings.keysFile);
    if (file.ok) {
      const warning = tooLow(group, file.keys, grouping);
      if (warning !== undefined) warnings.push(warning);
    } else if (!file.problems.some((problem) => /no such file|not readable/.test(problem))) {
      problems.push(...file.problems);
    }
  }
  return { problems, warnings };
}

/** Requests a minute that a group's keys may be asked together, against its clients. */
function tooLow(group: GroupConfig, keys: ParsedKeys, { clients }: Grouping): string | undefined {
  const allowed = sumOfRpm(group, keys);
  const asking = clients.filter(
    ({ groups }) => groups === undefined || groups.includes(group.name),
  );
  const wanted = asking.reduce((sum, { rpm }) => sum + Math.max(1, rpm), 0);
  if (allowed === undefined || asking.length === 0 || allowed >= wanted) return undefined;
  const what = `its keys together allow ${counted(allowed, 'request')} per minute`;
  const who = `${counted(asking.length, 'client')} may send ${grouped(wanted)} or more`;
  return `[group.${group.name}] ${what}, but ${who}`;
}

/** undefined: some key has no limit. */
function sumOfRpm({ settings }: GroupConfig, keys: ParsedKeys): number | undefined {
  let sum = 0;
  for (let i = 0; i < keys.count; i++) {
    const own = keys.attributeSets[keys.attributes[i] ?? 0]?.quotas.rpm ?? 0;
    const rpm = own === 0 ? settings.keyRpm : own;
    if (rpm === 0 || rpm === UNLIMITED) return undefined;
    sum += rpm;
  }
  return sum;
}
