// Somebody who may send requests, as a worker knows it: what it may use. Recognising it by its key
// is front/auth's; its limits are the pool's.

import type { ClientConfig } from '../config/grouping.ts';
import { ModelPatterns } from '../policy/model-patterns.ts';

export interface Client {
  readonly name: string;
  /** undefined: all. */
  readonly groups: ReadonlySet<string> | undefined;
  readonly models: ModelPatterns | undefined;
}

export function clientOf({ name, groups, models }: ClientConfig): Client {
  return {
    name,
    groups: groups === undefined ? undefined : new Set(groups),
    models: models === undefined ? undefined : new ModelPatterns(models),
  };
}
