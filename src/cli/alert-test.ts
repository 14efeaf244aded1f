// `gpt-load alert-test`: sends one message to ALERT_WEBHOOK_URL and says whether it was accepted.

import type { Config } from '../config/config.ts';
import { Webhook } from '../serve/alerts/webhook.ts';
import type { Terminal } from './terminal.ts';

/** Exit code: 0 accepted; 1 not accepted; 2 no webhook is set. */
export async function alertTest(config: Config, terminal: Terminal): Promise<number> {
  if (config.alertWebhookUrl === '') {
    terminal.complain('gpt-load alert-test: ALERT_WEBHOOK_URL is not set\n');
    return 2;
  }
  const { hostname } = new URL(config.alertWebhookUrl);
  const refusal = await new Webhook(config).send({
    event: 'test',
    group: 'default',
    summary: 'this is a test: alerts will arrive here',
    details: [],
    at: new Date().toISOString(),
  });
  if (refusal !== undefined) {
    terminal.complain(
      `gpt-load alert-test: ${hostname} did not accept the message: ${refusal.why}\n`,
    );
    return 1;
  }
  terminal.write(`${hostname} accepted the message\n`);
  return 0;
}
