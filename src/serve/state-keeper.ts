// Between the key table and the state file: what was learned goes out in batches and comes back at
// the start, and when a key returns to the key file. Decides which stored row belongs to which key;
// how it is stored is store/'s business.

import type { Logger } from '../log/log.ts';
import type { Reason } from '../policy/reason.ts';
import { type KnownStatus, recall, takeChanged } from '../pool/keys/key-memory.ts';
import { UNPINNED } from '../pool/table/key-rows.ts';
import type { KeyTable } from '../pool/table/key-table.ts';
import { stateOf, VACANT } from '../pool/table/status-word.ts';
import type { UpstreamList } from '../pool/upstreams/upstream-list.ts';
import { type StateRow, StateStore } from '../store/sqlite/state-store.ts';
import { type StateSource, StateWriter } from '../store/sqlite/state-writer.ts';

/** Keeps the state file of one process. With no file, it does nothing. */
export class StateKeeper implements Disposable {
  readonly #table: KeyTable;
  readonly #upstreams: UpstreamList;
  readonly #store: StateStore;
  readonly #writer: StateWriter;

  /** @param path STATE_FILE; '' for none */
  constructor(path: string, log: Logger, table: KeyTable, upstreams: UpstreamList) {
    this.#table = table;
    this.#upstreams = upstreams;
    this.#store = StateStore.open(path, log);
    const source: StateSource = { changes: (everything) => this.#changes(everything) };
    const timeout = (act: () => void, delayMs: number) => {
      const timer = setTimeout(act, delayMs).unref();
      return () => clearTimeout(timer);
    };
    this.#writer = new StateWriter(this.#store, source, { now: () => performance.now(), timeout });
  }

  /**
   * Gives keys that have just come into the table what is stored about them.
   * @returns how many keys were remembered
   */
  restore(added: readonly number[], nowMs: number): number {
    const stored = new Map<string, StateRow[]>();
    for (const row of this.#store.load()) {
      const known = stored.get(row.keyId);
      if (known === undefined) stored.set(row.keyId, [row]);
      else known.push(row);
    }
    if (stored.size === 0) return 0;
    const present = this.#present(stored);
    this.#store.sweep((id) => present.has(id), nowMs);
    let remembered = 0;
    for (const row of added) {
      const known = stored.get(this.#idOf(row));
      if (known === undefined) continue;
      remembered += 1;
      for (const status of known) recall(this.#table, row, asKnown(status), nowMs);
    }
    return remembered;
  }

  /** Writes changes from now on, at most once a second. */
  start(): void {
    this.#writer.start();
  }

  /** The last batch, and the end of the file's use. */
  [Symbol.dispose](): void {
    this.#writer.stop();
    this.#store.close();
  }

  *#changes(everything: boolean): Generator<StateRow, void> {
    for (const { key, pin, ...status } of takeChanged(this.#table, everything)) {
      yield { ...status, keyId: this.#store.keyId(this.#bound(key, pin)) };
    }
  }

  /** Which of the stored names belong to keys that are in the table now. */
  #present(stored: ReadonlyMap<string, unknown>): Set<string> {
    const { rowCount } = this.#table.rows;
    const present = new Set<string>();
    for (let row = 0; row < rowCount; row++) {
      if (this.#isVacant(row)) continue;
      const id = this.#idOf(row);
      if (stored.has(id)) present.add(id);
    }
    return present;
  }

  #isVacant(row: number): boolean {
    return stateOf(this.#table.account.words.low(row)) === VACANT;
  }

  #idOf(row: number): string {
    const { rows } = this.#table;
    return this.#store.keyId(this.#bound(rows.key(row), rows.pin(row)));
  }

  /** The same key bound to another upstream is another key. */
  #bound(key: string, pin: number): string {
    return pin === UNPINNED ? key : `${key} ${this.#upstreams.get(pin).href}`;
  }
}

/** A word that this version does not know reads as nothing to remember. */
function asKnown({ state, reason, ...row }: StateRow): KnownStatus {
  const known = state === 'cooling' || state === 'dead' ? state : 'ok';
  return { ...row, state: known, reason: reason as Reason };
}
