// The groups of the process as the configuration was read last. What a new reading leaves as it was
// keeps its memory, its keys and what was learned about them; a request under way keeps the group
// that it has. Workers get the result as a whole (worker-groups.ts).

import { stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { DEFAULT_GROUP } from '../../config/group-settings.ts';
import type { GroupConfig, Grouping } from '../../config/grouping.ts';
import { shownGrouping } from '../../config/grouping-view.ts';
import type { Logger } from '../../log/log.ts';
import { ClientPlaces } from '../../pool/counts/client-counts.ts';
import {
  attachGroup,
  createGroup,
  type GroupStart,
  type GroupView,
} from '../../pool/group-view.ts';
import { carryOver } from '../../pool/keys/key-memory.ts';
import { MAX_KEYS } from '../../pool/table/table-memory.ts';
import type { StateKeeper } from '../state-keeper.ts';
import type { SteadyClock } from '../steady-clock.ts';
import type { ServedStart } from '../worker-protocol.ts';
import { GroupKeeper } from './group-keeper.ts';
import { releaseMemory } from './release-memory.ts';

/** A group of a file has room for so many keys, and for four times those that its key file has. */
const MIN_CAPACITY = 65_536;
const ROOM_TO_GROW = 4;
/** Shorter keys than this, line end included, are rare. */
const BYTES_PER_KEY = 16;

/** What all groups have in common. */
export interface GroupsHome {
  readonly workers: number;
  /** From pool/fleet-memory.ts. */
  readonly fleet: SharedArrayBuffer;
  readonly clock: SteadyClock;
}

/** One group with what the coordinator does for it. */
interface Member {
  readonly config: GroupConfig;
  readonly start: GroupStart;
  readonly view: GroupView;
  readonly keeper: GroupKeeper;
  readonly watch: Disposable;
}

export class GroupSet implements Disposable {
  readonly #state: StateKeeper;
  readonly #home: GroupsHome;
  readonly #log: Logger;
  #members: readonly Member[] = [];
  readonly #places = new ClientPlaces();
  #editions = 0;

  constructor(state: StateKeeper, home: GroupsHome, log: Logger) {
    this.#state = state;
    this.#home = home;
    this.#log = log;
    state.of(() => this.views);
  }

  get views(): readonly GroupView[] {
    return this.#members.map(({ view }) => view);
  }

  get keepers(): readonly GroupKeeper[] {
    return this.#members.map(({ keeper }) => keeper);
  }

  /** Keys found when the files were first read. */
  get keyCount(): number {
    return this.keepers.reduce((sum, { keyCount }) => sum + keyCount, 0);
  }

  /** What workers are to serve. */
  served(grouping: Grouping): ServedStart {
    const { file } = grouping;
    const clients = grouping.clients.map((client) => {
      return { ...client, place: this.#places.of(client.name) };
    });
    const groups = this.#members.map(({ start }) => start);
    return { groups, clients, hasFile: file !== undefined, shown: shownGrouping(grouping) };
  }

  /**
   * Makes the groups those of a reading. All or nothing: until the last of the new ones has its
   * keys, the old ones stay.
   * @throws ConfigError when a new group's key file cannot be used
   */
  async apply({ groups }: Grouping): Promise<void> {
    using entered = new DisposableStack();
    const members: Member[] = [];
    for (const config of groups) {
      const old = this.#members.find(({ config: { name } }) => name === config.name);
      const member = await this.#next(config, old);
      if (member.watch !== old?.watch) entered.use(member.watch);
      members.push(member);
    }
    entered.move();
    const gone = this.#members.filter(({ watch }) => members.every((next) => next.watch !== watch));
    // What is known of the keys of a group that goes is written before it does.
    if (gone.length > 0) {
      this.#state.flush();
      releaseMemory();
    }
    for (const { watch } of gone) watch[Symbol.dispose]();
    for (const { keeper, view } of members) keeper.adopt(view);
    this.#members = members;
  }

  [Symbol.dispose](): void {
    for (const { watch } of this.#members) watch[Symbol.dispose]();
  }

  async #next(config: GroupConfig, old: Member | undefined): Promise<Member> {
    if (old === undefined || !isSameHome(config, old.config)) return this.#enter(config, old);
    if (isDeepStrictEqual(config, old.config)) return old;
    const start = { ...old.start, settings: config.settings, edition: this.#edition() };
    const view = attachGroup(start);
    view.table.aside?.reconsiderAll(this.#home.clock.now());
    return { ...old, config, start, view };
  }

  /** A group with memory of its own; an old one of its name hands over what it has learned. */
  async #enter(config: GroupConfig, old: Member | undefined): Promise<Member> {
    const { name, settings } = config;
    const capacity = name === DEFAULT_GROUP ? MAX_KEYS : await capacityFor(settings.keysFile);
    const { workers, fleet, clock } = this.#home;
    const edition = this.#edition();
    const shared = { workers, fleet, clock: clock.memory.buffer };
    const size = { ...shared, epochMs: clock.now(), capacity };
    const start = { ...createGroup(name, settings, size), edition };
    const view = attachGroup(start);
    const keeper = new GroupKeeper(view, this.#state, this.#log, clock.now);
    const watch = await keeper.load();
    if (old !== undefined) carryOver(old.view, view, clock.now());
    return { config, start, view, keeper, watch };
  }

  #edition(): number {
    this.#editions += 1;
    return this.#editions;
  }
}

/** Its keys, and where they go, are the same: the memory in which they are can stay. */
function isSameHome({ settings: a }: GroupConfig, { settings: b }: GroupConfig): boolean {
  return a.keysFile === b.keysFile && isDeepStrictEqual(a.upstreams, b.upstreams);
}

async function capacityFor(keysFile: string): Promise<number> {
  const { size } = await stat(keysFile).catch(() => ({ size: 0 }));
  const wanted = (size / BYTES_PER_KEY) * ROOM_TO_GROW;
  return Math.min(MAX_KEYS, Math.max(MIN_CAPACITY, Math.ceil(wanted)));
}
