// The settings that belong to one group of keys and upstreams: those of the environment's variables
// that each group may have for itself, and those that only a group of gpt-load.toml has. What is
// not among them (server, TLS, log, state file) is the same for all groups.

import type { Config } from './config.ts';

/** The group that the environment and KEYS_FILE describe. */
export const DEFAULT_GROUP = 'default';

/** The variables that a group may set for itself, under their names in lower case. */
export const GROUP_FIELDS = [
  'keysFile',
  'startIndex',
  'blacklistThreshold',
  'keyCooldownMs',
  'keyCooldownMaxMs',
  'retryAfterMaxMs',
  'deadKeyProbeMs',
  'modelAccessMs',
  'affinity',
  'keyRpm',
  'keyTpm',
  'keyRpd',
  'keyConcurrency',
  'queueTimeoutMs',
  'forwardClientAddress',
  'upstreams',
  'maxRetries',
  'maxKeySwitches',
  'upstreamFailureThreshold',
  'upstreamCooldownMs',
  'requestTimeoutMs',
  'responseTimeoutMs',
  'firstEventTimeoutMs',
  'streamIdleTimeoutMs',
] as const satisfies readonly (keyof Config)[];

export type GroupField = (typeof GROUP_FIELDS)[number];

/** One group's share of the configuration. Plain and clonable, so that it can go to workers. */
export type GroupSettings = Readonly<Pick<Config, GroupField>> & {
  /** Patterns of the models that come here without a prefix; none: it is not chosen by model. */
  readonly models: readonly string[];
  /** Groups that are asked, in this order, when no key of this one can serve. */
  readonly fallback: readonly string[];
  /** Models by the names that clients use, and as the upstreams know them. */
  readonly alias: ReadonlyMap<string, string>;
  /** Names of fields that are not passed on, in lower case: those that are set among them. */
  readonly removeHeaders: readonly string[];
  /** Fields that every request gets, flat. */
  readonly setHeaders: readonly string[];
};

const NONE: Omit<GroupSettings, GroupField> = {
  models: [],
  fallback: [],
  alias: new Map(),
  removeHeaders: [],
  setHeaders: [],
};

/** The group that the environment describes. */
export function groupOfEnvironment(config: Config): GroupSettings {
  const own = Object.fromEntries(GROUP_FIELDS.map((field) => [field, config[field]]));
  return { ...(own as Pick<Config, GroupField>), ...NONE };
}
