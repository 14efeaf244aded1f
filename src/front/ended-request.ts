// A request that is over, as its access line and its trail tell it: looked up in the exchange when
// it is written down, and not copied before.

import type { Trail, TrailAttempt, TrailTokens } from '../log/trail.ts';
import { loggedTarget } from '../policy/request-target.ts';
import type { Exchange } from '../proxy/exchange.ts';

export class EndedRequest implements Trail {
  readonly #exchange: Exchange;
  readonly atMs: number;
  readonly totalMs: number;
  readonly #isOnlyGroup: boolean;

  /** @param isOnlyGroup the access line need not say whose keys served */
  constructor(
    exchange: Exchange,
    { atMs, totalMs }: { readonly atMs: number; readonly totalMs: number },
    isOnlyGroup: boolean,
  ) {
    this.#exchange = exchange;
    this.atMs = atMs;
    this.totalMs = totalMs;
    this.#isOnlyGroup = isOnlyGroup;
  }

  get id(): string {
    return this.#exchange.id;
  }

  get serial(): number {
    return this.#exchange.serial;
  }

  get client(): string {
    return this.#exchange.clientAddress;
  }

  get clientName(): string | undefined {
    return this.#exchange.client?.name;
  }

  get groupName(): string {
    return this.#exchange.groupName;
  }

  get group(): string | undefined {
    return this.#isOnlyGroup ? undefined : this.#exchange.groupName;
  }

  get method(): string {
    return this.#exchange.method;
  }

  get path(): string {
    return loggedTarget(this.#exchange.asked);
  }

  get model(): string | undefined {
    return this.#exchange.model;
  }

  get streamed(): boolean {
    return this.#exchange.streamed;
  }

  get status(): number {
    const { clientLeft, response } = this.#exchange;
    return clientLeft && !response.headersSent ? 0 : response.statusCode;
  }

  get firstByteMs(): number | null {
    const { firstByteMs } = this.#exchange;
    return firstByteMs < 0 ? null : firstByteMs;
  }

  get waitedMs(): number | undefined {
    const { waitedMs } = this.#exchange;
    return waitedMs === 0 ? undefined : waitedMs;
  }

  get bytesIn(): number {
    return this.#exchange.bytesIn;
  }

  get bytesOut(): number {
    return this.#exchange.bytesOut;
  }

  get ended(): string | undefined {
    return this.#exchange.ended;
  }

  get refusal(): string | undefined {
    return this.#exchange.refusal;
  }

  get tokens(): TrailTokens | undefined {
    return this.#exchange.usage;
  }

  get attempts(): readonly TrailAttempt[] {
    return this.#exchange.attempts;
  }
}
