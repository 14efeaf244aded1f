// Runs one piece of code against another at every place where threads could take turns: before each
// of its operations on shared memory. What a race of real threads meets now and then, this meets
// each time.

const OPERATIONS = ['load', 'store', 'add', 'sub', 'exchange', 'compareExchange'] as const;

type Operation = (...args: unknown[]) => unknown;

/** Ends a piece of code in the midst of it, as the death of its thread does. */
export class Death extends Error {}

/** One run, made anew for each place. */
export interface Scene {
  /** What is interrupted. A {@link Death} that `meanwhile` throws ends it. */
  readonly run: () => void;
  /** What happens before one of its operations on shared memory. */
  readonly meanwhile: () => void;
  /** What must hold afterwards; not called for the run that nothing interrupted. */
  readonly check: () => void;
}

/** Plays a scene for each place; returns how many there were. */
export function atEveryStep(scene: () => Scene): number {
  for (let place = 0; ; place += 1) {
    const { run, meanwhile, check } = scene();
    if (!interrupted(run, place, meanwhile)) return place;
    check();
  }
}

/** False when the code has fewer operations than that. */
function interrupted(run: () => void, place: number, meanwhile: () => void): boolean {
  const atomics = Atomics as unknown as Record<string, Operation>;
  const originals = OPERATIONS.map((name) => [name, atomics[name] as Operation] as const);
  let count = 0;
  const restore = (): void => {
    for (const [name, original] of originals) atomics[name] = original;
  };
  for (const [name, original] of originals) {
    atomics[name] = (...args) => {
      if (count++ === place) {
        restore();
        meanwhile();
      }
      return original(...args);
    };
  }
  try {
    run();
  } catch (error) {
    if (!(error instanceof Death)) throw error;
  } finally {
    restore();
  }
  return count > place;
}
