// The trails of the last requests, in the coordinator: what workers send is kept as it came, and
// read only when somebody asks. Bounded in requests and in bytes; the oldest go first.

import type { TrailQuestion } from '../admin/requests.ts';
import { shownTrail } from '../admin/shown-trail.ts';
import { shownText, type Trail } from '../log/trail.ts';
import { TRAIL_DELAY_MS, type TrailBatch } from '../log/trail-batch.ts';
import { readTrails, TrailSheet } from '../log/trail-sheet.ts';
import { redactExact } from '../policy/redact.ts';

/** Requests that are remembered. */
export const MAX_TRAILS = 10_000;
/** What they may take in all; a usual one takes 160 bytes. */
export const MAX_TRAIL_BYTES = 16 * 1024 * 1024;
/** So many batches of fewer requests each become one: a batch by itself takes more than they do. */
const MERGED_BATCHES = 64;
const MAX_MERGED_TRAILS = 512;
/** A request that has just ended is known by then, whichever worker had it. */
const LATE_MS = 2 * TRAIL_DELAY_MS;

/** The last requests of all workers. */
export class TrailMemory {
  readonly #authKey: string;
  readonly #batches: TrailBatch[] = [];
  readonly #sheet = new TrailSheet();
  #count = 0;
  #bytes = 0;
  #dropped = 0;

  /** @param authKey is shown in no trail, wherever a client may have put it */
  constructor(authKey: string) {
    this.#authKey = authKey;
  }

  /** Keeps a batch, and forgets what is beyond the bounds. */
  take(batch: TrailBatch): void {
    this.#batches.push(batch);
    this.#count += batch.count;
    this.#bytes += batch.bytes;
    this.#dropped += batch.dropped;
    this.#merge();
    for (;;) {
      const oldest = this.#batches[0];
      if (oldest === undefined) return;
      const isSpare = this.#count - oldest.count >= MAX_TRAILS || this.#bytes > MAX_TRAIL_BYTES;
      if (!isSpare) return;
      this.#batches.shift();
      this.#count -= oldest.count;
      this.#bytes -= oldest.bytes;
    }
  }

  /** The answer as JSON; null: there is no request of this id. */
  async answer(question: TrailQuestion): Promise<string | null> {
    if (question.kind === 'list') return this.#list(question);
    const found = this.#find(question.id);
    if (found !== undefined) return this.#json(shownTrail(found));
    await new Promise((resolve) => setTimeout(resolve, LATE_MS));
    const late = this.#find(question.id);
    return late === undefined ? null : this.#json(shownTrail(late));
  }

  /** Quiet times bring batches of one request. */
  #merge(): void {
    const few = this.#batches.slice(-MERGED_BATCHES);
    const count = few.reduce((sum, one) => sum + one.count, 0);
    const isWorthIt = few.every((one) => one.count < MERGED_BATCHES) && count <= MAX_MERGED_TRAILS;
    if (few.length < MERGED_BATCHES || !isWorthIt) return;
    const isWhole = few.every((one) => readTrails(one).every((trail) => this.#sheet.write(trail)));
    const merged = { ...this.#sheet.take(), dropped: 0 };
    if (!isWhole) return;
    this.#batches.splice(-MERGED_BATCHES, MERGED_BATCHES, merged);
    this.#bytes += merged.bytes - few.reduce((sum, one) => sum + one.bytes, 0);
  }

  #list(question: Extract<TrailQuestion, { kind: 'list' }>): string {
    const sinceId = question.sinceId === undefined ? undefined : shownText(question.sinceId);
    const requests: object[] = [];
    let lastId: string | null = null;
    for (const trail of this.#newestFirst()) {
      if (trail.id === sinceId) break;
      lastId ??= trail.id;
      if (fits(trail, question)) requests.push(shownTrail(trail));
      if (requests.length === question.limit) break;
    }
    const kept = Math.min(this.#count, MAX_TRAILS);
    const last_id = lastId ?? sinceId ?? null;
    return this.#json({ requests, last_id, kept, dropped: this.#dropped });
  }

  #find(id: string): Trail | undefined {
    const wanted = shownText(id);
    return this.#newestFirst(wanted).find((trail) => trail.id === wanted);
  }

  /** @param sought only batches that may have this id are read; '': all */
  *#newestFirst(sought = ''): Generator<Trail, undefined> {
    let left = MAX_TRAILS;
    for (const batch of this.#batches.toReversed()) {
      if (mayHave(batch, sought)) yield* readTrails(batch).slice(-left).reverse();
      left -= batch.count;
      if (left <= 0) return;
    }
  }

  #json(value: object): string {
    if (this.#authKey === '') return JSON.stringify(value);
    return JSON.stringify(value, (_, inner: unknown) =>
      typeof inner === 'string' ? redactExact(inner, [this.#authKey]) : inner,
    );
  }
}

/** Whether an id may be in it, as a text or as the number of one. */
function mayHave({ texts, idPrefix }: TrailBatch, id: string): boolean {
  return texts.includes(id) || (idPrefix !== '' && id.startsWith(idPrefix));
}

function fits(trail: Trail, question: Extract<TrailQuestion, { kind: 'list' }>): boolean {
  const { client, group, model, status } = question;
  if (client !== undefined && client !== trail.clientName && client !== trail.client) return false;
  if (group !== undefined && group !== trail.groupName) return false;
  if (model !== undefined && model !== trail.model) return false;
  return status === undefined || (trail.status >= status.from && trail.status <= status.to);
}
