// Happy Eyeballs (RFC 8305): one TCP connection to whichever address of a host answers first.
// Node's autoSelectFamily is not used: it gives up on an address after 250 ms instead of letting it
// go on beside the next one, so that a host further away than that fails although it is up.

import type { Socket } from 'node:net';
import type { Address } from './dns-cache.ts';
import { connectLending } from './lending-socket.ts';

/**
 * Wait before the next address is tried beside the ones under way (RFC 8305 section 5 recommends
 * 250 ms).
 */
const ATTEMPT_DELAY_MS = 250;
/** Addresses tried at most for one connection. */
const MAX_ADDRESSES = 8;
/** Idle time before TCP keep-alive probes start, so that a peer that vanished is noticed. */
const TCP_KEEPALIVE_MS = 30_000;

/**
 * Addresses in the order of trying: families alternate, beginning with the resolver's first choice
 * (section 4).
 */
export function inOrder(addresses: readonly Address[]): Address[] {
  const first = addresses.filter((address) => address.family === addresses[0]?.family);
  const second = addresses.filter((address) => address.family !== addresses[0]?.family);
  const order: Address[] = [];
  for (let i = 0; i < Math.max(first.length, second.length); i += 1) {
    order.push(...first.slice(i, i + 1), ...second.slice(i, i + 1));
  }
  return order.slice(0, MAX_ADDRESSES);
}

/**
 * Connects to one of the addresses, or gives the last error; an aborted signal ends all attempts
 * with its reason.
 */
export function connectTcp(
  addresses: readonly Address[],
  port: number,
  signal: AbortSignal,
): Promise<Socket | Error> {
  return new Promise((resolve) => {
    const waiting = inOrder(addresses);
    const attempts = new Set<Socket>();
    let timer: NodeJS.Timeout | undefined;

    const finish = (result: Socket | Error): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      for (const socket of attempts) if (socket !== result) socket.destroy();
      resolve(result);
    };
    const onAbort = (): void => finish(signal.reason as Error);
    const tryNext = (lastError: Error): void => {
      clearTimeout(timer);
      const address = waiting.shift();
      if (address === undefined) {
        if (attempts.size === 0) finish(lastError);
        return;
      }
      const socket = connectLending({
        host: address.address,
        port,
        autoSelectFamily: false,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: TCP_KEEPALIVE_MS,
      });
      attempts.add(socket);
      const onError = (error: Error): void => {
        attempts.delete(socket);
        tryNext(error);
      };
      socket.once('error', onError);
      socket.once('connect', () => {
        socket.off('error', onError);
        finish(socket);
      });
      timer = setTimeout(tryNext, ATTEMPT_DELAY_MS, lastError);
    };

    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    tryNext(new Error('no address to connect to'));
  });
}
