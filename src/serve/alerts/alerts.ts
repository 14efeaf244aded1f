// Alerts by webhook: looks once a second and sends what is news. Without ALERT_WEBHOOK_URL nothing
// of it exists.

import type { Config } from '../../config/config.ts';
import type { Logger } from '../../log/log.ts';
import type { GroupView } from '../../pool/group-view.ts';
import { AlertSender } from './alert-sender.ts';
import { AlertWatch } from './alert-watch.ts';
import { Webhook } from './webhook.ts';

/** A look is a pass over all keys: with very many it is taken less often. */
const MANY_KEYS = 100_000;
const LOOK_OF_MANY_MS = 5_000;

export class Alerts implements Disposable {
  readonly #watch: AlertWatch;
  readonly #sender: AlertSender;
  #lookedMs = 0;

  private constructor(config: Config, log: Logger, nowMs: number) {
    const webhook = new Webhook(config);
    this.#watch = new AlertWatch(nowMs);
    this.#sender = new AlertSender({ deliver: (alert) => webhook.send(alert), log });
  }

  /** undefined: nobody wants to be told. @param nowMs by the steady clock, as all times here */
  static of(config: Config, log: Logger, nowMs: number): Alerts | undefined {
    return config.alertWebhookUrl === '' ? undefined : new Alerts(config, log, nowMs);
  }

  /** What is due once a second. */
  keepHouse(groups: readonly GroupView[], nowMs: number): void {
    const keys = groups.reduce((sum, { table }) => sum + table.rows.rowCount, 0);
    if (keys > MANY_KEYS && nowMs - this.#lookedMs < LOOK_OF_MANY_MS) return;
    this.#lookedMs = nowMs;
    for (const alert of this.#watch.look(groups, nowMs)) this.#sender.send(alert);
  }

  [Symbol.dispose](): void {
    this.#sender[Symbol.dispose]();
  }
}
