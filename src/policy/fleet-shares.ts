// Which part of a limit an instance of a fleet may use. The parts of all instances make up the
// whole, whoever comes or goes and in whatever order they learn of it: an instance gives at once
// and takes only when all others have said that they know the same fleet.

/** One of so many instances, the rank-th in the order of their names. None: nothing at all. */
export interface Share {
  readonly instances: number;
  readonly rank: number;
}

/** The whole. */
export const ALONE: Share = { instances: 1, rank: 0 };
/** Nothing: one that has just come, as long as the others do not know. */
export const NOTHING: Share = { instances: 0, rank: 0 };

/** An instance's share as all agreed last, and as it is to be. It uses the smaller one. */
export interface Standing {
  readonly settled: Share;
  readonly target: Share;
  /** Tells one set of instances from another. */
  readonly roll: number;
}

/** What one instance sees of the fleet. */
export interface FleetSight {
  readonly self: string;
  /** Every living instance but this one, and the set of instances that it knows. */
  readonly others: readonly { readonly id: string; readonly roll: number }[];
  /** False: somebody who is not in sight may be using a share, so that nothing may be taken. */
  readonly isWhole: boolean;
}

/** The standing after a look at the fleet. */
export function nextStanding(
  before: Standing | undefined,
  { self, others, isWhole }: FleetSight,
): Standing {
  const ids = [self, ...others.map(({ id }) => id)].sort();
  const target = { instances: ids.length, rank: ids.indexOf(self) };
  const roll = rollOf(ids);
  const isAgreed = isWhole && others.every((other) => other.roll === roll);
  return { settled: isAgreed ? target : (before?.settled ?? NOTHING), target, roll };
}

/** The part of a limit that a share stands for. */
export function partOf(limit: number, { instances, rank }: Share): number {
  if (instances === 0) return 0;
  return Math.floor(limit / instances) + (rank < limit % instances ? 1 : 0);
}

/** FNV-1a over the names: 32 bits, never 0. */
function rollOf(ids: readonly string[]): number {
  let hash = 0x811c9dc5;
  for (const character of ids.join(' ')) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  return hash >>> 0 || 1;
}
