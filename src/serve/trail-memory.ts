// What the coordinator answers of the last requests: their trails are in shared memory, whichever
// worker had them, and are read only when somebody asks.

import type { TrailQuestion } from '../admin/requests.ts';
import { shownTrail } from '../admin/shown-trail.ts';
import { shownText, type Trail } from '../log/trail.ts';
import { redactExact } from '../policy/redact.ts';
import type { TrailPages } from '../pool/trails/trail-pages.ts';
import { WrittenTrails } from '../pool/trails/trail-reader.ts';

/** A client has its answer a moment before its request is over, longer where it is encoded. */
const LATE_MS = 250;

export class TrailMemory {
  readonly #pages: TrailPages;
  readonly #authKey: string;

  /** @param authKey is shown in no trail, wherever a client may have put it */
  constructor(pages: TrailPages, authKey: string) {
    this.#pages = pages;
    this.#authKey = authKey;
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

  #list(question: Extract<TrailQuestion, { kind: 'list' }>): string {
    const sinceId = question.sinceId === undefined ? undefined : shownText(question.sinceId);
    const requests: object[] = [];
    let lastId: string | null = null;
    const trails = new WrittenTrails(this.#pages);
    for (const trail of trails.newestFirst()) {
      if (trail.id === sinceId) break;
      lastId ??= trail.id;
      if (fits(trail, question)) requests.push(shownTrail(trail));
      if (requests.length === question.limit) break;
    }
    const last_id = lastId ?? sinceId ?? null;
    const { dropped } = this.#pages;
    return this.#json({ requests, last_id, kept: trails.count, dropped });
  }

  #find(id: string): Trail | undefined {
    return new WrittenTrails(this.#pages).find(shownText(id));
  }

  #json(value: object): string {
    if (this.#authKey === '') return JSON.stringify(value);
    return JSON.stringify(value, (_, inner: unknown) =>
      typeof inner === 'string' ? redactExact(inner, [this.#authKey]) : inner,
    );
  }
}

function fits(trail: Trail, question: Extract<TrailQuestion, { kind: 'list' }>): boolean {
  const { client, group, model, status } = question;
  if (client !== undefined && client !== trail.clientName && client !== trail.client) return false;
  if (group !== undefined && group !== trail.groupName) return false;
  if (model !== undefined && model !== trail.model) return false;
  return status === undefined || (trail.status >= status.from && trail.status <= status.to);
}
