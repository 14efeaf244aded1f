// What the books of usage are asked, and what they answer: for those too that have no database.

/** How long it is kept. */
export const KEEP_USAGE_DAYS = 92;

/** The numbers of one row. */
export interface UsageSums {
  readonly requests: number;
  readonly failed: number;
  /** Successful ones whose answers named no usage. */
  readonly unknown: number;
  readonly input: number;
  readonly cached: number;
  readonly cacheWrite: number;
  readonly output: number;
  readonly reasoning: number;
}

/** Sums of one hour, client, group, model and key. */
export interface StoredUsage extends UsageSums {
  /** Hours since 1970, UTC. */
  readonly hour: number;
  readonly client: string;
  readonly group: string;
  readonly model: string;
  /** What the key is called in this file; '' for none. */
  readonly keyId: string;
  readonly keyPreview: string;
}

export const USAGE_DIMENSIONS = ['client', 'group', 'model', 'key'] as const;
export type UsageDimension = (typeof USAGE_DIMENSIONS)[number];

/** What is asked: sums from one hour up to before another. */
export interface UsageQuestion {
  readonly fromHour: number;
  readonly toHour: number;
  readonly by: 'hour' | 'day';
  readonly groupBy: readonly UsageDimension[];
}

/** One row of the answer; dimensions that were not asked for are ''. */
export interface UsageAnswer extends UsageSums {
  /** Hours since 1970, UTC, at which the hour or day begins. */
  readonly hour: number;
  readonly client: string;
  readonly group: string;
  readonly model: string;
  readonly key: string;
  /** Dollars, of the models that have a price; undefined: nothing is known of prices. */
  readonly cost?: number;
  /** Some of its models have no price. */
  readonly isCostPartial?: boolean;
}
