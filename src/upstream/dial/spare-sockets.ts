// Connections that were opened to learn what the peer speaks, until their first use a moment later.
// Nothing is pooled here: one that nobody takes soon is closed.

import type { Socket } from 'node:net';

/** How long a connection waits; the request that caused it follows at once. */
const SPARE_MS = 5_000;
/** At most one per peer, and so many peers. */
const MAX_SPARE = 64;

export class SpareSockets {
  readonly #sockets = new Map<string, { socket: Socket; drop: () => void }>();

  /** Closes the socket at once when one is kept for this peer, or too many are. */
  keep(peer: string, socket: Socket): void {
    if (this.#sockets.has(peer) || this.#sockets.size >= MAX_SPARE) {
      socket.destroy();
      return;
    }
    const drop = (): void => {
      this.#sockets.delete(peer);
      socket.destroy();
    };
    this.#sockets.set(peer, { socket, drop });
    socket.on('error', drop).on('close', drop);
    socket.setTimeout(SPARE_MS, drop);
  }

  /** The kept socket, which is the caller's from now on. */
  take(peer: string): Socket | undefined {
    const spare = this.#sockets.get(peer);
    if (spare === undefined) return undefined;
    this.#sockets.delete(peer);
    const { socket, drop } = spare;
    socket.off('error', drop).off('close', drop).off('timeout', drop).setTimeout(0);
    return socket;
  }
}
