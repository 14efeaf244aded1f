// What a request used, said once it is over: to its key, its client and the counts by hour. Reading
// it out of the answer is policy/token-usage's.

import { modelInAnswer, tokenUsage } from '../policy/token-usage.ts';
import type { Lease } from '../pool/lease.ts';
import type { ClientLimits } from '../pool/limits/client-limits.ts';
import type { Exchange } from './exchange.ts';
import { rememberMade } from './resources.ts';
import type { UsageTally } from './usage-tally.ts';

/** The accounts of one worker. */
export class Accounting {
  readonly #tally: UsageTally | undefined;
  readonly #clientLimits: ClientLimits;
  readonly #now: () => number;

  /**
   * @param tally undefined: what requests use is not counted (ENABLE_USAGE)
   * @param now milliseconds by the steady clock, on which limits count
   */
  constructor(tally: UsageTally | undefined, clientLimits: ClientLimits, now: () => number) {
    this.#tally = tally;
    this.#clientLimits = clientLimits;
    this.#now = now;
  }

  /** Answers are read for what they used. */
  get isOn(): boolean {
    return this.#tally !== undefined;
  }

  /**
   * The answer is over. What was read along says what the request used and made; of an encoded
   * answer a moment later. A short answer on which nothing depends is read when it is counted.
   */
  answered(exchange: Exchange, lease: Lease): void {
    const { text, reader } = exchange;
    if (text !== undefined && isAwaited(exchange, lease)) {
      this.#read(exchange, lease, text, text);
      exchange.text = undefined;
    }
    if (reader === undefined) return;
    exchange.isReading = true;
    reader.finish((head, tail) => {
      this.#read(exchange, lease, head, tail);
      exchange.isReading = false;
      exchange.whenRead?.();
    });
  }

  /** Counts a request that is over, once. */
  count(exchange: Exchange): void {
    if (this.#tally === undefined || !exchange.isServed) return;
    const { text } = exchange;
    if (text !== undefined) {
      exchange.usage = tokenUsage(text, text);
      exchange.model ??= modelInAnswer(text);
    }
    const { clientName, groupName, model, keyRow, usage, ended, response } = exchange;
    const failed = ended !== undefined || response.statusCode >= 400;
    this.#tally.add({ client: clientName, group: groupName, model, row: keyRow }, failed, usage);
  }

  /**
   * @param head the answer's beginning
   * @param tail its end, the same text where it is short
   */
  #read(exchange: Exchange, lease: Lease, head: string, tail: string): void {
    rememberMade(exchange, lease, head);
    exchange.model ??= modelInAnswer(head);
    const usage = tokenUsage(head, tail);
    exchange.usage = usage;
    if (usage === undefined) return;
    const used = usage.input + usage.output;
    lease.settleTokens(used);
    const { client } = exchange;
    if (client !== undefined) this.#clientLimits.addTokens(client, used, this.#now());
  }
}

/** Whether the next request may depend on what the answer says. */
function isAwaited({ client, makesResource }: Exchange, lease: Lease): boolean {
  return makesResource || lease.isLimited || (client !== undefined && client.tokensPerDay > 0);
}
