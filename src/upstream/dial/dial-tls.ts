// TLS on a connection that is already open. Certificates are always verified against the name that
// was asked for; no setting turns that off. What a failure means for upstream and proxy is decided
// by dial.ts.

import { isIP, type Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import { tls } from '../on-demand.ts';
import { authorityOf } from './connect-tunnel.ts';
import type { TlsSessionCache } from './tls-session-cache.ts';

export interface TlsPeer {
  readonly hostname: string;
  readonly port: number;
  /** Protocols to offer, the preferred one first (RFC 7301). */
  readonly alpn: readonly string[];
}

/** What all handshakes of one dialer share. */
export interface TlsShared {
  readonly context: SecureContext;
  readonly sessions: TlsSessionCache;
}

/**
 * Secures a socket, which belongs to the result from now on: it is closed when the handshake fails.
 */
export function secure(
  socket: Socket,
  peer: TlsPeer,
  shared: TlsShared,
  signal: AbortSignal,
): Promise<TLSSocket | Error> {
  const id = authorityOf(peer);
  // Neither SNI (RFC 6066 section 3) nor certificates know the trailing dot of an absolute name.
  const host = peer.hostname.replace(/\.$/, '');
  const session = shared.sessions.take(id);
  const secured = tls().connect({
    socket,
    secureContext: shared.context,
    host,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ALPNProtocols: [...peer.alpn],
    ...(session === undefined ? {} : { session }),
  });
  secured.on('session', (ticket) => shared.sessions.keep(id, ticket));
  return new Promise((resolve) => {
    const finish = (result: TLSSocket | Error): void => {
      signal.removeEventListener('abort', onAbort);
      secured.off('error', finish);
      if (result !== secured) {
        secured.on('error', () => undefined);
        secured.destroy();
      }
      resolve(result);
    };
    const onAbort = (): void => finish(signal.reason as Error);
    secured.once('error', finish);
    secured.once('secureConnect', () => finish(secured));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort);
  });
}
