// Gives back the memory of groups that are gone. Shared memory is freed when no thread refers to it
// any more, which a thread finds out when it collects garbage; and one that has little to do may
// not do that for hours.

/** Requests that had such a group are over by then, most of them. */
const GRACE_MS = 5_000;

let pending: NodeJS.Timeout | undefined;

/** Collects garbage on this thread, soon: some ten milliseconds, after a change that is rare. */
export function releaseMemory(): void {
  clearTimeout(pending);
  pending = setTimeout(collect, GRACE_MS);
  pending.unref();
}

function collect(): void {
  process.getBuiltinModule('node:v8').setFlagsFromString('--expose-gc');
  const gc: unknown = process.getBuiltinModule('node:vm').runInNewContext('gc');
  if (typeof gc === 'function') gc();
}
