// Which addresses a host name has, remembered briefly: a burst of new connections asks the
// resolver once. getaddrinfo blocks one of libuv's few threads for as long as it takes, so a
// cached answer also keeps file work going. Which address is used is up to dial-tcp.ts.

import type { LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { dns } from '../on-demand.ts';

/** How long an answer is used without asking again. Short: providers move traffic by DNS. */
export const DNS_TTL_MS = 30_000;
/**
 * How much longer an old answer still serves when the resolver fails (RFC 8767, serving stale
 * data).
 */
export const DNS_STALE_MS = 600_000;
/** Names remembered at most; the oldest goes first. */
export const DNS_MAX_ENTRIES = 256;

export type Address = Readonly<LookupAddress>;
export type Resolve = (hostname: string) => Promise<readonly Address[]>;

interface Entry {
  readonly addresses: readonly Address[];
  readonly askedMs: number;
}

const systemResolve: Resolve = (hostname) =>
  dns().promises.lookup(hostname, { all: true, order: 'verbatim' });

export class DnsCache {
  readonly #nowMs: () => number;
  readonly #resolve: Resolve;
  readonly #entries = new Map<string, Entry>();
  readonly #asking = new Map<string, Promise<readonly Address[] | Error>>();

  constructor(nowMs: () => number, resolve: Resolve = systemResolve) {
    this.#nowMs = nowMs;
    this.#resolve = resolve;
  }

  /**
   * All addresses in the resolver's order, never an empty list; the resolver's error when there are
   * none.
   */
  lookup(hostname: string): Promise<readonly Address[] | Error> {
    const family = isIP(hostname);
    if (family !== 0) return Promise.resolve([{ address: hostname, family }]);
    const known = this.#entries.get(hostname);
    if (known !== undefined && this.#nowMs() - known.askedMs < DNS_TTL_MS) {
      return Promise.resolve(known.addresses);
    }
    const asking = this.#asking.get(hostname) ?? this.#ask(hostname, known);
    this.#asking.set(hostname, asking);
    return asking;
  }

  /** Called when no address of this name could be connected to: the next lookup asks again. */
  expire(hostname: string): void {
    const known = this.#entries.get(hostname);
    if (known === undefined) return;
    const askedMs = Math.min(known.askedMs, this.#nowMs() - DNS_TTL_MS);
    this.#entries.set(hostname, { ...known, askedMs });
  }

  async #ask(hostname: string, known: Entry | undefined): Promise<readonly Address[] | Error> {
    try {
      const addresses = await this.#resolve(hostname);
      if (addresses.length === 0) return new Error(`${hostname} has no address`);
      this.#remember(hostname, { addresses, askedMs: this.#nowMs() });
      return addresses;
    } catch (error) {
      const stale = known !== undefined && this.#nowMs() - known.askedMs < DNS_STALE_MS;
      return stale ? known.addresses : (error as Error);
    } finally {
      this.#asking.delete(hostname);
    }
  }

  #remember(hostname: string, entry: Entry): void {
    this.#entries.delete(hostname);
    this.#entries.set(hostname, entry);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > DNS_MAX_ENTRIES && oldest !== undefined) this.#entries.delete(oldest);
  }
}
