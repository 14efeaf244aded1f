// A group as a worker serves requests with it: what every thread sees, and the pool that leases its
// keys. The value that the proxy receives with a request.

import type { GroupView } from './group-view.ts';
import { KeyPool } from './key-pool.ts';
import type { LeaseHome } from './lease.ts';

export interface Group extends GroupView {
  readonly pool: KeyPool;
}

/** Adds the pool of one worker to its view of a group. */
export function servedGroup(view: GroupView, worker: Omit<LeaseHome, 'group'>): Group {
  return { ...view, pool: new KeyPool({ group: view, ...worker }) };
}
