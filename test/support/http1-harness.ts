// An HTTP/1.1 transport of its own, and upstreams for it.

import { UpstreamList } from '../../src/pool/upstreams/upstream-list.ts';
import { Deadlines } from '../../src/upstream/deadlines.ts';
import { Dialer } from '../../src/upstream/dial/dial.ts';
import { DnsCache } from '../../src/upstream/dial/dns-cache.ts';
import { Http1Transport } from '../../src/upstream/http1/transport-http1.ts';
import { testCa } from './tls-fixture.ts';

export function http1Transport(): Http1Transport {
  const dialer = new Dialer({
    dns: new DnsCache(() => 0),
    proxies: { http: '', https: '', all: '', no: [], upstreams: [] },
    connectTimeoutMs: 5_000,
    authorities: [testCa],
  });
  return new Http1Transport(dialer, new Deadlines(() => performance.now()), 60_000);
}

export function upstreamAt(url: string) {
  return new UpstreamList(UpstreamList.create([url])).get(0);
}
