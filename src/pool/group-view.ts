// One group as a thread sees it: a name, settings, and the memory in which its keys, upstreams and
// counters are. Nothing here says how many groups there are.

import type { GroupSettings } from '../config/group-settings.ts';
import { AttemptCounts } from './counts/attempt-counts.ts';
import { WaitingLine } from './limits/waiting-line.ts';
import { ResourceKeys } from './resource-keys.ts';
import { KeyTable } from './table/key-table.ts';
import type { TableBuffers, TableSize } from './table/table-memory.ts';
import { type UpstreamBuffers, UpstreamPool } from './upstreams/upstream-pool.ts';

/** The memory of one group, which all threads share. */
export interface GroupMemory {
  readonly table: TableBuffers;
  readonly upstreams: UpstreamBuffers;
  readonly attempts: SharedArrayBuffer;
  readonly line: SharedArrayBuffer;
  readonly resources: SharedArrayBuffer;
}

/** A group as the coordinator hands it to a thread. */
export interface GroupStart {
  /** Another number, another memory or other settings. */
  readonly edition: number;
  readonly name: string;
  readonly settings: GroupSettings;
  readonly memory: GroupMemory;
}

/** A group as any thread may read it and change its keys' states. */
export interface GroupView {
  readonly name: string;
  readonly settings: GroupSettings;
  readonly table: KeyTable;
  readonly upstreams: UpstreamPool;
  readonly attempts: AttemptCounts;
  /** Where requests wait for a key that is busy. */
  readonly line: SharedArrayBuffer;
  /** Whose key knows which files, batches and stored responses. */
  readonly resources: ResourceKeys;
}

/**
 * Reserves the memory of a group.
 * @param size by default there is room for as many keys as there can be
 */
export function createGroup(name: string, settings: GroupSettings, size: TableSize): GroupStart {
  const table = KeyTable.create(size);
  const memory = {
    table,
    upstreams: UpstreamPool.create(settings.upstreams, size.epochMs, table.clock),
    attempts: AttemptCounts.create(),
    line: WaitingLine.create(),
    resources: ResourceKeys.create(),
  };
  return { edition: 0, name, settings, memory };
}

/** One thread's view of a group. */
export function attachGroup({ name, settings, memory }: GroupStart): GroupView {
  return {
    name,
    settings,
    table: KeyTable.attach(memory.table, settings),
    upstreams: UpstreamPool.attach(memory.upstreams, settings),
    attempts: new AttemptCounts(memory.attempts),
    line: memory.line,
    resources: new ResourceKeys(memory.resources),
  };
}
