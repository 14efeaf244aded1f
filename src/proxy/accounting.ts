// What a request used, said once it is over: to its key, its client and the counts by hour. Reading
// it out of the answer is policy/token-usage's.

import { modelInAnswer, tokenUsage } from '../policy/token-usage.ts';
import type { Lease } from '../pool/lease.ts';
import type { ClientLimits } from '../pool/limits/client-limits.ts';
import type { Exchange } from './exchange.ts';
import type { Plan } from './plan.ts';
import { rememberMade } from './resources.ts';
import type { UsageTally } from './usage-tally.ts';

interface Ends {
  readonly head: string;
  readonly tail: string;
}

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
   * What was read along says what the request used and made; of an encoded answer a moment later.
   */
  answered(exchange: Exchange, plan: Plan, lease: Lease): void {
    const { text, reader } = exchange;
    if (text !== undefined) this.#read(exchange, plan, lease, { head: text, tail: text });
    if (reader === undefined) return;
    // Nobody else counts it meanwhile.
    exchange.isCounted = true;
    exchange.isReading = true;
    reader.finish((head, tail) => {
      this.#read(exchange, plan, lease, { head, tail });
      exchange.isReading = false;
      exchange.whenRead?.();
    });
  }

  /** Counts the request, if reading its answer did not. */
  ended(exchange: Exchange, plan: Plan): void {
    if (!exchange.isCounted) this.#count(exchange, plan.model);
  }

  /** @param ends the answer's beginning and its end, which are the same where it is short */
  #read(exchange: Exchange, plan: Plan, lease: Lease, { head, tail }: Ends): void {
    exchange.isCounted = true;
    rememberMade(exchange, lease, head);
    const usage = tokenUsage(head, tail);
    exchange.usage = usage;
    if (usage !== undefined) lease.settleTokens(usage.input + usage.output);
    this.#count(exchange, plan.model ?? modelInAnswer(head));
  }

  #count(exchange: Exchange, model: string | undefined): void {
    exchange.model = model;
    const { client, clientName, groupName, keyRow, usage, ended, response } = exchange;
    if (client !== undefined && usage !== undefined) {
      this.#clientLimits.addTokens(client, usage.input + usage.output, this.#now());
    }
    if (this.#tally === undefined) return;
    const failed = ended !== undefined || response.statusCode >= 400;
    const of = { client: clientName, group: groupName, model, row: keyRow };
    this.#tally.add(of, failed, usage);
  }
}
