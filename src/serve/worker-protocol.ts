// What coordinator and workers tell each other. Key state is not among it: that is shared memory.

import type { KeyAction } from '../admin/dashboard/dashboard.ts';
import type { TrailQuestion } from '../admin/requests.ts';
import type { UsageAsked } from '../admin/usage.ts';
import type { Config } from '../config/config.ts';
import type { ShownGrouping } from '../config/grouping-view.ts';
import type { ListenAddress } from '../front/listen-address.ts';
import type { ListsOfModels } from '../front/model-list.ts';
import type { GroupStart } from '../pool/group-view.ts';
import type { LimitBuffers } from '../pool/limits/client-limits.ts';
import type { PlacedClient } from '../proxy/client.ts';
import type { UsageRow } from '../proxy/usage-tally.ts';
import type { TlsMaterial } from '../upstream/dial/tls-files.ts';

/** The memory that all threads share. */
export interface SharedMemory {
  readonly permits: SharedArrayBuffer;
  /** Where requests wait for a permit. */
  readonly permitLine: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly clients: SharedArrayBuffer;
  readonly clientLimits: LimitBuffers;
  readonly vitals: SharedArrayBuffer;
  /** Seats of those who have the page open. */
  readonly viewers: SharedArrayBuffer;
  /** From pool/trails/trail-pages.ts: what the last requests were. */
  readonly trails: SharedArrayBuffer;
  readonly fleet: SharedArrayBuffer;
  /** From pool/clock-memory.ts: the clock that nobody sets back. */
  readonly clock: SharedArrayBuffer;
}

/** Who is served with whose keys. */
export interface ServedStart {
  /** Every group, in the order of the configuration. */
  readonly groups: readonly GroupStart[];
  readonly clients: readonly PlacedClient[];
  /** The groups are those of gpt-load.toml, and paths may name them. */
  readonly hasFile: boolean;
  /** The same for /config. */
  readonly shown: ShownGrouping;
}

/** Everything that a worker has to know. */
export interface WorkerStart {
  readonly workerId: number;
  readonly served: ServedStart;
  /** With `workers` resolved to a number. */
  readonly config: Config;
  readonly version: string;
  readonly address: ListenAddress;
  /** Several workers listen on one port (SO_REUSEPORT). */
  readonly reusePort: boolean;
  /** Unix time in milliseconds. */
  readonly startedAtMs: number;
  readonly colour: boolean;
  /** Certificate and key to serve TLS with, as they were at the start; undefined: plain http. */
  readonly tls: TlsMaterial | undefined;
  readonly shared: SharedMemory;
  /** How this instance is called in its fleet; '' where it has none. */
  readonly instance: string;
}

/** How reading the key file again went. */
export interface ReloadReport {
  readonly ok: boolean;
  readonly message: string;
}

/** What the coordinator alone knows; undefined is the answer to what it cannot say. */
export type Question =
  | { readonly about: 'usage'; readonly asked: UsageAsked }
  | { readonly about: 'trails'; readonly trails: TrailQuestion }
  | { readonly about: 'tokens' }
  | { readonly about: 'fleet' }
  | { readonly about: 'key_tokens'; readonly group: string; readonly rows: readonly number[] }
  | { readonly about: 'history'; readonly sinceSeconds: number };

export type ToWorker =
  /** The first message, and never another. */
  | { readonly kind: 'start'; readonly start: WorkerStart }
  | { readonly kind: 'drain' }
  | { readonly kind: 'reload_tls' }
  | { readonly kind: 'serve'; readonly served: ServedStart }
  | { readonly kind: 'reloaded'; readonly id: number; readonly report: ReloadReport }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly kind: 'models'; readonly id: number; readonly lists: ListsOfModels };

export type FromWorker =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'listen_failed'; readonly message: string }
  | { readonly kind: 'log'; readonly lines: string }
  | { readonly kind: 'reset'; readonly id: number; readonly group: string | undefined }
  | { readonly kind: 'list_models'; readonly id: number }
  | { readonly kind: 'act'; readonly id: number; readonly action: KeyAction }
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question }
  | { readonly kind: 'usage'; readonly rows: readonly UsageRow[] }
  | { readonly kind: 'drained' };
