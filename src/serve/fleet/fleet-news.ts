// Between the key tables and what the fleet knows: takes what has changed here, puts in what is
// heard of others. The newest state of each key waits in the table itself, as a bit of its row, so
// that no queue grows while the server is away. Who is right is decided by the server's script;
// when to talk, by fleet-member.ts.

import type { Reason } from '../../policy/reason.ts';
import type { GroupView } from '../../pool/group-view.ts';
import { type ChangedKey, hear, markAll, takeChanged } from '../../pool/keys/key-memory.ts';
import type { FiledRecord, ToldRecord } from '../../store/valkey/fleet-store.ts';
import type { FleetSecret } from './fleet-secret.ts';
import { idOfRow, KeyIndex, type KeyPlace } from './key-index.ts';

/** A record that is on its way, and where it comes from. */
export interface Telling extends ToldRecord {
  readonly place: KeyPlace;
  readonly era: number;
}

/** What is known of a record: its generation, and our era in which that was the same here. */
interface Known {
  readonly generation: number;
  readonly era: number;
  readonly isOk: boolean;
  /** The reading of the whole in which it was last seen. */
  readonly reading: number;
  readonly place: KeyPlace;
  /** Which of the keys that were ever in that row it is about. */
  readonly life: number;
}

/** How this instance's clock and rank make what it hears its own. */
export interface Hearing {
  /** The server's clock minus ours. */
  readonly offsetMs: number;
  /** Our place among the living instances. */
  readonly rank: number;
  readonly nowMs: number;
}

/** Names of models come from clients: what is known for a longer one is not shared. */
const MAX_MODEL_LENGTH = 256;
/** Rests that are over, clears, and blacklistings that nobody probes any more are kept so long. */
const KEEP_MS = { cooling: 3_600_000, ok: 24 * 3_600_000, dead: 30 * 24 * 3_600_000 } as const;
/**
 * A dead key is probed by the one that told of it. Should it not, the next one tries so much later:
 * one probe in the whole fleet, without asking anybody first.
 */
export const PROBE_TURN_MS = 2_000;

/** In which nobody knows the same. */
const NO_ERA = -1;

export class FleetNews {
  readonly #secret: FleetSecret;
  readonly #self: string;
  readonly #groups: () => readonly GroupView[];
  readonly #known = new Map<string, Known>();
  #index: KeyIndex;
  #reading = 0;
  #told = 0;
  #heard = 0;

  constructor(secret: FleetSecret, self: string, groups: () => readonly GroupView[]) {
    this.#secret = secret;
    this.#self = self;
    this.#groups = groups;
    this.#index = KeyIndex.empty(secret);
  }

  /** Keys that are known here, records of the fleet about them, and news told and heard. */
  get counts(): { keys: number; records: number; told: number; heard: number } {
    const records = this.#known.size;
    return { keys: this.#index.size, records, told: this.#told, heard: this.#heard };
  }

  /** Whether keys came or went since {@link learnKeys}. */
  get areKeysNew(): boolean {
    return !this.#index.isAbout(this.#groups());
  }

  /** Learns which keys there are. The whole must be read afterwards. */
  async learnKeys(): Promise<void> {
    this.#index = await KeyIndex.of(this.#secret, this.#groups());
    const tables = new Set(this.#groups().map(({ table }) => table.buffers));
    for (const [field, { place }] of this.#known) {
      if (!tables.has(place.group.table.buffers)) this.#known.delete(field);
    }
  }

  /** Whether something has changed here that was not told yet. */
  get hasAny(): boolean {
    return this.#groups().some(({ table }) => table.news.next(0) >= 0);
  }

  /** All that is known here is news: for a server that knows nothing, or nothing any more. */
  tellAll(): void {
    this.#known.clear();
    for (const { table } of this.#groups()) markAll(table, table.news);
  }

  /** Takes what has changed, of some `limit` records; it is told once {@link told} is called. */
  take(limit: number, { offsetMs, nowMs }: Hearing): Telling[] {
    const taken: Telling[] = [];
    for (const group of this.#groups()) {
      let last = -1;
      for (const change of takeChanged(group.table, false, group.table.news)) {
        // A row's records stay together: the row that is too many waits as a whole.
        if (taken.length >= limit && change.row !== last) {
          group.table.news.add(change.row);
          return taken;
        }
        last = change.row;
        const telling = this.#telling({ group, row: change.row }, change, offsetMs, nowMs);
        if (telling !== undefined) taken.push(telling);
      }
    }
    return taken;
  }

  #telling(
    place: KeyPlace,
    change: ChangedKey,
    offsetMs: number,
    nowMs: number,
  ): Telling | undefined {
    const { model, state, era } = change;
    if (model.length > MAX_MODEL_LENGTH) return undefined;
    const field = `${idOfRow(this.#secret, place)}:${model}`;
    const known = this.#knownOf(field);
    const isOk = state === 'ok';
    // Both know the same; or there is nothing to be known.
    if (known !== undefined && known.era === era && known.isOk === isOk) return undefined;
    const isOver = isOk || (state === 'cooling' && change.untilMs <= nowMs);
    if (known === undefined && isOver) return undefined;
    const untilMs = isOk ? 0 : change.untilMs + offsetMs;
    const times = { atMs: change.triedMs + offsetMs, sinceMs: change.sinceMs + offsetMs, untilMs };
    const { restCount, deadCount, reason } = change;
    const generation = known?.generation ?? 0;
    return { place, field, era, generation, state, ...times, restCount, deadCount, reason };
  }

  /** The server knows these now, in these generations; 0: it knows better, and will say so. */
  told(tellings: readonly Telling[], generations: readonly number[]): void {
    for (const [at, { field, place, era, generation: base, state }] of tellings.entries()) {
      const generation = generations[at] || base;
      if (generation > 0) this.#learn(field, place, { generation, era, isOk: state === 'ok' });
      this.#told += 1;
    }
  }

  /** These were not told: they are news still. */
  giveBack(tellings: readonly Telling[]): void {
    for (const { place } of tellings) place.group.table.news.add(place.row);
  }

  /**
   * Takes over what another instance has told.
   * @param isNow it is what the server knows now, not what it once was told
   */
  hear({ field, record }: FiledRecord, { offsetMs, rank, nowMs }: Hearing, isNow = false): void {
    const known = this.#knownOf(field);
    if (known !== undefined && record.generation <= known.generation) {
      // It knew more before, as after a failover: what is known here is news to it.
      const isUndone = isNow && record.generation < known.generation;
      const era = isUndone ? NO_ERA : known.era;
      this.#known.set(field, { ...known, era, reading: this.#reading });
      if (isUndone) known.place.group.table.news.add(known.place.row);
      return;
    }
    const colon = field.indexOf(':');
    const place = this.#index.find(field.slice(0, colon));
    if (place === undefined) return;
    const { state, by, restCount, deadCount } = record;
    const turnMs = state === 'dead' && by !== this.#self ? PROBE_TURN_MS * (1 + rank) : 0;
    const heard = {
      model: field.slice(colon + 1),
      state,
      reason: record.reason as Reason,
      untilMs: record.untilMs - offsetMs + turnMs,
      sinceMs: record.sinceMs - offsetMs,
      atMs: record.atMs - offsetMs,
      restCount,
      deadCount,
      era: known?.era ?? -1,
    };
    const era = hear(place.group.table, place.row, heard, nowMs);
    const { generation } = record;
    this.#learn(field, place, { generation, era, isOk: state === 'ok' });
    this.#heard += 1;
  }

  #learn(field: string, place: KeyPlace, what: Pick<Known, 'generation' | 'era' | 'isOk'>): void {
    const life = place.group.table.rows.life[place.row] ?? 0;
    this.#known.set(field, { ...what, place, life, reading: this.#reading });
  }

  /** Undefined also where the row has another key by now. */
  #knownOf(field: string): Known | undefined {
    const known = this.#known.get(field);
    if (known === undefined) return undefined;
    const { group, row } = known.place;
    return group.table.rows.life[row] === known.life ? known : undefined;
  }

  /** The whole is read from now on: what is not in it is not known to the server. */
  beginReading(): void {
    this.#reading += 1;
  }

  /** The whole was read. What it should have had and had not is news again. */
  endReading(): void {
    for (const [field, { reading }] of this.#known) {
      if (reading === this.#reading) continue;
      this.#known.delete(field);
      const place = this.#index.find(field.slice(0, field.indexOf(':')));
      place?.group.table.news.add(place.row);
    }
  }

  /** Whether a record is of no use to anybody any more. */
  isStale({ record }: FiledRecord, { offsetMs, nowMs }: Hearing): boolean {
    const endMs = record.state === 'ok' ? record.atMs : record.untilMs;
    return endMs + KEEP_MS[record.state] < nowMs + offsetMs;
  }
}
