// Somebody who may send requests, as a worker knows it: what it may use. Recognising it by its key
// is front/auth's; its limits are the pool's.

import type { ClientConfig } from '../config/grouping.ts';
import { ModelPatterns } from '../policy/model-patterns.ts';

export interface Client {
  readonly name: string;
  /** Where it is counted. */
  readonly place: number;
  /** undefined: all. */
  readonly groups: ReadonlySet<string> | undefined;
  readonly models: ModelPatterns | undefined;
}

/** A client of the configuration, with its place among the counters. */
export interface PlacedClient extends ClientConfig {
  readonly place: number;
}

export function clientOf({ name, place, groups, models }: PlacedClient): Client {
  return {
    name,
    place,
    groups: groups === undefined ? undefined : new Set(groups),
    models: models === undefined ? undefined : new ModelPatterns(models),
  };
}
