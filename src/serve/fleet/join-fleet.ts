// From the configuration to this instance's membership in a fleet, or to none.

import { hostname } from 'node:os';
import type { Config } from '../../config/config.ts';
import { parseServerUrl } from '../../config/server-url.ts';
import type { Logger } from '../../log/log.ts';
import { FleetMemory } from '../../pool/fleet-memory.ts';
import type { GroupView } from '../../pool/group-view.ts';
import type { Runtime } from '../runtime.ts';
import type { SteadyClock } from '../steady-clock.ts';
import type { FleetMember } from './fleet-member.ts';
import type { OwnBooks } from './fleet-usage.ts';

/** What a member works with. */
export interface FleetHome {
  readonly log: Logger;
  readonly groups: { readonly views: readonly GroupView[] };
  /** From {@link FleetMemory}: what workers know of the fleet. */
  readonly memory: SharedArrayBuffer;
  readonly clock: SteadyClock;
  readonly usage: OwnBooks;
}

/** What this instance is called among others. */
export function instanceName({ port }: Config): string {
  return `${hostname()}:${port}`;
}

/**
 * Joins the fleet of FLEET_URL, in its own time: nothing waits for it. Undefined where there is
 * none.
 */
export async function joinFleet(
  config: Config,
  { identity: { version } }: Runtime,
  { log, groups, memory, clock, usage }: FleetHome,
): Promise<FleetMember | undefined> {
  const server = parseServerUrl(config.fleetUrl);
  if (server === undefined) return undefined;
  // Its modules are not worth loading where there is none.
  const { FleetMember } = await import('./fleet-member.ts');
  const options = {
    server,
    caFile: config.fleetCaFile,
    name: config.fleetName,
    secret: config.fleetSecret === '' ? config.authKey : config.fleetSecret,
    instance: instanceName(config),
    version,
    startedAtMs: clock.now(),
  };
  const views = () => groups.views;
  return new FleetMember(options, {
    log,
    groups: views,
    books: usage,
    memory: new FleetMemory(memory),
    now: clock.now,
    aheadMs: () => clock.memory.aheadMs,
  });
}
