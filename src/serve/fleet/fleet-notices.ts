// Which lines the log has of being in the fleet and out of it: one for each kind of trouble,
// however often it is met, and one when it is over; also where a server lets this instance in and
// fails at once, over and over.

import type { Logger } from '../../log/log.ts';
import { LinkError, type LinkTrouble } from '../../store/valkey/valkey-link.ts';

/** A connection that has lived so long is no longer one of those that fail at once. */
export const SETTLED_MS = 1_000;

export class FleetNotices {
  readonly #log: Logger;
  readonly #fleet: string;
  readonly #server: string;
  #told: LinkTrouble | 'unexpected' | undefined;
  #hasJoined = false;
  /** It is in, and nobody was told yet. */
  #isWaiting = false;
  #failsAtOnce = false;

  /** @param server as people know it, without credentials */
  constructor(log: Logger, fleet: string, server: string) {
    this.#log = log;
    this.#fleet = fleet;
    this.#server = server;
  }

  isBack(instances: number): void {
    this.#isWaiting = true;
    if (!this.#failsAtOnce) this.#tellBack(instances);
  }

  /** It is in still, so long after it came. */
  goesOn(livedMs: number, instances: number): void {
    if (livedMs < SETTLED_MS) return;
    this.#failsAtOnce = false;
    if (this.#isWaiting) this.#tellBack(instances);
  }

  /** @param livedMs how long it was in; undefined: it was not */
  isAway(error: unknown, livedMs: number | undefined): void {
    if (livedMs !== undefined) this.#failsAtOnce = livedMs < SETTLED_MS;
    this.#isWaiting = false;
    const kind = error instanceof LinkError ? error.trouble : 'unexpected';
    if (kind === 'moved' || kind === this.#told) return;
    this.#told = kind;
    if (!(error instanceof LinkError)) {
      this.#log.error('unexpected error (fleet)', { error });
      return;
    }
    const message =
      kind === 'other_secret'
        ? 'REJECTED BY THE FLEET: this instance has a different FLEET_SECRET (or AUTH_KEY); it continues on its own'
        : 'the fleet server is unavailable; this instance continues on its own and keeps retrying';
    this.#log.warn(message, { fleet: this.#fleet, reason: error.message });
  }

  #tellBack(instances: number): void {
    const message = this.#hasJoined ? 'rejoined the fleet' : 'joined the fleet';
    this.#log.info(message, { fleet: this.#fleet, server: this.#server, instances });
    this.#hasJoined = true;
    this.#isWaiting = false;
    this.#told = undefined;
  }
}
