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
  /** The calling of the roll that it is about. */
  readonly roll: string;
}

/** What one instance sees of the fleet. */
export interface FleetSight {
  readonly self: string;
  /**
   * Another one each time that somebody came or went: the same set of instances is another roll
   * when it comes together again, since one of them may have been alone in between.
   */
  readonly roll: string;
  /** Every living instance but this one, and the roll that it acts by. */
  readonly others: readonly { readonly id: string; readonly roll: string }[];
  /** False: somebody who is not in sight may be using a share, so that nothing may be taken. */
  readonly isWhole: boolean;
}

/** The standing after a look at the fleet. */
export function nextStanding(
  before: Standing | undefined,
  { self, roll, others, isWhole }: FleetSight,
): Standing {
  const ids = [self, ...others.map(({ id }) => id)].sort();
  const target = { instances: ids.length, rank: ids.indexOf(self) };
  const isAgreed = isWhole && others.every((other) => other.roll === roll);
  return { settled: isAgreed ? target : (before?.settled ?? NOTHING), target, roll };
}

/** The part of a limit that a share stands for. */
export function partOf(limit: number, { instances, rank }: Share): number {
  if (instances === 0) return 0;
  return Math.floor(limit / instances) + (rank < limit % instances ? 1 : 0);
}
