// The dialer that a configuration asks for, for whichever thread talks to upstreams.

import type { Config } from '../config/config.ts';
import { Dialer } from '../upstream/dial/dial.ts';
import { DnsCache } from '../upstream/dial/dns-cache.ts';
import { trustedAuthorities } from '../upstream/dial/tls-files.ts';

export function dialerFor(config: Config): Dialer {
  return new Dialer({
    dns: new DnsCache(() => performance.now()),
    proxies: config.proxies,
    connectTimeoutMs: config.connectTimeoutMs,
    authorities: trustedAuthorities(config.extraCaFile),
  });
}
