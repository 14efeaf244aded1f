// Every input that once broke a promise, and a few hundred new ones, always the same. `make fuzz`
// looks for more.

import { test } from 'node:test';
import { casesOf, knownInputs, runCase } from './cases.ts';
import { nextInput } from './mutate.ts';
import { Random } from './random.ts';
import { TARGETS } from './targets.ts';

const NEW_INPUTS = 300;

for (const target of TARGETS) {
  for (const [file, input] of casesOf(target)) {
    test(`${target.name}: the case ${file} stays mended`, () => runCase(target, input));
  }

  test(`${target.name}: its seeds and ${NEW_INPUTS} mutations keep its promises`, async () => {
    const known = knownInputs(target);
    const random = new Random(1);
    for (const input of known) await runCase(target, input);
    for (let i = 0; i < NEW_INPUTS; i += 1) {
      const input = nextInput(target, known, random);
      try {
        await runCase(target, input);
      } catch (cause) {
        throw new Error(`broken by ${JSON.stringify(input.toString('latin1'))}`, { cause });
      }
    }
  });
}
