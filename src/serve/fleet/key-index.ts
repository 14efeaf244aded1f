// Finds the row of a key by the id that the fleet has for it, over all groups: 16 bytes for each
// key, and made in slices, so that a million keys delay nobody.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { GroupView } from '../../pool/group-view.ts';
import { boundName } from '../../pool/keys/key-memory.ts';
import { stateOf, VACANT } from '../../pool/table/status-word.ts';
import type { FleetSecret } from './fleet-secret.ts';

/** Keys between two turns of the event loop: some 2 ms. */
const SLICE_KEYS = 500;

/** Where a key is. */
export interface KeyPlace {
  readonly group: GroupView;
  readonly row: number;
}

/** The id of the key in a row as it is now. */
export function idOfRow(secret: FleetSecret, { group, row }: KeyPlace): string {
  const { rows } = group.table;
  return secret.idOf(group.name, boundName(group, rows.key(row), rows.pin(row)));
}

export class KeyIndex {
  readonly #secret: FleetSecret;
  readonly groups: readonly GroupView[];
  readonly #editions: readonly number[];
  /** Place of an entry plus 1, in the order of the ids' hashes as far as there is room. */
  readonly #slots: Int32Array;
  readonly #tags: Int32Array;
  readonly #rows: Int32Array;
  readonly #groupOf: Int32Array;
  #count = 0;

  private constructor(secret: FleetSecret, groups: readonly GroupView[]) {
    const rows = groups.reduce((sum, { table }) => sum + table.rows.rowCount, 0);
    this.#secret = secret;
    this.groups = groups;
    this.#editions = groups.map(({ table }) => table.rows.edition);
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * rows + 2)));
    this.#tags = new Int32Array(rows);
    this.#rows = new Int32Array(rows);
    this.#groupOf = new Int32Array(rows);
  }

  static empty(secret: FleetSecret): KeyIndex {
    return new KeyIndex(secret, []);
  }

  /** The keys of these groups as they are now. */
  static async of(secret: FleetSecret, groups: readonly GroupView[]): Promise<KeyIndex> {
    const index = new KeyIndex(secret, groups);
    for (const [at, group] of groups.entries()) {
      const { rows, account } = group.table;
      for (let row = 0; row < rows.rowCount; row++) {
        if (stateOf(account.words.low(row)) === VACANT) continue;
        index.#add(idOfRow(secret, { group, row }), at, row);
        if (row % SLICE_KEYS === SLICE_KEYS - 1) await nextTurn();
      }
    }
    return index;
  }

  get size(): number {
    return this.#count;
  }

  /** Whether it is about these groups, and no key of theirs came or went. */
  isAbout(groups: readonly GroupView[]): boolean {
    if (groups.length !== this.groups.length) return false;
    return groups.every((group, at) => {
      const { table } = group;
      const known = this.groups[at]?.table;
      return known?.buffers === table.buffers && this.#editions[at] === table.rows.edition;
    });
  }

  /** Where the key of this id is; undefined: no group has it. */
  find(id: string): KeyPlace | undefined {
    const [slot, tag] = hashOf(id);
    const mask = this.#slots.length - 1;
    for (let at = slot & mask; ; at = (at + 1) & mask) {
      const entry = (this.#slots[at] ?? 0) - 1;
      if (entry < 0) return undefined;
      if (this.#tags[entry] !== tag) continue;
      const group = this.groups[this.#groupOf[entry] ?? 0];
      const place = group === undefined ? undefined : { group, row: this.#rows[entry] ?? 0 };
      // Another key may be there by now.
      if (place !== undefined && idOfRow(this.#secret, place) === id) return place;
    }
  }

  #add(id: string, group: number, row: number): void {
    if (this.#count === this.#rows.length) return;
    const [slot, tag] = hashOf(id);
    const mask = this.#slots.length - 1;
    let at = slot & mask;
    while (this.#slots[at] !== 0) at = (at + 1) & mask;
    this.#tags[this.#count] = tag;
    this.#rows[this.#count] = row;
    this.#groupOf[this.#count] = group;
    this.#count += 1;
    this.#slots[at] = this.#count;
  }
}

/** Two independent numbers of an id, which is random itself. */
function hashOf(id: string): [number, number] {
  const bytes = Buffer.from(id.slice(0, 12), 'base64url');
  return bytes.length < 8 ? [0, 0] : [bytes.readInt32LE(0), bytes.readInt32LE(4)];
}
