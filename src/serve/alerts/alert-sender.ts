// Sends alerts to the webhook, one after the other, again when it fails, and gives up after some
// minutes: nothing waits for it. The webhook's address is a secret and is never logged.

import type { Logger } from '../../log/log.ts';
import type { Alert } from '../../policy/alert-message.ts';
import type { Refusal } from './webhook.ts';

/** Alerts that wait; of more the oldest goes, and is logged like all. */
const MAX_WAITING = 100;
/** Pauses between the tries of one alert, in milliseconds: some four minutes in all. */
const PAUSES_MS = [1_000, 5_000, 15_000, 60_000, 180_000];
/** A webhook that wants to be left alone for longer is asked again after this, in milliseconds. */
const MAX_RETRY_AFTER_MS = 600_000;

export interface AlertSenderParts {
  /** Brings one alert to the webhook; undefined: it was taken. Never rejects. */
  readonly deliver: (alert: Alert) => Promise<Refusal | undefined>;
  readonly log: Logger;
  /** Pauses between tries, in milliseconds. */
  readonly pausesMs?: readonly number[];
}

export class AlertSender implements Disposable {
  readonly #parts: AlertSenderParts;
  readonly #waiting: Alert[] = [];
  #isSending = false;
  #stop: (() => void) | undefined;
  #isStopped = false;

  constructor(parts: AlertSenderParts) {
    this.#parts = parts;
  }

  /** Takes an alert; it is sent when those before it are. Never throws. */
  send(alert: Alert): void {
    if (this.#isStopped) return;
    if (this.#waiting.length >= MAX_WAITING) {
      const lost = this.#waiting.shift();
      this.#parts.log.warn('alert dropped: too many are waiting', { event: lost?.event });
    }
    this.#waiting.push(alert);
    if (!this.#isSending) void this.#run();
  }

  [Symbol.dispose](): void {
    this.#isStopped = true;
    this.#stop?.();
  }

  async #run(): Promise<void> {
    this.#isSending = true;
    for (let alert = this.#waiting.shift(); alert !== undefined; alert = this.#waiting.shift()) {
      await this.#deliver(alert);
    }
    this.#isSending = false;
  }

  async #deliver(alert: Alert): Promise<void> {
    const { log, deliver, pausesMs = PAUSES_MS } = this.#parts;
    const { event, group } = alert;
    for (let attempt = 0; !this.#isStopped; attempt++) {
      const refusal = await deliver(alert);
      if (refusal === undefined) {
        log.info('alert sent', { event, group });
        return;
      }
      const pauseMs = pausesMs[attempt];
      if (pauseMs === undefined || refusal.isFinal) {
        log.warn('alert could not be sent', { event, group, why: refusal.why });
        return;
      }
      const { retryAfterMs = 0 } = refusal;
      await this.#pause(Math.max(pauseMs, Math.min(retryAfterMs, MAX_RETRY_AFTER_MS)));
    }
  }

  #pause(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      timer.unref();
      this.#stop = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
