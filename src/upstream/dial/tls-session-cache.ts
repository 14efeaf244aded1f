// TLS sessions to resume, one list per peer, so that a new connection to a known peer spares the
// full handshake. Safe to share: a session is only ever offered to the host and port that issued
// it, whose certificate was verified.

/** Peers remembered at most; the oldest goes first. */
const MAX_PEERS = 256;
/**
 * Tickets kept per peer: TLS 1.3 tickets are for one use (RFC 8446 C.4), so connections opened
 * together need several.
 */
const MAX_TICKETS = 4;

export class TlsSessionCache {
  readonly #tickets = new Map<string, Buffer[]>();

  keep(peer: string, ticket: Buffer): void {
    const tickets = this.#tickets.get(peer) ?? [];
    tickets.push(ticket);
    if (tickets.length > MAX_TICKETS) tickets.shift();
    this.#tickets.delete(peer);
    this.#tickets.set(peer, tickets);
    const [oldest] = this.#tickets.keys();
    if (this.#tickets.size > MAX_PEERS && oldest !== undefined) this.#tickets.delete(oldest);
  }

  /**
   * The newest ticket, which is no longer kept; a handshake that fails with it therefore fails
   * once.
   */
  take(peer: string): Buffer | undefined {
    return this.#tickets.get(peer)?.pop();
  }
}
