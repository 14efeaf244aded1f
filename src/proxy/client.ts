// A client that may send requests, as a worker knows it: what it may use. Recognising it by its key
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
  /** Requests in any minute, and at once; 0: no limit. */
  readonly rpm: number;
  readonly concurrency: number;
  /** In a UTC day; 0: no limit. */
  readonly tokensPerDay: number;
}

/** A client of the configuration, with its place among the counters. */
export interface PlacedClient extends ClientConfig {
  readonly place: number;
}

export function clientOf(client: PlacedClient): Client {
  const { name, place, groups, models, rpm, concurrency, tokensPerDay } = client;
  return {
    name,
    place,
    groups: groups === undefined ? undefined : new Set(groups),
    models: models === undefined ? undefined : new ModelPatterns(models),
    rpm,
    concurrency,
    tokensPerDay,
  };
}
