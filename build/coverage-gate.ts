// Holds the request path to more than the rest of the code: reads lcov.info, which `make coverage`
// writes, and fails where a room's share of covered lines is below its own gate.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './targets.ts';

/** Least share of covered lines, in percent, by the beginning of the path. */
const GATES: Readonly<Record<string, number>> = {
  'src/policy/': 98,
  'src/proxy/': 95,
  'src/front/': 95,
  'src/upstream/http1/': 95,
  'src/pool/': 97,
};

interface Lines {
  found: number;
  hit: number;
}

/** Lines found and hit of each file. */
function covered(lcov: string): Map<string, Lines> {
  const files = new Map<string, Lines>();
  let lines: Lines = { found: 0, hit: 0 };
  for (const line of lcov.split('\n')) {
    if (line.startsWith('SF:')) {
      lines = { found: 0, hit: 0 };
      files.set(line.slice(3), lines);
    } else if (line.startsWith('LF:')) lines.found = Number(line.slice(3));
    else if (line.startsWith('LH:')) lines.hit = Number(line.slice(3));
  }
  return files;
}

const files = covered(readFileSync(join(ROOT, 'lcov.info'), 'utf8'));
for (const [room, gate] of Object.entries(GATES)) {
  const sum: Lines = { found: 0, hit: 0 };
  for (const [file, { found, hit }] of files) {
    if (!file.startsWith(room)) continue;
    sum.found += found;
    sum.hit += hit;
  }
  const share = sum.found === 0 ? 0 : (100 * sum.hit) / sum.found;
  console.log(`${room} ${share.toFixed(1)} % of lines (at least ${gate} %)`);
  if (share < gate) process.exitCode = 1;
}
