// The coordinator's lists of models, one for each group that is chosen by model: asked for once for
// all workers. What asks is made when it is first needed: most programs never list models.

import type { Config } from '../../config/config.ts';
import { DEFAULT_GROUP } from '../../config/group-settings.ts';
import type { ListsOfModels } from '../../front/model-list.ts';
import type { WorkerCounters } from '../../pool/counts/counters.ts';
import { type Group, servedGroup } from '../../pool/group.ts';
import type { GroupView } from '../../pool/group-view.ts';
import { ModelLists } from '../../proxy/model-lists.ts';
import { Deadlines } from '../../upstream/deadlines.ts';
import { Http1Transport } from '../../upstream/http1/transport-http1.ts';
import { dialerFor } from '../dialer-for.ts';

export class ModelCatalogue {
  readonly #config: Config;
  readonly #counters: WorkerCounters;
  readonly #now: () => number;
  readonly #groups = new WeakMap<GroupView, Group>();
  #lists: ModelLists | undefined;

  /** @param now milliseconds by the steady clock */
  constructor(config: Config, counters: WorkerCounters, now: () => number) {
    this.#config = config;
    this.#counters = counters;
    this.#now = now;
  }

  /** The models of these groups, as far as their upstreams say. */
  async of(views: readonly GroupView[]): Promise<ListsOfModels> {
    this.#lists ??= new ModelLists(this.#transport(), this.#now);
    const lists = this.#lists;
    const asked = views.filter(({ name, settings }) => {
      return name === DEFAULT_GROUP || settings.models.length > 0;
    });
    const nowMs = this.#now();
    const found = await Promise.all(
      asked.map(async (view) => [view.name, await lists.of(this.#groupOf(view), nowMs)] as const),
    );
    return Object.fromEntries(found.flatMap(([name, list]) => (list ? [[name, list]] : [])));
  }

  /** Asks with one key of a group, now. */
  probe(view: GroupView, row: number): Promise<'works' | 'refused' | 'unavailable'> {
    this.#lists ??= new ModelLists(this.#transport(), this.#now);
    return this.#lists.probe(this.#groupOf(view), row);
  }

  #groupOf(view: GroupView): Group {
    const known = this.#groups.get(view);
    if (known !== undefined) return known;
    const group = servedGroup(view, {
      counters: this.#counters,
      random: Math.random,
      now: this.#now,
      // After the last worker's.
      workerId: this.#config.workers,
    });
    this.#groups.set(view, group);
    return group;
  }

  #transport(): Http1Transport {
    const deadlines = new Deadlines(() => performance.now());
    const { idleConnTimeoutMs } = this.#config;
    return new Http1Transport(dialerFor(this.#config), deadlines, idleConnTimeoutMs, () => {
      this.#counters.add('strayAnswers');
    });
  }
}
