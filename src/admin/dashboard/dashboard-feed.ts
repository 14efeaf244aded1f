// GET /dashboard/events: what changed, once a second, to whoever has the page open (server-sent
// events). One frame is made for all viewers of a worker, and none where nobody looks.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Alert } from '../../policy/alert-message.ts';
import type { Semaphore } from '../../pool/semaphore.ts';
import { sendError } from '../../proxy/answer/own-answer.ts';
import { TOO_MANY_VIEWERS } from '../../proxy/answer/own-errors.ts';
import { type LiveSources, liveState } from './dashboard-state.ts';

/** What the coordinator remembers; see serve/dashboard-history.ts. */
export interface History {
  readonly recent: readonly (readonly number[])[];
  readonly minutes: readonly (readonly number[])[];
  readonly changes: readonly Alert[];
  /** Why the last reading of a file changed nothing. */
  readonly problems: readonly string[];
}

export type AskHistory = (sinceSeconds: number) => Promise<History | undefined>;

/** Viewers of all workers together; one more polls. */
export const MAX_VIEWERS = 32;
const FRAME_MS = 1_000;
/** A viewer that has left so much unread is let go; its page comes back. */
const MAX_UNREAD_BYTES = 1024 * 1024;

export class DashboardFeed {
  readonly #sources: LiveSources;
  readonly #seats: Semaphore;
  readonly #history: AskHistory;
  readonly #viewers = new Map<ServerResponse, number>();
  #timer: NodeJS.Timeout | undefined;
  #sinceSeconds = 0;

  constructor(sources: LiveSources, seats: Semaphore, history: AskHistory) {
    this.#sources = sources;
    this.#seats = seats;
    this.#history = history;
  }

  /** 200 and an endless stream, or 503 where all seats are taken. */
  open(_request: IncomingMessage, response: ServerResponse): void {
    const seat = this.#seats.acquire();
    if (seat < 0) {
      sendError(response, TOO_MANY_VIEWERS);
      return;
    }
    response.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      'X-Accel-Buffering': 'no',
      'X-Content-Type-Options': 'nosniff',
    });
    response.flushHeaders();
    this.#viewers.set(response, seat);
    response.on('close', () => {
      this.#viewers.delete(response);
      this.#seats.release(seat);
      if (this.#viewers.size === 0) this.#stop();
    });
    if (this.#timer !== undefined) return;
    this.#sinceSeconds = Date.now() / 1000;
    this.#timer = setInterval(() => void this.#frame(), FRAME_MS).unref();
  }

  /** Shutdown: every page is told that it is over. */
  drain(): void {
    for (const viewer of this.#viewers.keys()) viewer.end('event: bye\ndata: {}\n\n');
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #frame(): Promise<void> {
    const nowMs = Date.now();
    const news = await this.#history(this.#sinceSeconds).catch(() => undefined);
    this.#sinceSeconds = nowMs / 1000 - 1;
    const live = liveState(this.#sources, nowMs);
    const frame = `data: ${JSON.stringify({ ...live, news })}\n\n`;
    for (const viewer of this.#viewers.keys()) {
      if (viewer.writableLength > MAX_UNREAD_BYTES) viewer.destroy();
      else viewer.write(frame);
    }
  }
}
