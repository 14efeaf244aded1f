// The coordinator's care for one group: its keys are loaded and read again, what was learned about
// them comes back, idle lanes are reclaimed, and an upstream that rejects every key is suspected.

import type { ActionReport, KeyAction } from '../../admin/dashboard/dashboard.ts';
import { DEFAULT_GROUP } from '../../config/group-settings.ts';
import type { Logger } from '../../log/log.ts';
import { previewKey } from '../../policy/redact.ts';
import type { GroupView } from '../../pool/group-view.ts';
import { Suspicion } from '../../pool/suspicion.ts';
import { tellSuspects } from '../banner.ts';
import type { StateKeeper } from '../state-keeper.ts';
import type { ReloadReport } from '../worker-protocol.ts';
import { blacklist, GONE, isSameKey, release } from './key-actions.ts';
import { KeySource } from './key-source.ts';
import type { ModelCatalogue } from './model-catalogue.ts';

export class GroupKeeper {
  #group: GroupView;
  readonly #keys: KeySource;
  readonly #suspicion: Suspicion;
  readonly #log: Logger;
  readonly #now: () => number;
  #keyCount = 0;

  /** @param now milliseconds by the steady clock */
  constructor(group: GroupView, state: StateKeeper, log: Logger, now: () => number) {
    const { table, upstreams, settings } = group;
    const onAdded = (rows: readonly number[]): void => {
      const remembered = state.restore(group, rows);
      state.restoreResources(group);
      if (remembered > 0) log.info('key states restored from an earlier run', { keys: remembered });
    };
    this.#group = group;
    const { keysFile: path } = settings;
    const setting = group.name === DEFAULT_GROUP ? 'KEYS_FILE' : `[group.${group.name}] keys_file`;
    this.#keys = new KeySource({ path, setting, table, upstreams, log, now, onAdded });
    this.#suspicion = new Suspicion(table, upstreams);
    this.#log = log;
    this.#now = now;
  }

  get name(): string {
    return this.#group.name;
  }

  /** The same group with other settings. */
  adopt(view: GroupView): void {
    this.#group = view;
  }

  /** Why the key file was rejected when it was read last; '' when it was not. */
  get problem(): string {
    return this.#keys.problem;
  }

  /** Keys found when the file was first read. */
  get keyCount(): number {
    return this.#keyCount;
  }

  /**
   * Reads the keys for the first time, and again whenever the file changes, until disposed of.
   * @throws ConfigError when the file cannot be used
   */
  async load(): Promise<Disposable> {
    // Watched before it is read: a change in between must not go unseen.
    const watch = await this.#keys.watch();
    try {
      const { total } = await this.#keys.load(this.#group.settings.startIndex);
      this.#keyCount = total;
      return watch;
    } catch (error) {
      watch[Symbol.dispose]();
      throw error;
    }
  }

  /** Reads the key file again; never rejects. */
  readAgain(): void {
    void this.#keys.onRequest();
  }

  /** Does to a key, or to the key file, what an operator asks for. */
  async act(action: KeyAction, catalogue: ModelCatalogue): Promise<ActionReport> {
    if (action.action === 'add') return await this.#keys.append(action.text);
    const group = this.#group;
    const { row } = action;
    if (!isSameKey(group, action)) return GONE;
    const nowMs = this.#now();
    const preview = previewKey(group.table.rows.key(row));
    this.#log.info(`${action.action} by an operator`, { group: group.name, key: preview });
    if (action.action === 'blacklist') return blacklist(group, row, nowMs);
    const released = release(group, row, nowMs);
    if (action.action === 'release') return released;
    const found = await catalogue.probe(group, row);
    const messages = {
      works: 'the key works',
      refused: 'the upstream rejected the key',
      unavailable: 'the key cannot be checked now',
    };
    return { ok: found === 'works', message: messages[found] };
  }

  /** Reads the key file again and forgets what was learned about its keys. */
  reset(): Promise<ReloadReport> {
    return this.#keys.reset();
  }

  /** What is due once a second. */
  keepHouse(nowMs: number): void {
    this.#group.table.reclaimIdleLanes(nowMs);
    tellSuspects(this.#log, this.#suspicion.check(nowMs));
  }
}

/**
 * Resets every group, or the one of this name. The report is the first failure, if there is one.
 */
export async function resetGroups(
  all: readonly GroupKeeper[],
  name: string | undefined,
): Promise<ReloadReport> {
  const keepers = name === undefined ? all : all.filter((keeper) => keeper.name === name);
  const reports = await Promise.all(keepers.map((keeper) => keeper.reset()));
  const failed = reports.find(({ ok }) => !ok);
  return failed ?? reports[0] ?? { ok: false, message: 'there are no groups' };
}
