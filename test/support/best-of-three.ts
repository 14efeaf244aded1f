// A measurement that a busy machine can spoil now and then, but not each time.

import assert from 'node:assert/strict';

const ROUNDS = 3;

/**
 * Runs `round` until it has nothing to complain of, at most three times; fails with its complaints
 * when each round had one. What must hold in every round is asserted within it.
 */
export async function bestOfThree(
  round: (nth: number) => Promise<string | undefined> | string | undefined,
): Promise<void> {
  const complaints: string[] = [];
  for (let nth = 0; nth < ROUNDS; nth += 1) {
    const complaint = await round(nth);
    if (complaint === undefined) return;
    complaints.push(complaint);
  }
  assert.fail(`${ROUNDS} times in a row: ${complaints.join('; ')}`);
}
