// One worker's groups and clients: what the coordinator hands over becomes pools, routing and
// authentication. A group that has not changed keeps its pool.

import type { ShownGrouping } from '../../config/grouping-view.ts';
import { Auth } from '../../front/auth.ts';
import type { Served } from '../../front/router.ts';
import { type Group, servedGroup, type WorkerHome } from '../../pool/group.ts';
import { attachGroup } from '../../pool/group-view.ts';
import type { PlacedClient } from '../../proxy/client.ts';
import { Routing } from '../../proxy/routing.ts';
import type { ServedStart } from '../worker-protocol.ts';
import { releaseMemory } from './release-memory.ts';

interface Known {
  readonly edition: number;
  readonly group: Group;
}

export class WorkerGroups {
  readonly #authKey: string;
  readonly #home: WorkerHome;
  #known: readonly Known[] = [];
  #shown: ShownGrouping | undefined;
  #clients: readonly PlacedClient[] = [];

  constructor(authKey: string, home: Omit<WorkerHome, 'random'>) {
    this.#authKey = authKey;
    this.#home = { ...home, random: Math.random };
  }

  /** As they are now. */
  get groups(): readonly Group[] {
    return this.#known.map(({ group }) => group);
  }

  get clients(): readonly PlacedClient[] {
    return this.#clients;
  }

  /** What may be told of the configuration that they come from. */
  get shown(): ShownGrouping | undefined {
    return this.#shown;
  }

  /** Takes over what the coordinator says. */
  take({ groups, clients, hasFile, shown }: ServedStart): Served {
    this.#shown = shown;
    this.#clients = clients;
    const before = this.#known;
    this.#known = groups.map((start) => {
      const known = before.find(({ edition }) => edition === start.edition);
      if (known !== undefined) return known;
      return { edition: start.edition, group: servedGroup(attachGroup(start), this.#home) };
    });
    if (before.some((known) => !this.#known.includes(known))) releaseMemory();
    const routing = new Routing(this.groups, hasFile);
    return { routing, auth: new Auth(this.#authKey, clients) };
  }
}
