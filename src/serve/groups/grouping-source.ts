// The configuration of groups and clients while the program runs: read again when its file changes
// and on SIGHUP. A bad file changes nothing, and every problem is told.

import type { Grouping } from '../../config/grouping.ts';
import { ConfigError } from '../../errors.ts';
import type { Logger } from '../../log/log.ts';
import { FileWatch } from '../../store/file-watch.ts';

export interface GroupingSourceParts {
  /** CONFIG_FILE; '' for none. */
  readonly path: string;
  readonly read: () => Promise<Grouping>;
  /** Makes a reading the one in force. Rejects with a ConfigError when it cannot be. */
  readonly apply: (grouping: Grouping) => Promise<void>;
  readonly log: Logger;
}

/** Reads one after the other: of readings asked for at once, the next includes the others. */
export class GroupingSource {
  readonly #parts: GroupingSourceParts;
  #file: string | undefined;
  #problems: readonly string[] = [];
  #last: Promise<void> = Promise.resolve();
  #isWaiting = false;

  constructor(parts: GroupingSourceParts) {
    this.#parts = parts;
  }

  /**
   * The first reading.
   * @throws ConfigError
   */
  load(): Promise<Grouping> {
    const loading = this.#load();
    // A change that is noticed meanwhile is read after it.
    this.#last = loading.then(
      () => undefined,
      () => undefined,
    );
    return loading;
  }

  async #load(): Promise<Grouping> {
    const grouping = await this.#parts.read();
    await this.#parts.apply(grouping);
    this.#file = grouping.file;
    return grouping;
  }

  /** Why the last reading changed nothing; none when it was good. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  /** Reads again whenever the file changes, until disposed of. */
  async watch(): Promise<Disposable> {
    const { path } = this.#parts;
    if (path === '') return { [Symbol.dispose]: () => {} };
    return await FileWatch.start(path, () => this.readAgain());
  }

  /** Never rejects. */
  readAgain(): Promise<void> {
    if (this.#isWaiting) return this.#last;
    this.#isWaiting = true;
    this.#last = this.#last.then(() => {
      this.#isWaiting = false;
      return this.#again();
    });
    return this.#last;
  }

  async #again(): Promise<void> {
    const { path, read, apply, log } = this.#parts;
    try {
      const grouping = await read();
      if (grouping.file === undefined && this.#file === undefined) return;
      if (grouping.file === undefined) throw new ConfigError([`${path}: no such file`]);
      await apply(grouping);
      this.#problems = [];
      this.#file = grouping.file;
      const { groups, clients } = grouping;
      log.info('configuration reloaded', {
        file: path,
        groups: groups.length,
        clients: clients.length,
      });
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#problems = error.problems;
      log.error('configuration rejected; still using the previous one', { file: path });
      for (const problem of error.problems) log.error(problem);
    }
  }
}
