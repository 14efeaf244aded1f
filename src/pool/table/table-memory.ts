// The memory of a key table: what it consists of, and how much of it there is. Unused rows cost
// address space only. What stands in it is key-table.ts.

import { ClockMemory } from '../clock-memory.ts';
import { FleetMemory } from '../fleet-memory.ts';
import { KeyQuotas } from '../limits/key-quotas.ts';
import { bitmapBytes } from './bitmap.ts';
import { KeyRows, type RowBuffers } from './key-rows.ts';
import { BLOCK_ROWS, laneBytes } from './lane.ts';
import { ACCOUNT, LaneDirectory, MAX_LANES } from './lane-directory.ts';
import { ModelRests } from './model-rests.ts';

/** Keys that a table can hold, unless told otherwise. Unused rows cost address space only. */
export const MAX_KEYS = 2 ** 21;
/**
 * The table's clock starts so long before the process, for what a state file tells of earlier days.
 */
const HISTORY_MS = 400 * 24 * 3_600_000;

/** Goes into `workerData` as it is: nothing in it is copied. */
export interface TableBuffers extends RowBuffers {
  /** When the table's ticks begin, by the steady clock (clock-memory.ts). */
  readonly epochMs: number;
  readonly lanes: readonly SharedArrayBuffer[];
  readonly directory: SharedArrayBuffer;
  readonly changed: SharedArrayBuffer;
  readonly news: SharedArrayBuffer;
  /** What is known of the fleet, the same for all groups. */
  readonly fleet: SharedArrayBuffer;
  /** How the wall clock differs from the one that the table goes by. */
  readonly clock: SharedArrayBuffer;
  /** What keys may be asked; of use once some key, or the group, has a limit. */
  readonly quotas: SharedArrayBuffer;
  /** A lane for keys that have reached a limit of their own. */
  readonly full: SharedArrayBuffer;
  /** Rests for models that have no lane. */
  readonly modelRests: SharedArrayBuffer;
  /** Workers that may hold leases, the coordinator among them. */
  readonly workers: number;
}

/** For how many keys, workers, and from which moment on (milliseconds by the steady clock). */
export interface TableSize {
  readonly epochMs: number;
  readonly capacity?: number;
  readonly workers?: number;
  /** From {@link FleetMemory}; by default there is no fleet. */
  readonly fleet?: SharedArrayBuffer;
  /** From {@link ClockMemory}; by default nobody sets the clock. */
  readonly clock?: SharedArrayBuffer;
}

/** Reserves the memory of a table. `capacity` is rounded up to a block. */
export function reserveTable(size: TableSize): TableBuffers {
  const { epochMs, capacity, workers = 1, fleet, clock } = size;
  const rows = Math.ceil(Math.max(1, capacity ?? MAX_KEYS) / BLOCK_ROWS) * BLOCK_ROWS;
  const lanes = Array.from({ length: MAX_LANES }, () => {
    return new SharedArrayBuffer(0, { maxByteLength: laneBytes(rows) });
  });
  lanes[ACCOUNT]?.grow(laneBytes(rows));
  return {
    ...KeyRows.create(rows),
    epochMs: epochMs - HISTORY_MS,
    lanes,
    directory: LaneDirectory.create(),
    changed: new SharedArrayBuffer(bitmapBytes(rows)),
    news: new SharedArrayBuffer(bitmapBytes(rows)),
    fleet: fleet ?? FleetMemory.create(),
    clock: clock ?? ClockMemory.create(),
    quotas: KeyQuotas.create(rows, workers + 1),
    full: new SharedArrayBuffer(0, { maxByteLength: laneBytes(rows) }),
    modelRests: ModelRests.create(),
    workers: workers + 1,
  };
}
