// The settings that belong to one group of keys and upstreams. What is not among them (server, TLS,
// log, state file) is the same for all groups.

import type { Config } from './config.ts';

/** The group that the environment and KEYS_FILE describe. */
export const DEFAULT_GROUP = 'default';

/** One group's share of the configuration. */
export type GroupSettings = Readonly<
  Pick<
    Config,
    | 'keysFile'
    | 'startIndex'
    | 'blacklistThreshold'
    | 'keyCooldownMs'
    | 'keyCooldownMaxMs'
    | 'deadKeyProbeMs'
    | 'modelAccessMs'
    | 'upstreams'
    | 'maxRetries'
    | 'upstreamFailureThreshold'
    | 'upstreamCooldownMs'
    | 'requestTimeoutMs'
    | 'responseTimeoutMs'
    | 'firstEventTimeoutMs'
    | 'streamIdleTimeoutMs'
  >
>;
