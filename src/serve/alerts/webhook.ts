// One attempt to deliver an alert to a webhook, over the same transport as requests, so that
// outgoing proxies and additional certificate authorities apply to it too. The webhook's address is
// a secret.

import { unescape as decoded } from 'node:querystring';
import type { Config } from '../../config/config.ts';
import { type Alert, saidNo, webhookRequest } from '../../policy/alert-message.ts';
import { retryAfterMs } from '../../policy/answers/retry-after.ts';
import { type Upstream, UpstreamList } from '../../pool/upstreams/upstream-list.ts';
import { Deadlines } from '../../upstream/deadlines.ts';
import { Http1Transport } from '../../upstream/http1/transport-http1.ts';
import type { Transport, UpstreamAnswer } from '../../upstream/transport.ts';
import { dialerFor } from '../dialer-for.ts';

const TIMEOUT_MS = 10_000;
/** Of an answer, so much is looked at. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** Why an alert was not taken; `isFinal`: it will not be taken later either. */
export interface Refusal {
  readonly why: string;
  readonly isFinal: boolean;
  /** When to come back, if it said so. */
  readonly retryAfterMs?: number | undefined;
}

export class Webhook {
  readonly #url: string;
  readonly #upstream: Upstream;
  readonly #transport: Transport;

  /** @param config with an ALERT_WEBHOOK_URL */
  constructor(config: Config) {
    this.#url = config.alertWebhookUrl;
    const { origin } = new URL(config.alertWebhookUrl);
    this.#upstream = new UpstreamList(UpstreamList.create([origin])).get(0);
    const deadlines = new Deadlines(() => performance.now());
    const { idleConnTimeoutMs } = config;
    this.#transport = new Http1Transport(dialerFor(config), deadlines, idleConnTimeoutMs, () => {});
  }

  /** One try; undefined: the alert was taken. Never rejects. */
  async send(alert: Alert): Promise<Refusal | undefined> {
    const request = webhookRequest(alert, this.#url);
    const { url, contentType, body } = request;
    const fields = [...request.fields];
    const { pathname, search, username, password } = new URL(url);
    const credentials = `${decoded(username)}:${decoded(password)}`;
    if (credentials !== ':') fields.push('Authorization', basic(credentials));
    const bytes = Buffer.from(body);
    const call = this.#transport.send(this.#upstream, {
      method: 'POST',
      path: pathname + search,
      fields: [
        ...['Host', this.#upstream.host, 'Content-Type', contentType, 'User-Agent', 'gpt-load'],
        ...fields,
      ],
      chunks: [bytes],
      bytes: bytes.length,
      source: undefined,
      sourceLength: undefined,
      trailers: [],
      isTurnOver: false,
      bodyExpected: true,
      upgrade: false,
      headersTimeoutMs: TIMEOUT_MS,
      sendIdleTimeoutMs: TIMEOUT_MS,
      onInformation: undefined,
    });
    const timer = setTimeout(() => call.abort('total_timeout'), TIMEOUT_MS);
    const outcome = await call.outcome;
    const text = outcome.kind === 'answer' ? await beginningOf(outcome) : '';
    clearTimeout(timer);
    if (outcome.kind === 'fault') return { why: `no answer (${outcome.code})`, isFinal: false };
    return this.#refusalOf(outcome.status, outcome.rawHeaders, text);
  }

  #refusalOf(status: number, rawHeaders: readonly string[], text: string): Refusal | undefined {
    const { hostname } = this.#upstream;
    const said = saidNo(hostname, text);
    if (status >= 200 && status < 300 && said === undefined) return undefined;
    const isFinal = status >= 300 && status < 500 && status !== 429 && status !== 408;
    const why = `it answered ${status}${said === undefined ? '' : `, ${said}`}`;
    const answer = { status, rawHeaders, text, inStream: false };
    const afterMs = retryAfterMs(answer, { host: hostname, nowMs: Date.now() });
    return { why, isFinal, retryAfterMs: afterMs ?? undefined };
  }
}

/** RFC 7617. */
function basic(credentials: string): string {
  return `Basic ${Buffer.from(credentials).toString('base64')}`;
}

async function beginningOf(answer: UpstreamAnswer): Promise<string> {
  if (answer.whole !== undefined) return answer.whole.toString('utf8', 0, MAX_ANSWER_BYTES);
  let text = '';
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      text += chunk.toString('utf8');
      if (text.length > MAX_ANSWER_BYTES) break;
    }
  } catch {
    // What came is all there is.
  }
  return text;
}
