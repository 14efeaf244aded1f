// A group as a worker serves requests with it: what every thread sees, and the pool that leases its
// keys. The value that the proxy receives with a request.

import type { GroupView } from './group-view.ts';
import { KeyPool } from './key-pool.ts';
import type { LeaseHome } from './lease.ts';
import { WaitingLine } from './limits/waiting-line.ts';

/** What a worker's leases share over all groups. */
export type WorkerHome = Omit<LeaseHome, 'group' | 'waitingLine'>;

export interface Group extends GroupView {
  readonly pool: KeyPool;
  /** undefined: requests do not wait (QUEUE_TIMEOUT is 0). */
  readonly waitingLine: WaitingLine | undefined;
}

/** Adds the pool of one worker to its view of a group. */
export function servedGroup(view: GroupView, worker: WorkerHome): Group {
  const waits = view.settings.queueTimeoutMs > 0;
  const waitingLine = waits ? new WaitingLine(view.line, worker.workerId) : undefined;
  const pool = new KeyPool({ group: view, ...worker, waitingLine });
  return { ...view, pool, waitingLine };
}
