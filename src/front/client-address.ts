// Who the client is when other proxies stand before this one: X-Forwarded-For is believed only as
// far as trusted proxies wrote it. Serves the access log; nothing is permitted or refused by it.

import { BlockList, isIP } from 'node:net';
import { ConfigError } from '../errors.ts';

/** Entries of X-Forwarded-For looked at, from the right. */
const MAX_HOPS = 32;

/** TRUSTED_PROXIES: addresses and CIDR blocks. */
export class TrustedProxies {
  readonly #trusted = new BlockList();
  readonly #any: boolean;

  /** @throws ConfigError for an entry that is neither an address nor a CIDR block. */
  constructor(networks: readonly string[]) {
    this.#any = networks.length > 0;
    for (const network of networks) addNetwork(this.#trusted, network);
  }

  /**
   * The rightmost address that no trusted proxy vouches for; the leftmost one if all are trusted.
   * @param peer the connection's remote address; '' for a unix socket, whose peer is this machine
   * @param forwardedFor all X-Forwarded-For fields, joined by commas
   */
  clientAddress(peer: string, forwardedFor: string | undefined): string {
    let address = plain(peer);
    if (!this.#any || forwardedFor === undefined) return address;
    const hops = forwardedFor.split(',').slice(-MAX_HOPS);
    while (address === '' || this.#trusts(address)) {
      const before = withoutPort(hops.pop()?.trim() ?? '');
      if (isIP(before) === 0) return address;
      address = plain(before);
    }
    return address;
  }

  #trusts(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#trusted.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }
}

function addNetwork(list: BlockList, network: string): void {
  const [text = '', bits] = network.split('/');
  const address = plain(text);
  const family = isIP(address);
  const longest = family === 6 ? 128 : 32;
  const length = bits === undefined ? longest : Number(bits);
  const valid = bits === undefined || /^\d{1,3}$/.test(bits);
  if (family === 0 || !valid || length > longest) {
    throw new ConfigError([
      `TRUSTED_PROXIES: must be IP addresses or CIDR blocks, got ${JSON.stringify(network)}`,
    ]);
  }
  list.addSubnet(address, length, family === 6 ? 'ipv6' : 'ipv4');
}

/**
 * An IPv4 address as such when it is mapped into IPv6: `::ffff:10.0.0.1` on a dual-stack socket.
 */
function plain(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  return (mapped ?? address).replace(/%.*$/, '');
}

/** Some proxies (Azure's) add the port: `203.0.113.7:4711`, `[2001:db8::1]:4711`. */
function withoutPort(hop: string): string {
  return /^\[([^\]]+)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([\d.]+):\d+$/.exec(hop)?.[1] ?? hop;
}
