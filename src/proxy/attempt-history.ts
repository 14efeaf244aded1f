// What the attempts of one request have used up, as the pool must know it for the next lease: keys
// that were tried, and upstreams that failed.

import type { Verdict } from '../policy/verdict.ts';
import type { LeaseRequest } from '../pool/key-pool.ts';
import type { Lease } from '../pool/lease.ts';
import type { Plan } from './plan.ts';

/** The attempts of one request so far. */
export class AttemptHistory implements LeaseRequest {
  readonly triedRows: number[] = [];
  readonly avoidUpstreams: number[] = [];
  mustAvoid = false;
  readonly #plan: Plan;

  constructor(plan: Plan) {
    this.#plan = plan;
  }

  /** Looked up only when the pool asks for it. */
  get model(): string | undefined {
    return this.#plan.model;
  }

  /** Notes an attempt's result. */
  add(lease: Lease, verdict: Verdict): void {
    this.triedRows.push(lease.row);
    if (verdict.kind !== 'upstream_fault' || verdict.route) return;
    this.avoidUpstreams.push(lease.upstream.index);
    if (verdict.ambiguous) this.mustAvoid = true;
  }
}
