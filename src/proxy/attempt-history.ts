// What the attempts of one request have used up in one group, as its pool must know it for the
// next lease: keys that were tried, and upstreams that failed.

import type { Verdict } from '../policy/verdict.ts';
import type { Group } from '../pool/group.ts';
import type { LeaseRequest } from '../pool/key-pool.ts';
import type { Lease } from '../pool/lease.ts';
import type { Plan } from './plan.ts';
import type { BoundTo } from './resources.ts';

/** The attempts of one request so far. */
export class AttemptHistory implements LeaseRequest {
  readonly triedRows: number[] = [];
  readonly avoidUpstreams: number[] = [];
  mustAvoid = false;
  /** Attempts that ended in a fault of the upstream, and in a key's own verdict. */
  faults = 0;
  switches = 0;
  #bound: BoundTo | undefined;
  readonly #plan: Plan;
  readonly #group: Group;

  constructor(plan: Plan, group: Group) {
    this.#plan = plan;
    this.#group = group;
  }

  /** The conversation, where the group keeps its requests together. */
  get session(): number | undefined {
    return this.#group.settings.affinity === 'session' ? this.#plan.session : undefined;
  }

  /** Looked up only when the pool asks for it. */
  get model(): string | undefined {
    return this.#plan.modelIn(this.#group.settings);
  }

  /** Estimated only when a key has a limit of tokens. */
  get tokens(): number {
    return this.#plan.tokens;
  }

  /** The row of the one key that knows what the request names; -1: any may. */
  get boundRow(): number {
    return this.#resources.boundRow;
  }

  /** The path names something that nobody is known to know. */
  get isSearching(): boolean {
    return this.#resources.isSearching;
  }

  /** Looked up once for each group. */
  get #resources(): BoundTo {
    this.#bound ??= this.#plan.boundIn(this.#group);
    return this.#bound;
  }

  /** Goes on with another group's keys: what failed at an address is avoided there too. */
  inGroup(group: Group): AttemptHistory {
    const next = new AttemptHistory(this.#plan, group);
    next.mustAvoid = this.mustAvoid;
    const failed = this.avoidUpstreams.map((index) => this.#group.upstreams.get(index).href);
    const { list } = group.upstreams;
    for (let index = 0; index < list.count; index++) {
      if (failed.includes(list.get(index).href)) next.avoidUpstreams.push(index);
    }
    return next;
  }

  /** Notes an attempt's result. */
  add(lease: Lease, verdict: Verdict): void {
    this.triedRows.push(lease.row);
    if (verdict.kind === 'upstream_fault') this.faults += 1;
    else this.switches += 1;
    if (verdict.kind !== 'upstream_fault' || verdict.route) return;
    this.avoidUpstreams.push(lease.upstream.index);
    if (verdict.ambiguous) this.mustAvoid = true;
  }
}
